"""The exchange's own book of one symbol, and what it was a moment ago."""

from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from itertools import islice

from connectors.exchange.payload import book_levels
from flows.domain.book import Book, BookSide
from flows.domain.event import DepthDelta, DepthSnapshot, Levels
from flows.domain.market import Market
from flows.domain.units import NS_PER_S, Counter
from flows.domain.view import TickLevel

REMEMBERED_NS = 60 * NS_PER_S
"""How long the way back to an earlier book is kept."""

_REMEMBERED_EVENTS = 20_000


@dataclass(frozen=True, slots=True)
class Image:
    """A whole book, or its best levels, at one update id; best first."""

    update_id: int
    bids: Levels
    asks: Levels


@dataclass(frozen=True, slots=True)
class _Undo:
    """What one event overwrote: lots by ticks, 0 where there was no level."""

    before_id: int
    last_id: int
    time_ns: int
    bids: dict[int, int]
    asks: dict[int, int]


class TrueBook:
    """Applies every event, and can tell any book of the last minute."""

    def __init__(self, opening: DepthSnapshot) -> None:
        self.symbol = opening.symbol
        self.book = Book()
        self.book.load(opening)
        self.update_id = opening.last_update_id
        self.engine_ns = opening.received_ns
        self._undo: deque[_Undo] = deque(maxlen=_REMEMBERED_EVENTS)

    def apply(self, delta: DepthDelta) -> None:
        """Set the levels of an event."""
        book, decimals = self.book, _decimals(self.book)
        book.observe(delta.bids)
        book.observe(delta.asks)
        if decimals != _decimals(book):
            self._undo.clear()  # counted in other ticks and lots
        self._remember(delta)
        book.apply(delta)
        self.update_id = delta.last_id
        self.engine_ns = delta.received_ns

    def change_to(self, snapshot: DepthSnapshot) -> DepthDelta:
        """The event that turns this book into `snapshot`."""
        target = Book()
        target.load(snapshot)
        target.raise_scale(*_decimals(self.book))
        self.book.raise_scale(*_decimals(target))
        self._undo.clear()
        return DepthDelta(
            self.symbol,
            snapshot.received_ns,
            Market.USD_M,
            self.update_id + 1,
            snapshot.last_update_id,
            self.update_id,
            book_levels(target, _difference(self.book.bids, target.bids)),
            book_levels(target, _difference(self.book.asks, target.asks)),
            "",
        )

    def image(self, limit: int | None = None) -> Image:
        """The best `limit` levels a side, or all, now."""
        book = self.book
        depth = limit or max(len(book.bids.lots), len(book.asks.lots))
        bids, asks = book.bids.top(depth), book.asks.top(depth)
        levels = book_levels(book, bids), book_levels(book, asks)
        return Image(self.update_id, *levels)

    def image_at(self, update_id: int, limit: int | None = None) -> Image | None:
        """The book as it was at `update_id`; None where that is forgotten or to come.

        At an id between two events the book is what the earlier one left.
        """
        oldest = self._undo[0].before_id if self._undo else self.update_id
        if not oldest <= update_id <= self.update_id:
            return None
        return self._wound_back(lambda undo: undo.last_id > update_id, limit)

    def image_before(self, time_ns: int, limit: int | None = None) -> Image:
        """The book as it was at `time_ns`, or the oldest one remembered."""
        return self._wound_back(lambda undo: undo.time_ns > time_ns, limit)

    def _remember(self, delta: DepthDelta) -> None:
        while self._undo and self._undo[0].time_ns < delta.received_ns - REMEMBERED_NS:
            self._undo.popleft()
        bids = _held(self.book.bids, delta.bids, self.book.ticks)
        asks = _held(self.book.asks, delta.asks, self.book.ticks)
        undo = _Undo(self.update_id, delta.last_id, delta.received_ns, bids, asks)
        self._undo.append(undo)

    def _wound_back(
        self, is_later: Callable[[_Undo], bool], limit: int | None
    ) -> Image:
        bids, asks = dict(self.book.bids.lots), dict(self.book.asks.lots)
        update_id = self.update_id
        for undo in reversed(self._undo):
            if not is_later(undo):
                break
            bids |= undo.bids
            asks |= undo.asks
            update_id = undo.before_id
        return Image(
            update_id,
            book_levels(self.book, islice(_ordered(bids, is_bid=True), limit)),
            book_levels(self.book, islice(_ordered(asks, is_bid=False), limit)),
        )


def _decimals(book: Book) -> tuple[int, int]:
    return book.price_decimals, book.quantity_decimals


def _held(side: BookSide, levels: Levels, ticks: Counter) -> dict[int, int]:
    """What the side holds at the prices of `levels`."""
    lots = side.lots
    return {price: lots.get(price, 0) for price in [ticks[text] for text, _ in levels]}


def _ordered(lots: dict[int, int], *, is_bid: bool) -> list[TickLevel]:
    levels = [(price, quantity) for price, quantity in lots.items() if quantity]
    return sorted(levels, reverse=is_bid)


def _difference(before: BookSide, after: BookSide) -> list[TickLevel]:
    """Levels to set so that `before` becomes `after`, ascending by price."""
    prices = before.lots.keys() | after.lots.keys()
    changed = ((price, after.lots.get(price, 0)) for price in sorted(prices))
    return [level for level in changed if before.lots.get(level[0], 0) != level[1]]
