"""The people of the synthetic market: a fair price, makers and takers.

The fair price is a martingale: it jumps by symmetric random amounts and nothing else
moves it. After every action of the flow `best bid <= fair < best ask`, because makers
never quote through it and a jump clears the quotes it passes. Who buys at the ask and
sells at the bid later can therefore expect to lose the spread, whatever he watches:
there is no edge to find here.

The sizes near the touch follow moods (`_pressure`) that last a few seconds, so that
the imbalance of a book crosses its thresholds. A mood knows nothing of the fair price
and the fair price nothing of it.

All randomness is integers of one seeded generator, all amounts are scaled integers.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from random import Random

from connectors.exchange.synthetic_book import Side, SyntheticBook
from connectors.exchange.synthetic_listing import Listing

FINE = 1_000
"""The fair price is kept finer than the prices by this factor."""

LEVELS = 1_300
"""Levels a side the book tends to: more than a snapshot of 1,000 can show."""

THINNEST = 50
"""A side as thin as this is only added to."""

_PER_BPS = 10_000
_LONGEST_SWEEP = 4  # levels that one market order takes before the rest is withdrawn


@dataclass(frozen=True, slots=True)
class Taken:
    """One taker's order at one price: public trades that add up to one aggregate."""

    price: int
    quantities: tuple[int, ...]
    """One each maker's order."""
    buyer_is_maker: bool
    """The seller took: the trade stands at the best bid."""


class OrderFlow:
    """Everything that happens to one symbol's book, drawn from one generator."""

    def __init__(self, listing: Listing, random: Random, update_id: int) -> None:
        self.book = SyntheticBook(update_id)
        self._sides = (self.book.bids, self.book.asks)
        self._random = random
        self._tick = listing.tick
        self._step = listing.step
        self._typical_steps = listing.typical_steps
        self.fair = listing.start_price * FINE
        """The fair price in thousandths of the last price decimal."""
        self._lowest_fair = self.fair // 2
        self._start_ticks = listing.start_price // listing.tick
        self._near_ticks = max(16, self._start_ticks * 4 // _PER_BPS)
        self._far_ticks = max(2 * LEVELS, self._start_ticks * 600 // _PER_BPS)
        self._pressure = 0
        self._fill_book()

    def act(self) -> Iterator[Taken | None]:
        """Do one thing; each item is a state of the book that gets an update id.

        An item is what a taker took to bring that state about, if one did.
        """
        draw = self._random.getrandbits
        if not draw(9):
            self._pressure = (-1, 0, 0, 1)[draw(2)]
        if not draw(6):
            yield from self._jump()
        elif not draw(3):
            yield from self._take()
        else:
            self._quote(self._sides[draw(1)])
            yield None

    def churn(self) -> int:
        """Rework levels behind the touch; returns how many were visited."""
        draw = self._random.getrandbits
        visits = 12 + draw(5)
        if not draw(6):
            visits += 100 + draw(9)
        for _ in range(visits):
            self._churn_level(self._sides[draw(1)])
        return visits

    def _fill_book(self) -> None:
        """Levels that thin out with the distance, and a few forgotten far ones."""
        far_gap = self._start_ticks // 12_500  # 1,000 levels span about 4 %
        for side in self._sides:
            start = price = self._target(side)
            for rank in range(LEVELS):
                if price > 0:
                    side.put(price, self._quantity(side))
                gap_ticks = 1 + self._random.randrange(2 + rank * far_gap // 500)
                price += side.outward * self._tick * gap_ticks
            for tenths in (5, 7, 9):
                far_ticks = self._start_ticks * tenths // 10
                far = start + side.outward * self._tick * far_ticks
                side.put(far, self._quantity(side))
            side.take_touched()

    def _quantity(self, side: Side, *, near: bool = False) -> int:
        """A maker's size: small ones are common, and the mood scales those near."""
        draw = self._random.getrandbits
        limit = max(2, self._typical_steps >> draw(2))
        if near:
            limit <<= 1 - self._pressure * side.outward
        return self._step * (1 + self._random.randrange(limit))

    def _target(self, side: Side) -> int:
        """The best price a maker may quote: bids up to fair, asks above it."""
        below = self.fair // (FINE * self._tick) * self._tick
        return below if side.outward < 0 else below + self._tick

    def _quote(self, side: Side) -> None:
        """Improve a best price that lags the fair one, else rework the touch."""
        target = self._target(side)
        if side.reaches(target):
            self._rework(side, self._price_within(side, self._near_ticks))
        else:
            side.put(target, self._quantity(side, near=True))

    def _price_within(self, side: Side, reach_ticks: int) -> int:
        """A random price at most `reach_ticks` behind the target, more often near."""
        reach_ticks >>= self._random.getrandbits(3)
        away_ticks = self._random.randrange(reach_ticks + 1)
        return self._target(side) + side.outward * self._tick * away_ticks

    def _rework(self, side: Side, price: int) -> None:
        """Cancel, resize or add an order near the touch."""
        choice = self._random.getrandbits(2)
        if price not in side.quantities:
            if choice < 2:
                side.put(price, self._quantity(side, near=True))
        elif choice < 2 and len(side) > THINNEST:
            side.put(price, 0)
        else:
            side.put(price, self._quantity(side, near=True))

    def _churn_level(self, side: Side) -> None:
        choice = self._random.getrandbits(3)
        price = self._price_within(side, self._far_ticks)
        if 1 <= choice < 4 and len(side) <= LEVELS and price > 0:
            side.put(price, self._quantity(side))
            return
        price = side.behind(price)
        if choice == 0:  # the exchange repeats levels that did not change
            side.put(price, side.quantities[price])
        elif choice < 4 and len(side) > LEVELS:
            side.put(price, 0)
        else:
            side.put(price, self._quantity(side))

    def _take(self) -> Iterator[Taken]:
        """A market order of random side for a random part of the best level."""
        side = self._sides[self._random.getrandbits(1)]
        _, available = side.best()
        steps = available // self._step
        wanted = 1 + (self._random.randrange(steps) >> self._random.getrandbits(3))
        if wanted < steps or len(side) > THINNEST:
            yield self._fill(side, wanted * self._step)

    def _fill(self, side: Side, quantity: int) -> Taken:
        """Consume `quantity` of the best level, of one to four makers."""
        price, available = side.best()
        side.put(price, available - quantity)
        parts, rest = [], quantity // self._step
        for _ in range(self._random.getrandbits(2)):
            if rest > 1:
                parts.append(1 + self._random.randrange(rest - 1))
                rest -= parts[-1]
        quantities = tuple(part * self._step for part in (*parts, rest))
        return Taken(price, quantities, buyer_is_maker=side.outward < 0)

    def _jump(self) -> Iterator[Taken | None]:
        """Move the fair price; takers and withdrawals clear the quotes it passes."""
        fair = self.fair + self._move()
        if fair < self._lowest_fair:
            return
        self.fair = fair
        for side in self._sides:
            yield from self._clear(side)

    def _move(self) -> int:
        """Up to 2.1 bps of the fair price either way, now and then three times that.

        The draw is symmetric, so that the expected move is exactly 0.
        """
        reach = self.fair * 21 // (10 * _PER_BPS)
        if not self._random.getrandbits(4):
            reach *= 3
        return self._random.randrange(-reach, reach + 1)

    def _clear(self, side: Side) -> Iterator[Taken | None]:
        """Take the first quotes better than the target, then withdraw the rest."""
        better = self._target(side) - side.outward * self._tick
        for _ in range(self._random.randrange(_LONGEST_SWEEP + 1)):
            if side.reaches(better):
                yield self._fill(side, side.best()[1])
        if side.reaches(better):
            while side.reaches(better):
                side.put(side.best()[0], 0)
            yield None
