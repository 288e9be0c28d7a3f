"""Signals: the moments at which the imbalance enters a zone."""

from decimal import Decimal

from flows.domain.fact import Fact
from flows.domain.imbalance import Imbalance, Zone
from flows.domain.side import Side
from flows.domain.symbol_book import BookStateChanged
from flows.domain.view import BookView

_SIDE_OF_ZONE = {Zone.BUY: Side.BUY, Zone.SELL: Side.SELL}


class Signal(Fact, frozen=True, kw_only=True):
    """The imbalance of a symbol has just entered the BUY or the SELL zone."""

    side: Side
    update_id: int
    bid_volume: Decimal
    """`B`, summed quantity of the top bids."""
    ask_volume: Decimal
    """`A`, summed quantity of the top asks."""
    best_bid: Decimal | None
    best_ask: Decimal | None


class ZoneTracker:
    """Turns zones into signals, one per entry into BUY or SELL.

    A symbol is NEUTRAL before its first view and after leaving SYNCED.
    """

    def __init__(self) -> None:
        self.views: dict[str, dict[Zone, int]] = {}
        """Views counted by symbol and zone."""
        self._zones: dict[str, Zone] = {}

    def on_imbalance(self, imbalance: Imbalance) -> Signal | None:
        """The signal that this view gives, if its zone is new."""
        view, zone = imbalance.view, imbalance.zone
        counts = self.views.get(view.symbol)
        if counts is None:
            counts = self.views[view.symbol] = dict.fromkeys(Zone, 0)
        counts[zone] += 1
        before = self._zones.get(view.symbol, Zone.NEUTRAL)
        if zone is before:
            return None
        self._zones[view.symbol] = zone
        side = _SIDE_OF_ZONE.get(zone)
        return signal_at(view, side) if side else None

    def on_state(self, change: BookStateChanged) -> None:
        """Forget the zone: a book that was not true has none."""
        self._zones.pop(change.symbol, None)


def signal_at(view: BookView, side: Side) -> Signal:
    """The signal of a side that `view` would give."""
    return Signal(
        received_ns=view.received_ns,
        symbol=view.symbol,
        side=side,
        update_id=view.update_id,
        bid_volume=view.bid_volume,
        ask_volume=view.ask_volume,
        best_bid=view.best_bid,
        best_ask=view.best_ask,
    )
