"""The market feed and the exchange over real sockets, on one event loop.

`make chaos` runs all scenarios; otherwise two of them.
"""

import os
from random import Random

import pytest

from connectors.binance.feed import MarketFeed
from connectors.binance.transport import Transport, endpoints_of
from connectors.binance.wire import decode
from connectors.exchange.fault import MARKET_KINDS, Fault, Kind
from connectors.exchange.scenario import random_faults
from connectors.exchange.server import ExchangeServer
from connectors.exchange.synthetic_tape import SyntheticTape
from connectors.exchange.venue import Venue
from flows.domain.books import Books
from flows.domain.symbol_book import BookState
from flows.domain.units import NS_PER_S
from flows.domain.view import BookView
from flows.wall_clock import WallClock
from tests.chaos.market import CALM, compare_with_exchange
from tests.flows.engine_process import free_port

SYMBOLS = ["BTCUSDT", "ETHUSDT"]
SCENARIOS = range(10 if os.environ.get("MFT_CHAOS") == "all" else 2)
PATIENCE_NS = 60 * NS_PER_S


class SocketRun:
    """A feed and an exchange that meet over loopback."""

    def __init__(self, faults: list[Fault], seed: int) -> None:
        self.clock = WallClock()
        self.start_ns = self.clock()
        tape = SyntheticTape(SYMBOLS, start_ns=self.start_ns, seed=seed, speed=4 * CALM)
        self.venue = Venue(tape, start_ns=self.start_ns, faults=faults, seed=seed)
        self.books = Books(depth=5, stale_after_ms=3_000)
        self.feed = MarketFeed(
            SYMBOLS, self.books, tuple, Random(seed), stale_after_ms=3_000
        )
        port = free_port()
        endpoints = endpoints_of(f"http://127.0.0.1:{port}")
        self.transport = Transport(self.feed, endpoints, self.clock)
        self.server = ExchangeServer(self.venue, self.clock)
        self.loop = self.transport._loop
        self.loop.run_until_complete(self.server.start(port))
        self.wrong: list[str] = []
        self.checked = 0

    def poll(self) -> None:
        for frame in self.transport.poll():
            for output in self.books.apply(decode(frame)):
                if isinstance(output, BookView):
                    self._check(output)

    def _check(self, view: BookView) -> None:
        book = self.books.by_symbol[view.symbol]
        if book.last_view is view and book.state is BookState.SYNCED:
            true = self.venue.symbols[view.symbol].true
            self.wrong += compare_with_exchange(book, true, 20)
            self.checked += 1

    def are_synced(self) -> bool:
        books = self.books.by_symbol
        return len(books) == len(SYMBOLS) and all(
            book.state is BookState.SYNCED for book in books.values()
        )

    def close(self) -> None:
        self.loop.run_until_complete(self.server.stop())
        self.transport.close()


@pytest.mark.untraced
@pytest.mark.parametrize("seed", SCENARIOS)
def test_transport_under_random_faults_keeps_books_true_or_not_synced(
    seed: int,
) -> None:
    last_for_minutes = {Kind.BAN, Kind.RATE_LIMIT}
    kinds = [kind for kind in MARKET_KINDS if kind not in last_for_minutes]
    faults = random_faults(SYMBOLS, seed=seed, count=14, over_ms=6_000, kinds=kinds)
    run = SocketRun(faults, seed)
    try:
        while run.clock() < run.start_ns + 8 * NS_PER_S:
            run.poll()
        while not run.are_synced() and run.clock() < run.start_ns + PATIENCE_NS:
            run.poll()
        assert run.wrong == []
        assert run.are_synced()
        assert run.checked > 20
        assert sum(run.venue.desk.done.values()) > 5
    finally:
        run.close()


def test_transport_close_while_the_exchange_is_silent_does_not_wait() -> None:
    run = SocketRun([], seed=1)
    try:
        while not run.are_synced():
            run.poll()
    finally:
        run.close()
    assert run.transport._loop.is_closed()
