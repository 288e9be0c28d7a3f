"""The account's resting orders of one symbol, against the market being played."""

from collections.abc import Iterator
from dataclasses import dataclass
from decimal import Decimal
from itertools import takewhile

from connectors.exchange.symbol_market import SymbolMarket
from connectors.exchange.trading.amount import ZERO
from connectors.exchange.trading.depth import Level, levels, quantity_at
from connectors.exchange.trading.own_order import OwnOrder, QueuePlace, Side
from connectors.exchange.trading.queue_place import reach, shrink


@dataclass(frozen=True, slots=True)
class Offer:
    """What a taker meets next: quantity of the tape, or an order of the account."""

    price: Decimal
    quantity: Decimal
    own: OwnOrder | None = None


class OwnBook:
    """Orders in the order of their arrival; fills are told, and booked by others."""

    def __init__(self, market: SymbolMarket) -> None:
        self._market = market
        self.resting: list[OwnOrder] = []

    # -- taking -------------------------------------------------------------------

    def best(self, side: Side) -> Decimal | None:
        """The best price of a side, of the tape and the account together."""
        offer = next(self._merged(side), None)
        return offer.price if offer else None

    def offers(self, side: Side, limit: Decimal | None) -> Iterator[Offer]:
        """What a taker of `side` meets within `limit`, best first.

        The tape's book is not depleted: the next taker meets it as it stands then.
        """
        for offer in self._merged(side.opposite):
            if limit is not None and not side.reaches(limit, offer.price):
                return
            yield offer

    def _merged(self, side: Side) -> Iterator[Offer]:
        own = self._of(side)
        for price, quantity in levels(self._market.true.book, side):
            while own and _is_better(side, own[0].terms.price, price):
                yield _own_offer(own.pop(0))
            passed = ZERO
            while own and own[0].terms.price == price:
                order = own.pop(0)
                ahead = min(order.place.ahead if order.place else ZERO, quantity)
                if ahead > passed:
                    yield Offer(price, ahead - passed)
                    passed = ahead
                yield _own_offer(order)
            if quantity > passed:
                yield Offer(price, quantity - passed)
        yield from map(_own_offer, own)

    def could_fill(self, side: Side, limit: Decimal, quantity: Decimal) -> bool:
        """Whether the tape alone holds as much within `limit`."""
        found = ZERO
        for offer in self.offers(side, limit):
            found += ZERO if offer.own else offer.quantity
            if found >= quantity:
                return True
        return False

    # -- making -------------------------------------------------------------------

    def rest(self, order: OwnOrder) -> None:
        """Stand at the end of the queue; what the order has just met is not new."""
        terms, book = order.terms, self._market.true.book
        ahead = quantity_at(book, terms.side, terms.price)
        order.place = QueuePlace(ahead, dict(self._crossing(order)))
        self.resting.append(order)

    def remove(self, order: OwnOrder) -> None:
        """Take an order out, where it rests."""
        if order in self.resting:
            self.resting.remove(order)
        order.place = None

    def on_change(self, now_ns: int) -> Iterator[tuple[OwnOrder, Decimal]]:
        """The tape's book has changed: resting orders that are met, and by how much."""
        for side in Side:
            given: dict[Decimal, Decimal] = {}
            for order in self._of(side):
                if (place := order.place) is None:
                    continue
                book = self._market.true.book
                shrink(place, quantity_at(book, side, order.terms.price), now_ns)
                crossing = self._crossing(order)
                met = self._met(order, crossing, given)
                place.offered = dict(crossing)
                if met:
                    yield order, met

    def on_trade(
        self, side: Side, price: Decimal, quantity: Decimal, now_ns: int
    ) -> Iterator[tuple[OwnOrder, Decimal]]:
        """A taker has met `side` at a price: the orders it reaches, and by how much."""
        left, taken_here = quantity, ZERO
        for order in self._of(side):
            if order.place is None or not side.reaches(order.terms.price, price):
                continue
            if order.terms.price != price:
                met = min(left, order.remaining)
                left -= met
            else:
                reached = reach(order.place, max(ZERO, left - taken_here), now_ns)
                met = min(reached, order.remaining)
                taken_here += met
            if met:
                yield order, met

    def _met(
        self, order: OwnOrder, crossing: list[Level], given: dict[Decimal, Decimal]
    ) -> Decimal:
        """What of crossing levels is new to the order, and not given to one before."""
        place, met = order.place, ZERO
        if place is None:
            return met
        for price, quantity in crossing:
            taken = place.offered.get(price, ZERO) + given.get(price, ZERO)
            part = min(max(ZERO, quantity - taken), order.remaining - met)
            if part:
                given[price] = given.get(price, ZERO) + part
                met += part
        return met

    def _crossing(self, order: OwnOrder) -> list[Level]:
        """Levels of the tape that the order's limit would accept."""
        terms = order.terms
        against = levels(self._market.true.book, terms.side.opposite)
        return list(
            takewhile(lambda each: terms.side.reaches(terms.price, each[0]), against)
        )

    def _of(self, side: Side) -> list[OwnOrder]:
        """Resting orders of a side, by price and then by arrival."""
        chosen = [order for order in self.resting if order.terms.side is side]
        return sorted(chosen, key=self._priority)

    @staticmethod
    def _priority(order: OwnOrder) -> Decimal:
        return -order.terms.side.sign * order.terms.price


def _is_better(side: Side, price: Decimal, other: Decimal) -> bool:
    return price > other if side is Side.BUY else price < other


def _own_offer(order: OwnOrder) -> Offer:
    return Offer(order.terms.price, order.remaining, order)
