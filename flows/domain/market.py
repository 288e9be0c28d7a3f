"""Which Binance market a frame belongs to."""

import re
from enum import Enum


class Market(Enum):
    """A Binance market; only USD-M is traded."""

    USD_M = "usd-m"
    COIN_M = "coin-m"
    SPOT = "spot"

    @property
    def is_spot(self) -> bool:
        """Whether update ids follow the Spot rule instead of the futures rule."""
        return self is Market.SPOT

    @property
    def is_traded(self) -> bool:
        """Whether orders may be sent; other markets build books and signals only."""
        return self is Market.USD_M


_COIN_M_SYMBOL = re.compile(r".+USD_(PERP|\d{6})")
_STREAM_FAMILY = {1: Market.USD_M, 2: Market.COIN_M}


def market_of(symbol: str, *, family: int | None, previous_id: int | None) -> Market:
    """The market of a depth event.

    `family` is the payload's `st` (1 USD-M, 2 COIN-M), which decides where present;
    else no `pu` (`previous_id`) means Spot, else the symbol's form tells.
    """
    if family in _STREAM_FAMILY:
        return _STREAM_FAMILY[family]
    if previous_id is None:
        return Market.SPOT
    return Market.COIN_M if _COIN_M_SYMBOL.fullmatch(symbol) else Market.USD_M
