"""Venues in virtual time, and clients that keep what they receive."""

import json
from collections.abc import Iterable, Iterator
from typing import Any

from connectors.binance.wire import decode
from connectors.exchange.fault import Fault, fault_of
from connectors.exchange.payload import book_levels
from connectors.exchange.session import Outgoing, Session
from connectors.exchange.synthetic_tape import SyntheticTape
from connectors.exchange.tape import TapeEvent
from connectors.exchange.true_book import Image
from connectors.exchange.venue import Venue
from flows.domain.event import DepthDelta, DepthSnapshot
from flows.domain.frame import RawFrame
from flows.domain.symbol_book import BookState, SymbolBook
from flows.domain.units import NS_PER_MS, NS_PER_S

START_NS = 1_790_000_000 * NS_PER_S
BTC, ETH = "BTCUSDT", "ETHUSDT"
DEPTH = "btcusdt@depth@100ms"
TOP = 20

Message = dict[str, Any]


def synthetic_venue(
    *symbols: str, seed: int = 7, faults: Iterable[Fault] = ()
) -> Venue:
    tape = SyntheticTape(symbols or (BTC, ETH), start_ns=START_NS, seed=seed)
    return Venue(tape, start_ns=START_NS, faults=faults, seed=seed)


class QuietTape(SyntheticTape):
    """Books that never change, for what takes hours."""

    def __iter__(self) -> Iterator[TapeEvent]:
        return iter(())


def quiet_venue() -> Venue:
    return Venue(QuietTape([BTC], start_ns=START_NS), start_ns=START_NS)


def fault(kind: str, **parameters: Any) -> Fault:
    return fault_of({"kind": kind, **parameters})


def pass_ms(venue: Venue, milliseconds: int) -> None:
    venue.advance(venue.now_ns + milliseconds * NS_PER_MS)


def connected(venue: Venue, path: str) -> Session:
    session = venue.connect(path)
    assert isinstance(session, Session)
    return session


def received(venue: Venue, session: Session) -> list[Outgoing]:
    return session.receive(venue.now_ns)


def texts(venue: Venue, session: Session) -> list[bytes]:
    return [item for item in received(venue, session) if isinstance(item, bytes)]


def messages(venue: Venue, session: Session) -> list[Message]:
    return [json.loads(text) for text in texts(venue, session)]


def asked(venue: Venue, session: Session, **message: Any) -> Message:
    """The answer to a control message on a connection without data."""
    session.send(json.dumps(message))
    [answer] = messages(venue, session)
    return answer


def requested(venue: Venue, path: str, **params: str) -> tuple[int, Any]:
    reply = venue.request("GET", f"/fapi/v1/{path}", params)
    return reply.status, json.loads(reply.body)


class BookClient:
    """Keeps one symbol's book with the bot's own rules, from frames and a snapshot."""

    def __init__(self, venue: Venue, stream: str) -> None:
        self.venue = venue
        self.stream = stream
        self.session = connected(venue, f"/public/ws/{stream}")
        self.symbol = stream.partition("@")[0].upper()
        self.book = SymbolBook(self.symbol, depth=5, stale_after_ms=60_000)
        self.compared = 0

    def take_in(self) -> None:
        """Apply what has arrived, comparing with the venue's book at each id."""
        for text in texts(self.venue, self.session):
            frame = RawFrame(self.venue.now_ns, self.stream, text)
            event = decode(frame)
            assert isinstance(event, DepthDelta)
            self.book.on_delta(event)
            self.check()

    def snapshot(self) -> None:
        reply = self.venue.request(
            "GET", "/fapi/v1/depth", {"symbol": self.symbol, "limit": "1000"}
        )
        stream = f"{self.symbol.lower()}@snapshot"
        event = decode(RawFrame(self.venue.now_ns, stream, reply.body))
        assert isinstance(event, DepthSnapshot)
        self.book.on_snapshot(event)

    def check(self) -> None:
        """Assert that a book that calls itself true is the venue's at the same id."""
        view = self.book.last_view
        if self.book.state is not BookState.SYNCED or view is None:
            return
        true = self.venue.symbols[self.symbol].true.image_at(view.update_id, TOP)
        assert true is not None
        assert self.image(view.update_id) == true
        self.compared += 1

    def image(self, update_id: int) -> Image:
        book = self.book.book
        return Image(
            update_id,
            book_levels(book, book.bids.top(TOP)),
            book_levels(book, book.asks.top(TOP)),
        )
