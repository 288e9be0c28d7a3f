"""What a book shows after one depth event."""

from decimal import Decimal

import msgspec

from flows.domain.units import unscaled

TickLevel = tuple[int, int]
"""(price in ticks, quantity in lots)."""


class BookView(msgspec.Struct, frozen=True, gc=False):
    """The top levels of a SYNCED book after one applied depth event."""

    symbol: str
    received_ns: int
    """Receive time of the frame that made the view visible."""
    update_id: int
    """`u` of the applied event."""
    bids: tuple[TickLevel, ...]
    """Best first, at most `imbalance_depth` levels."""
    asks: tuple[TickLevel, ...]
    bid_lots: int
    """Summed quantity of `bids` in lots."""
    ask_lots: int
    price_decimals: int
    quantity_decimals: int
    is_beyond_horizon: bool
    """Whether a level lies past the edge of a cut-off snapshot side."""
    is_traded: bool
    """Whether the symbol's market may be traded at all."""

    def price(self, ticks: int) -> Decimal:
        """`ticks` of this view as a price."""
        return unscaled(ticks, self.price_decimals)

    def quantity(self, lots: int) -> Decimal:
        """`lots` of this view as a quantity."""
        return unscaled(lots, self.quantity_decimals)

    @property
    def best_bid(self) -> Decimal | None:
        """The best bid price, or None on an empty side."""
        return self.price(self.bids[0][0]) if self.bids else None

    @property
    def best_ask(self) -> Decimal | None:
        """The best ask price, or None on an empty side."""
        return self.price(self.asks[0][0]) if self.asks else None

    @property
    def bid_volume(self) -> Decimal:
        """`B`: summed bid quantity of the top levels, in the base asset."""
        return self.quantity(self.bid_lots)

    @property
    def ask_volume(self) -> Decimal:
        """`A`: summed ask quantity of the top levels, in the base asset."""
        return self.quantity(self.ask_lots)
