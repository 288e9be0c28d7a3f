"""The true book of the synthetic market, in exact integers."""

from bisect import bisect_left
from collections.abc import Iterable
from dataclasses import dataclass, field

Level = tuple[int, int]
"""Price and quantity, both as scaled integers of the symbol's listing."""


@dataclass(frozen=True, slots=True)
class BookImage:
    """The whole book of a symbol at one instant."""

    update_id: int
    """The last update the book contains."""
    bids: tuple[Level, ...]
    """Best first, as are the asks."""
    asks: tuple[Level, ...]


class Side:
    """Bids or asks: quantity by price, and the prices touched since the last event.

    `outward` is the sign that leads away from the other side: -1 for bids, whose best
    price is the highest, and 1 for asks. Rank 0 is the best price.
    """

    __slots__ = (
        "_away",
        "_top",
        "outward",
        "prices",
        "quantities",
        "touched",
        "unread",
    )

    def __init__(self, outward: int) -> None:
        self.outward = outward
        self.prices: list[int] = []
        """Ascending."""
        self.quantities: dict[int, int] = {}
        self.touched: set[int] = set()
        self.unread: set[int] | None = None
        """Prices put since the last `take_unread`; None until it is first called."""
        self._top, self._away = (0, 1) if outward > 0 else (-1, -1)

    def __len__(self) -> int:
        return len(self.prices)

    def at(self, rank: int) -> int:
        """The price of the level that `rank` better ones precede."""
        return self.prices[self._top + rank * self._away]

    def best(self) -> Level:
        """The best price and its quantity."""
        price = self.prices[self._top]
        return price, self.quantities[price]

    def put(self, price: int, quantity: int) -> None:
        """Make `quantity` the whole of a level; 0 removes it."""
        self.touched.add(price)
        if self.unread is not None:
            self.unread.add(price)
        known = price in self.quantities
        if quantity:
            self.quantities[price] = quantity
            if not known:
                self.prices.insert(bisect_left(self.prices, price), price)
        elif known:
            del self.quantities[price]
            del self.prices[bisect_left(self.prices, price)]

    def reaches(self, price: int) -> bool:
        """Whether the best level is as good as `price`, or better."""
        return (price - self.prices[self._top]) * self.outward >= 0

    def behind(self, price: int) -> int:
        """The first level at `price` or further out, else the furthest one."""
        index = bisect_left(self.prices, price)
        if self.outward > 0:
            return self.prices[min(index, len(self.prices) - 1)]
        exact = price in self.quantities
        return self.prices[max(0, index if exact else index - 1)]

    def image(self, limit: int | None = None) -> tuple[Level, ...]:
        """The best `limit` levels, or all, best first."""
        return tuple(
            (price, self.quantities[price])
            for price in self.prices[:: self._away][:limit]
        )

    def take_touched(self) -> list[Level]:
        """Levels touched since the last call, ascending by price; 0 means gone."""
        touched, self.touched = self.touched, set()
        return self._levels(touched)

    def take_unread(self) -> list[Level]:
        """Likewise for a second reader; the first call only begins to count."""
        unread, self.unread = self.unread, set()
        return self._levels(unread or ())

    def _levels(self, prices: Iterable[int]) -> list[Level]:
        return [(price, self.quantities.get(price, 0)) for price in sorted(prices)]


@dataclass(slots=True)
class SyntheticBook:
    """Both sides, and which updates they contain."""

    update_id: int
    bids: Side = field(default_factory=lambda: Side(-1))
    asks: Side = field(default_factory=lambda: Side(1))

    def image(self, limit: int | None = None) -> BookImage:
        """The best `limit` levels of each side, or all of them."""
        return BookImage(self.update_id, self.bids.image(limit), self.asks.image(limit))

    def top(self) -> tuple[Level, Level]:
        """The best bid and the best ask."""
        return self.bids.best(), self.asks.best()
