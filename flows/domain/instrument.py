"""What the exchange accepts of an instrument: tick, step, smallest notional."""

from collections.abc import Mapping
from decimal import Decimal

import msgspec


class Instrument(msgspec.Struct, frozen=True):
    """The filters of one symbol that an order must respect."""

    tick_size: Decimal
    """Prices of orders are multiples of it."""
    step_size: Decimal
    """Quantities of orders are multiples of it."""
    min_notional: Decimal
    """Least price x quantity of an order that is not reduce-only, in quote asset."""
    is_trading: bool = True
    """Whether the exchange takes orders that increase a position."""


FALLBACK_MIN_NOTIONAL = Decimal(5)


def _row(tick: str, step: str, notional: str) -> Instrument:
    return Instrument(Decimal(tick), Decimal(step), Decimal(notional))


PACKAGED: Mapping[str, Instrument] = {
    "BTCUSDT": _row("0.10", "0.001", "50"),
    "ETHUSDT": _row("0.01", "0.001", "20"),
    "SOLUSDT": _row("0.01", "0.01", "5"),
    "XRPUSDT": _row("0.0001", "0.1", "5"),
    "BNBUSDT": _row("0.010", "0.01", "5"),
    "DOGEUSDT": _row("0.00001", "1", "5"),
    "ADAUSDT": _row("0.0001", "1", "5"),
    "LTCUSDT": _row("0.01", "0.001", "20"),
    "LINKUSDT": _row("0.001", "0.01", "20"),
}
"""Filters of USD-M perpetuals as of September 2026, for use without exchangeInfo."""


class Instruments:
    """Looks up a symbol: given filters first, then the packaged table, then a guess."""

    def __init__(self, given: Mapping[str, Instrument] | None = None) -> None:
        self._known = {**PACKAGED, **(given or {})}

    def update(self, given: Mapping[str, Instrument]) -> None:
        """Take the exchange's latest word on some symbols."""
        self._known.update(given)

    def is_trading(self, symbol: str) -> bool:
        """Whether nothing is known that forbids an entry."""
        known = self._known.get(symbol)
        return known is None or known.is_trading

    def find(
        self, symbol: str, price_decimals: int, quantity_decimals: int
    ) -> Instrument:
        """The symbol's filters; unknown ones follow from the decimals seen."""
        return self._known.get(symbol) or Instrument(
            Decimal(1).scaleb(-price_decimals),
            Decimal(1).scaleb(-quantity_decimals),
            FALLBACK_MIN_NOTIONAL,
        )
