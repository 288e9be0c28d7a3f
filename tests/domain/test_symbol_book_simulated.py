"""Whatever happens to the frames of an exchange, a SYNCED book is the true one."""

from collections import deque

from hypothesis import given, settings
from hypothesis import strategies as st

from flows.domain.books import Books
from flows.domain.event import ClockTick, DepthDelta, DepthSnapshot, Event
from flows.domain.market import Market
from flows.domain.symbol_book import BookState, BookStateChanged, SymbolBook
from flows.domain.units import NS_PER_MS, NS_PER_S
from flows.domain.view import BookView
from tests.domain.simulated_exchange import SimulatedExchange

DISTURBED, OTHER = "BTCUSDT", "ETHUSDT"
STALE_AFTER_MS = 3_000
CHAINED = (BookState.SYNCED, BookState.STALE)
ACTIONS = (
    "change",
    "deliver",
    "deliver",
    "deliver",
    "drop",
    "hold",
    "release_first",
    "release_last",
    "repeat",
    "snapshot",
    "hold_snapshot",
    "release_snapshot",
    "silence",
)


class Run:
    """Books fed by an exchange over a bad line; every output is judged at once."""

    def __init__(self, market: Market, seed: int) -> None:
        self.exchange = SimulatedExchange((DISTURBED, OTHER), market, seed)
        self.books = Books(depth=5, stale_after_ms=STALE_AFTER_MS)
        self.now_ns = NS_PER_S
        self.held: deque[DepthDelta] = deque()
        self.held_snapshots: deque[DepthSnapshot] = deque()
        self.delivered: list[DepthDelta] = []
        self.changes: dict[str, list[BookState]] = {DISTURBED: [], OTHER: []}
        self._deliver_other()
        self._receive(self.exchange.snapshot(OTHER, self.now_ns))
        self._deliver_other()

    @property
    def book(self) -> SymbolBook:
        return self.books.by_symbol[DISTURBED]

    def act(self, action: str) -> None:
        getattr(self, f"_{action}")()
        self._deliver_other()

    def _event(self) -> DepthDelta:
        return self.exchange.event(DISTURBED, self.now_ns)

    def _change(self) -> None:
        self.exchange.change(DISTURBED)

    def _deliver(self) -> None:
        self._receive(self._event())

    def _drop(self) -> None:
        self._event()

    def _hold(self) -> None:
        self.held.append(self._event())

    def _release_first(self) -> None:
        if self.held:
            self._receive(self.held.popleft())

    def _release_last(self) -> None:
        if self.held:
            self._receive(self.held.pop())

    def _repeat(self) -> None:
        if self.delivered:
            self._receive(self.delivered[len(self.delivered) // 2])

    def _snapshot(self) -> None:
        self._receive(self.exchange.snapshot(DISTURBED, self.now_ns))

    def _hold_snapshot(self) -> None:
        self.held_snapshots.append(self.exchange.snapshot(DISTURBED, self.now_ns))

    def _release_snapshot(self) -> None:
        if self.held_snapshots:
            self._receive(self.held_snapshots.popleft())

    def _silence(self) -> None:
        for _ in range(4):
            self.now_ns += NS_PER_S
            self._deliver_other()
        self._receive(ClockTick(self.now_ns))

    def _deliver_other(self) -> None:
        self._receive(self.exchange.event(OTHER, self.now_ns))

    def _receive(self, event: Event) -> None:
        """Hand over a frame as received now, and check all that came of it."""
        self.now_ns += 10 * NS_PER_MS
        event = at(event, self.now_ns)
        if isinstance(event, DepthDelta) and event.symbol == DISTURBED:
            self.delivered.append(event)
        for out in self.books.apply(event):
            if isinstance(out, BookView):
                assert out.received_ns == self.now_ns
                self._check_view(out)
            elif isinstance(out, BookStateChanged):
                assert out.received_ns == self.now_ns
                self.changes[out.symbol].append(out.after)
        for book in self.books.by_symbol.values():
            self._check_book(book)

    def _check_view(self, view: BookView) -> None:
        bids, asks = self.exchange.symbols[view.symbol].truth[view.update_id]
        assert view.bids == tuple(sorted(bids.items(), reverse=True)[:5])
        assert view.asks == tuple(sorted(asks.items())[:5])

    def _check_book(self, book: SymbolBook) -> None:
        counts = book.counts
        assert counts.depth_events == (
            counts.applied
            + counts.stale
            + counts.duplicates
            + counts.gaps
            + counts.waiting
        )
        assert (counts.crossed, counts.drifted) == (0, 0)
        if book.state in CHAINED:
            assert book.last_view is not None
            truth = self.exchange.symbols[book.symbol].truth[book.last_view.update_id]
            assert (
                dict(book.book.bids.levels()),
                dict(book.book.asks.levels()),
            ) == truth


def at(event: Event, received_ns: int) -> Event:
    if isinstance(event, DepthDelta):
        return DepthDelta(
            event.symbol,
            received_ns,
            event.market,
            event.first_id,
            event.last_id,
            event.previous_id,
            event.bids,
            event.asks,
            event.stream,
        )
    if isinstance(event, DepthSnapshot):
        return DepthSnapshot(
            event.symbol, received_ns, event.last_update_id, event.bids, event.asks
        )
    return event if not isinstance(event, ClockTick) else ClockTick(received_ns)


@settings(deadline=None, max_examples=600)
@given(
    st.sampled_from((Market.USD_M, Market.SPOT)),
    st.integers(0, 2**32),
    st.lists(st.sampled_from(ACTIONS), max_size=40),
)
def test_apply_frames_disturbed_in_any_way_book_is_true_or_not_synced(
    market: Market, seed: int, actions: list[str]
) -> None:
    run = Run(market, seed)
    for action in actions:
        run.act(action)
    for action in ("deliver", "snapshot", "deliver"):  # all it takes to recover
        run.act(action)
    assert run.book.state is BookState.SYNCED
    assert run.book.counts.depth_events == len(run.delivered)
    assert run.changes[OTHER] == [BookState.BRIDGING, BookState.SYNCED]
    assert run.books.by_symbol[OTHER].state is BookState.SYNCED


@settings(deadline=None, max_examples=60)
@given(
    st.sampled_from((Market.USD_M, Market.SPOT)),
    st.integers(0, 2**32),
    st.lists(st.sampled_from(("change", "deliver", "repeat")), max_size=30),
)
def test_apply_frames_none_lost_book_stays_synced(
    market: Market, seed: int, actions: list[str]
) -> None:
    run = Run(market, seed)
    for action in ("deliver", "deliver", "snapshot", "deliver", *actions):
        run.act(action)
    assert run.book.state is BookState.SYNCED
    assert run.changes[DISTURBED] == [BookState.BRIDGING, BookState.SYNCED]
    assert run.book.counts.gaps == 0
