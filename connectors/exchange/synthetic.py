"""A made-up market: endless, seeded frames of Binance USD-M order books.

Nothing here reads a clock or does I/O. Virtual time starts at `start_ns` and moves only
as frames are asked for, so the same arguments give the same bytes on every machine.

What the frames promise, as the exchange's do:

1. Update ids come from one counter shared by all symbols; `pu` is the symbol's previous
   `u` and `U` lies beyond `pu + 1`.
2. A `bookTicker` shows the top of the book that contains exactly the updates up to its
   `u`; one is sent at each change of the top.
3. A trade stands at the best price of the ticker before it and consumes its quantity.
   Aggregates arrive 110-150 ms after the depth that contains their effect.
4. The initial snapshot of a symbol is received after depth events older than it, the
   event that bridges it and newer ones, so that a book has to buffer.

The market offers no edge; `synthetic_flow` says why.
"""

import heapq
from collections import deque
from collections.abc import Callable, Collection, Iterable, Iterator
from dataclasses import dataclass
from functools import partial
from random import Random

from connectors.exchange.synthetic_book import BookImage, Level
from connectors.exchange.synthetic_flow import OrderFlow, Taken
from connectors.exchange.synthetic_listing import Listing, listing_of
from connectors.exchange.synthetic_wire import (
    Top,
    aggregate_payload,
    depth_payload,
    snapshot_payload,
    ticker_payload,
    trade_payload,
)
from flows.domain.errors import ConfigurationError
from flows.domain.frame import RawFrame
from flows.domain.units import NS_PER_MS, NS_PER_S

STREAMS = ("snapshot", "depth@100ms", "bookTicker", "aggTrade")
"""What a recorder of the documented streams receives."""

ALL_STREAMS = (*STREAMS, "trade")
"""With the undocumented single trades that the aggregates add up."""

DEFAULT_START_NS = 1_790_000_000 * NS_PER_S
LATENCY_NS = 20 * NS_PER_MS
"""The shortest way from the matching engine to the receiver."""

SNAPSHOT_LEVELS = 1_000

_MEAN_GAP_NS = 5 * NS_PER_MS
_DEPTH_PERIOD_NS = 100 * NS_PER_MS
_FIRST_SNAPSHOT_NS = 350 * NS_PER_MS
_SNAPSHOT_DELAY_NS = 250 * NS_PER_MS
_SNAPSHOT_STAGGER_NS = 20 * NS_PER_MS
_FIRST_UPDATE_ID = 11_671_659_000_000

Action = Callable[[int], None]


@dataclass(frozen=True, slots=True)
class Changes:
    """What became of a book: levels ascending by price; quantity 0 is a level gone."""

    first_id: int
    last_id: int
    bids: list[Level]
    asks: list[Level]


@dataclass(slots=True)
class _Feed:
    """What the market keeps for one symbol."""

    listing: Listing
    random: Random
    flow: OrderFlow
    top: Top
    """As the last ticker showed it."""
    previous_id: int
    """`u` of the last depth event."""
    first_id: int = 0
    """The first update since then; 0 before there is one."""
    unread_id: int = 0
    """The first update since the last `take_changes`; 0 before there is one."""
    trade_id: int = 0
    aggregate_id: int = 0
    aggregate_ns: int = 0
    """When the last aggregate so far is due; none overtakes another."""


class SyntheticMarket:
    """An endless iterator of frames, in strictly increasing `received_ns`.

    `symbols` are names or whole listings. Each symbol draws from its own generator, so
    that its prices do not depend on which others run beside it; only ids, and which
    frame comes first, do. `streams` leaves kinds out without changing the rest.

    A book may be read between any two frames: it holds what happened up to the last
    frame handed out, or a little more, as the REST API does. It never holds less.
    """

    def __init__(
        self,
        symbols: Iterable[str | Listing],
        *,
        seed: int = 0,
        start_ns: int = DEFAULT_START_NS,
        streams: Collection[str] = STREAMS,
    ) -> None:
        self.start_ns = start_ns
        self.listings = _listings(symbols)
        self._kinds = frozenset(streams)
        if unknown := self._kinds.difference(ALL_STREAMS):
            raise ConfigurationError(f"Unknown synthetic streams: {sorted(unknown)}")
        self._jitter = Random(f"{seed}:latency").getrandbits
        self._update_id = _FIRST_UPDATE_ID
        self._now_ns = self._received_ns = start_ns
        self._ready: deque[RawFrame] = deque()
        self._agenda: list[tuple[int, int, Action]] = []
        self._planned = 0
        self._feeds: dict[str, _Feed] = {}
        for listing in self.listings.values():
            self._open(listing, Random(f"{seed}:{listing.symbol}"))

    def __iter__(self) -> Iterator[RawFrame]:
        return self

    def __next__(self) -> RawFrame:
        while not self._ready:
            self._step()
        return self._ready.popleft()

    def frames_until(self, until_ns: int) -> Iterator[RawFrame]:
        """The frames received before `until_ns`; the market goes no further.

        A later call goes on where this one ended, so that a live caller may pass the
        present time again and again.
        """
        while True:
            while self._ready and self._ready[0].received_ns < until_ns:
                yield self._ready.popleft()
            if self._ready or self._agenda[0][0] + LATENCY_NS >= until_ns:
                return
            self._step()

    def book(self, symbol: str, limit: int | None = None) -> BookImage:
        """The true book of a symbol now: its best `limit` levels a side, or all."""
        return self._feeds[symbol].flow.book.image(limit)

    def snapshot(self, symbol: str, limit: int = SNAPSHOT_LEVELS) -> bytes:
        """The body of a REST `/depth` reply now; the next depth event bridges it."""
        feed = self._feeds[symbol]
        image = feed.flow.book.image(limit)
        return snapshot_payload(feed.listing, image, self._now_ns // NS_PER_MS)

    def take_changes(self, symbol: str) -> Changes:
        """What changed since the last call; the first call only begins to count.

        The finest depth events there are: together they hold every change of `book`.
        """
        feed = self._feeds[symbol]
        book, first_id = feed.flow.book, feed.unread_id
        feed.unread_id = 0
        bids, asks = book.bids.take_unread(), book.asks.take_unread()
        return Changes(first_id, book.update_id, bids, asks)

    def _open(self, listing: Listing, random: Random) -> None:
        self._update_id += 1 + random.getrandbits(20)
        flow = OrderFlow(listing, random, self._update_id)
        feed = _Feed(listing, random, flow, flow.book.top(), self._update_id)
        feed.trade_id = random.getrandbits(32)
        feed.aggregate_id = feed.trade_id // 3
        start = self.start_ns
        stagger_ns = _SNAPSHOT_STAGGER_NS * len(self._feeds)
        self._feeds[listing.symbol] = feed
        self._plan(start + random.getrandbits(22), partial(self._act, feed))
        phase_ns = random.randrange(_DEPTH_PERIOD_NS)
        self._plan(start + phase_ns, partial(self._send_depth, feed))
        snapshot_ns = start + _FIRST_SNAPSHOT_NS + stagger_ns
        self._plan(snapshot_ns, partial(self._take_snapshot, feed))

    def _plan(self, time_ns: int, action: Action) -> None:
        self._planned += 1
        heapq.heappush(self._agenda, (time_ns, self._planned, action))

    def _step(self) -> None:
        self._now_ns, _, action = heapq.heappop(self._agenda)
        action(self._now_ns)

    def _emit(self, feed: _Feed, kind: str, time_ns: int, payload: bytes) -> None:
        """Hand out a frame with a latency of up to a millisecond more, or a stall."""
        stall_bits = 20 if self._jitter(12) else 25
        arrival_ns = time_ns + LATENCY_NS + self._jitter(stall_bits)
        self._received_ns = max(self._received_ns + 1, arrival_ns)
        if kind in self._kinds:
            stream = f"{feed.listing.stream}@{kind}"
            self._ready.append(RawFrame(self._received_ns, stream, payload))

    def _act(self, feed: _Feed, time_ns: int) -> None:
        for taken in feed.flow.act():
            self._commit(feed, 1)
            if taken is not None:
                self._send_trades(feed, taken, time_ns)
            self._send_ticker(feed, time_ns)
        gap_ns = 1 + feed.random.randrange(2 * _MEAN_GAP_NS)
        self._plan(time_ns + gap_ns, partial(self._act, feed))

    def _commit(self, feed: _Feed, changes: int) -> None:
        """Give the book's new state an id; other symbols use up those between."""
        self._update_id += changes + 1 + feed.random.getrandbits(9)
        feed.flow.book.update_id = self._update_id
        feed.first_id = feed.first_id or self._update_id
        feed.unread_id = feed.unread_id or self._update_id

    def _send_ticker(self, feed: _Feed, time_ns: int) -> None:
        top = feed.flow.book.top()
        if top != feed.top:
            feed.top = top
            time_ms = time_ns // NS_PER_MS
            payload = ticker_payload(feed.listing, self._update_id, top, time_ms)
            self._emit(feed, "bookTicker", time_ns, payload)

    def _send_trades(self, feed: _Feed, taken: Taken, time_ns: int) -> None:
        first, time_ms = feed.trade_id + 1, time_ns // NS_PER_MS
        for quantity in taken.quantities:
            feed.trade_id += 1
            args = (feed.listing, feed.trade_id, taken, quantity, time_ms)
            self._emit(feed, "trade", time_ns, trade_payload(*args))
        ids = (first, feed.trade_id)
        due_ns = time_ns + 110 * NS_PER_MS + feed.random.randrange(40 * NS_PER_MS)
        feed.aggregate_ns = max(feed.aggregate_ns + 1, due_ns)
        send = partial(self._send_aggregate, feed, ids, taken, time_ms)
        self._plan(feed.aggregate_ns, send)

    def _send_aggregate(
        self,
        feed: _Feed,
        trade_ids: tuple[int, int],
        taken: Taken,
        trade_ms: int,
        time_ns: int,
    ) -> None:
        feed.aggregate_id += 1
        times_ms = (time_ns // NS_PER_MS, trade_ms)
        args = (feed.listing, feed.aggregate_id, trade_ids, taken, times_ms)
        self._emit(feed, "aggTrade", time_ns, aggregate_payload(*args))

    def _send_depth(self, feed: _Feed, time_ns: int) -> None:
        book, time_ms = feed.flow.book, time_ns // NS_PER_MS
        self._commit(feed, feed.flow.churn())
        self._send_ticker(feed, time_ns)
        ids = (feed.first_id, book.update_id, feed.previous_id)
        levels = (book.bids.take_touched(), book.asks.take_touched())
        times_ms = (time_ms + 1 + feed.random.getrandbits(2), time_ms)
        payload = b""
        if "depth@100ms" in self._kinds:  # by far the most work of all
            payload = depth_payload(feed.listing, ids, *levels, times_ms)
        self._emit(feed, "depth@100ms", time_ns, payload)
        feed.previous_id, feed.first_id = book.update_id, 0
        late_ns = feed.random.getrandbits(22)  # frames come every 100-104 ms
        self._plan(
            time_ns + _DEPTH_PERIOD_NS + late_ns, partial(self._send_depth, feed)
        )

    def _take_snapshot(self, feed: _Feed, time_ns: int) -> None:
        """Answer the first REST request; the reply is some time under way."""
        payload = self.snapshot(feed.listing.symbol)

        def receive(arrival_ns: int) -> None:
            self._emit(feed, "snapshot", arrival_ns, payload)

        self._plan(time_ns + _SNAPSHOT_DELAY_NS, receive)


def generate(market: SyntheticMarket, seconds: int) -> Iterator[RawFrame]:
    """The market's frames up to `seconds` of virtual time after its start."""
    return market.frames_until(market.start_ns + seconds * NS_PER_S)


def _listings(symbols: Iterable[str | Listing]) -> dict[str, Listing]:
    found: dict[str, Listing] = {}
    for symbol in symbols:
        listing = listing_of(symbol) if isinstance(symbol, str) else symbol
        if listing.symbol in found:
            raise ConfigurationError(f"Symbol given twice: {listing.symbol}")
        found[listing.symbol] = listing
    if not found:
        raise ConfigurationError("Expected at least one symbol, was none")
    return found
