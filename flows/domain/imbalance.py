"""Top-of-book imbalance: which side of the book is heavier, and by how much."""

import decimal
from decimal import Decimal
from enum import Enum

import msgspec

from flows.domain.units import EXACT
from flows.domain.view import BookView

_DISPLAY = decimal.Context(prec=28)
"""For people, not for decisions; whatever context the caller runs under."""


class Zone(Enum):
    """Where the imbalance stands."""

    BUY = "BUY"
    """Bids outweigh asks: `B > buy_above x A`."""
    SELL = "SELL"
    """Asks outweigh bids: `B < sell_below x A`."""
    NEUTRAL = "NEUTRAL"


class Imbalance(msgspec.Struct, frozen=True, gc=False):
    """A book view and its zone."""

    view: BookView
    zone: Zone


class ImbalanceRule:
    """Zones by the ratio B / A of top-level volumes, compared without division."""

    def __init__(self, *, buy_above: Decimal, sell_below: Decimal) -> None:
        self._buy = buy_above.as_integer_ratio()
        self._sell = sell_below.as_integer_ratio()

    def zone(self, bid_lots: int, ask_lots: int) -> Zone:
        """The zone of `B` and `A`; both limits are strict."""
        numerator, denominator = self._buy
        if bid_lots * denominator > numerator * ask_lots:
            return Zone.BUY
        numerator, denominator = self._sell
        if bid_lots * denominator < numerator * ask_lots:
            return Zone.SELL
        return Zone.NEUTRAL

    def judge(self, view: BookView) -> Imbalance:
        """`view` with its zone."""
        return Imbalance(view, self.zone(view.bid_lots, view.ask_lots))


def ratio(bid_volume: Decimal, ask_volume: Decimal) -> Decimal:
    """B / A for display: Infinity if A = 0 < B, 1 if both are 0; 28 digits."""
    if ask_volume:
        return _DISPLAY.divide(bid_volume, ask_volume)
    return Decimal("Infinity") if bid_volume else Decimal(1)


def strength(bid_volume: Decimal, ask_volume: Decimal) -> Decimal:
    """|B - A| / (B + A) for display, from 0 (balanced) to 1 (one side empty)."""
    total = EXACT.add(bid_volume, ask_volume)
    if not total:
        return Decimal(0)
    difference = EXACT.subtract(bid_volume, ask_volume).copy_abs()
    return _DISPLAY.divide(difference, total)
