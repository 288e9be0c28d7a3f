"""One symbol's book together with the knowledge whether it is true."""

from collections import deque
from enum import Enum

import msgspec

from flows.domain.audit import Audit
from flows.domain.book import Book
from flows.domain.errors import MarketDataError
from flows.domain.event import BookTicker, DepthDelta, DepthSnapshot, Levels
from flows.domain.fact import Fact
from flows.domain.market import Market
from flows.domain.sequence import Sequence, Verdict
from flows.domain.ticker_check import TickerCheck
from flows.domain.units import NS_PER_MS
from flows.domain.view import BookView

BUFFER_LIMIT = 10_000
"""Depth events kept while waiting for a snapshot; the oldest gives way."""

RECENT_LIMIT = 64
"""Applied depth events kept so that a snapshot older than the book can be audited.

They are kept packed: as objects they would be thousands of small ones a symbol, which
push the book itself out of the processor's cache.
"""

_pack = msgspec.msgpack.Encoder().encode
_unpack = msgspec.msgpack.Decoder(DepthDelta).decode


class BookState(Enum):
    """Whether a book may be believed; only a SYNCED one opens positions."""

    EMPTY = "EMPTY"
    """Nothing of the symbol's depth has arrived."""
    BRIDGING = "BRIDGING"
    """Waiting for a snapshot, or for the event that joins it to the stream."""
    SYNCED = "SYNCED"
    """True: bridged, and every event since followed the one before."""
    GAP = "GAP"
    """Events were lost; waiting for a new snapshot."""
    CROSSED = "CROSSED"
    """Best bid reached best ask; waiting for a new snapshot."""
    DRIFTED = "DRIFTED"
    """A new snapshot disagreed and took the book's place; ends with the next event."""
    STALE = "STALE"
    """No frame for `stale_after_ms`, or the source lost its stream; ends with the next
    event in sequence."""


_CHAINED = frozenset({BookState.SYNCED, BookState.STALE, BookState.DRIFTED})


class BookStateChanged(Fact, frozen=True, kw_only=True):
    """A book entered another state."""

    before: BookState
    after: BookState
    update_id: int | None
    """`u` of the last view, if there was one."""


class DepthCounts(msgspec.Struct):
    """What became of a symbol's depth events; each is counted once."""

    depth_events: int = 0
    applied: int = 0
    stale: int = 0
    duplicates: int = 0
    gaps: int = 0
    """Events that did not follow; one that later bridges stays counted here."""
    waiting: int = 0
    """Events that no usable snapshot has reached."""
    other_speed: int = 0
    """Events of the symbol's second depth stream, whose ids are another chain; not
    among `depth_events`."""
    crossed: int = 0
    """Applied events that left the book crossed."""
    audits: int = 0
    """Snapshots compared with the book while it was SYNCED."""
    drifted: int = 0
    """Audits that found a difference."""


BookOutput = BookView | BookStateChanged


class SymbolBook:
    """Bridges, applies, audits and judges one symbol's depth events.

    Each method returns what downstream must know, in order: state changes, and one
    view per event applied to a book that is true. A book that is not true gives none.
    Numbers are checked in the event that brings them, also where it has to wait.
    """

    def __init__(self, symbol: str, *, depth: int, stale_after_ms: int) -> None:
        self.symbol = symbol
        self.state = BookState.EMPTY
        self.counts = DepthCounts()
        self.book = Book()
        self.ticker_check = TickerCheck()
        self.last_view: BookView | None = None
        self.market: Market | None = None
        """Known from the first depth event on, and with it the sequence rule."""
        self._stream = ""
        self._depth = depth
        self._stale_after_ns = stale_after_ms * NS_PER_MS
        self._last_frame_ns = 0
        self._sequence = Sequence(is_spot=False)
        self._snapshot: DepthSnapshot | None = None
        self._buffer: deque[DepthDelta] = deque()
        self._gap_event: DepthDelta | None = None
        self._recent: deque[bytes] = deque(maxlen=RECENT_LIMIT)
        self._audit: Audit | None = None

    def on_delta(self, delta: DepthDelta) -> list[BookOutput]:
        """Judge a depth event, and apply it where it follows.

        Raises MarketDataError where the symbol has changed its market, and ValueError
        on a malformed number.
        """
        if self.market is None:
            self.market, self._stream = delta.market, delta.stream
            self._sequence = Sequence(is_spot=delta.market.is_spot)
        elif self._is_foreign(delta):
            self._observe(delta.bids, delta.asks)
            return self.on_other(delta.received_ns)
        out = self.on_other(delta.received_ns)
        self.counts.depth_events += 1
        if self._sequence.needs_snapshot:
            out += self._wait_for_snapshot(delta)
        else:
            out += self._judge(delta, delta.received_ns, is_first_look=True)
        return out

    def on_snapshot(self, snapshot: DepthSnapshot) -> list[BookOutput]:
        """Bridge from a snapshot, or audit a book that is already true.

        Raises ValueError on a malformed number.
        """
        out = self.on_other(snapshot.received_ns)
        if self.state in _CHAINED:
            return out + self._start_audit(snapshot)
        out += self._enter_from_empty(snapshot.received_ns)
        if self.market is not None:
            return out + self._bridge(snapshot, snapshot.received_ns)
        self._observe(snapshot.bids, snapshot.asks)
        self._snapshot = snapshot  # the market, so the rule, is not known yet
        return out

    def on_ticker(self, ticker: BookTicker) -> list[BookOutput]:
        """Check the book against the exchange's own best prices."""
        self.ticker_check.on_ticker(ticker)
        return self.on_other(ticker.received_ns)

    def on_other(self, received_ns: int) -> list[BookOutput]:
        """Any frame of the symbol: a sign of life."""
        silent_ns = received_ns - self._last_frame_ns
        out = self.on_time(received_ns) if silent_ns >= self._stale_after_ns else []
        self._last_frame_ns = received_ns
        return out

    def on_time(self, received_ns: int) -> list[BookOutput]:
        """Become STALE where the symbol has been silent for too long."""
        silent_ns = received_ns - self._last_frame_ns
        if silent_ns < self._stale_after_ns or self.state is not BookState.SYNCED:
            return []
        return [self._enter(BookState.STALE, received_ns)]

    def on_alarm(self, received_ns: int, *, must_bridge: bool) -> list[BookOutput]:
        """Leave SYNCED because of what the source knows beside the frames."""
        if self.state not in _CHAINED:
            return []
        if must_bridge:
            self._sequence.reset()
            return [self._leave(BookState.GAP, received_ns)]
        if self.state is BookState.STALE:
            return []
        return [self._enter(BookState.STALE, received_ns)]

    @property
    def needs_snapshot(self) -> bool:
        """Whether events wait that only a newer snapshot can release."""
        return self._sequence.needs_snapshot and bool(self._buffer)

    @property
    def is_near_horizon(self) -> bool:
        """Whether a true book knows too few levels for much more of a price move."""
        return self.state in _CHAINED and self.book.is_near_horizon()

    def _is_foreign(self, delta: DepthDelta) -> bool:
        if delta.market is not self.market:
            before = self.market.value if self.market else "unknown"
            msg = (
                f"{self.symbol} is a {before} symbol here, and this is a "
                f"{delta.market.value} depth event: replay one market of a symbol"
            )
            raise MarketDataError(msg)
        if delta.stream == self._stream:
            return False
        self.counts.other_speed += 1
        return True

    def _observe(self, bids: Levels, asks: Levels) -> None:
        """Check the numbers of what is not applied now, in the frame that has them."""
        self.book.observe(bids)
        self.book.observe(asks)

    def _enter(self, state: BookState, received_ns: int) -> BookStateChanged:
        before, self.state = self.state, state
        last_view = self.last_view
        return BookStateChanged(
            received_ns=received_ns,
            symbol=self.symbol,
            before=before,
            after=state,
            update_id=last_view.update_id if last_view else None,
        )

    def _enter_from_empty(self, received_ns: int) -> list[BookOutput]:
        if self.state is not BookState.EMPTY:
            return []
        return [self._enter(BookState.BRIDGING, received_ns)]

    def _wait_for_snapshot(self, delta: DepthDelta) -> list[BookOutput]:
        self._observe(delta.bids, delta.asks)
        self.counts.waiting += 1
        self._buffer.append(delta)
        if len(self._buffer) > BUFFER_LIMIT:
            self._buffer.popleft()
        out = self._enter_from_empty(delta.received_ns)
        if self._snapshot is not None:
            out += self._bridge(self._snapshot, delta.received_ns)
        return out

    def _bridge(self, snapshot: DepthSnapshot, received_ns: int) -> list[BookOutput]:
        """Start from `snapshot` and release the buffer, as of `received_ns`."""
        self._snapshot = None
        self.book.load(snapshot)
        self._sequence.start(snapshot.last_update_id)
        out: list[BookOutput] = []
        while self._buffer and not self._sequence.needs_snapshot:
            delta = self._buffer.popleft()
            is_first_look = delta is not self._gap_event
            self.counts.waiting -= is_first_look
            out += self._judge(delta, received_ns, is_first_look=is_first_look)
        return out

    def _judge(
        self, delta: DepthDelta, received_ns: int, *, is_first_look: bool
    ) -> list[BookOutput]:
        counts = self.counts
        verdict = self._sequence.judge(delta.first_id, delta.last_id, delta.previous_id)
        if verdict is Verdict.APPLY:
            counts.applied += is_first_look
            return self._apply(delta, received_ns)
        self._observe(delta.bids, delta.asks)
        if verdict is Verdict.STALE:
            counts.stale += is_first_look
        elif verdict is Verdict.DUPLICATE:
            counts.duplicates += is_first_look
        elif verdict is Verdict.GAP:
            counts.gaps += is_first_look
            self._gap_event = delta
            self._buffer.appendleft(delta)
            return [self._leave(BookState.GAP, received_ns)]
        else:  # the snapshot is too old: keep the event for a newer one
            counts.waiting += is_first_look
            self._buffer.appendleft(delta)
        return []

    def _apply(self, delta: DepthDelta, received_ns: int) -> list[BookOutput]:
        self.book.apply(delta)
        if self.book.is_crossed():
            self.counts.crossed += 1
            self._sequence.reset()
            return [self._leave(BookState.CROSSED, received_ns)]
        self._recent.append(_pack(delta))
        if self._audit is not None:
            self._audit.feed(delta)
            if drift := self._decide_audit(self._audit, received_ns):
                return drift
        out: list[BookOutput] = []
        if self.state is not BookState.SYNCED:
            out.append(self._enter(BookState.SYNCED, received_ns))
        view = self.last_view = self.book.view(delta, received_ns, self._depth)
        self.ticker_check.on_view(view)
        out.append(view)
        return out

    def _leave(self, state: BookState, received_ns: int) -> BookStateChanged:
        self._audit = None
        self._recent.clear()
        self.ticker_check.clear()
        return self._enter(state, received_ns)

    def _start_audit(self, snapshot: DepthSnapshot) -> list[BookOutput]:
        audit = Audit(snapshot, is_spot=self.market is Market.SPOT)
        if not all(audit.feed(_unpack(packed)) for packed in self._recent):
            return []  # older than what is remembered: no comparison is possible
        self._audit = audit
        return self._decide_audit(audit, snapshot.received_ns)

    def _decide_audit(self, audit: Audit, received_ns: int) -> list[BookOutput]:
        if audit.last_id is None or audit.last_id != self._sequence.last_id:
            return []
        self._audit = None
        self.counts.audits += 1
        if self.book.matches(audit.book):
            self.book.extend(audit.book)
            return []
        self.counts.drifted += 1
        self.book = audit.book
        self.ticker_check.clear()
        return [self._enter(BookState.DRIFTED, received_ns)]
