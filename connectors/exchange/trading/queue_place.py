"""How a resting order moves up, and how much of what is traded reaches it.

The model, on the quantity of the tape alone (sources: the tape's trades and levels):

1. An order begins behind everything that stands at its price.
2. A trade at its price, by a taker of the other side, takes from ahead first; what is
   left of the trade fills the order.
3. Who withdraws stands behind the order as long as that is possible: `ahead` shrinks to
   the level's quantity, no further. This is the latest an order can be filled.
4. Tapes tell a trade after the book that shows its effect. What (3) took off is held
   against trades at that price for LATE_TRADES_NS, so that nothing counts twice.
5. A trade beyond its price would have met the order first: it fills it, without queue.
6. Quantity that appears on the other side at its price or better meets the order.
"""

from decimal import Decimal

from connectors.exchange.trading.amount import ZERO
from connectors.exchange.trading.own_order import QueuePlace
from flows.domain.units import NS_PER_MS

LATE_TRADES_NS = 250 * NS_PER_MS


def shrink(place: QueuePlace, level_quantity: Decimal, now_ns: int) -> None:
    """The level at the order's price now holds so much (rules 3 and 4)."""
    gone = place.ahead - level_quantity
    if gone <= 0:
        return
    if now_ns >= place.explained_until_ns:
        place.explained = ZERO
    place.explained += gone
    place.explained_until_ns = now_ns + LATE_TRADES_NS
    place.ahead = level_quantity


def reach(place: QueuePlace, traded: Decimal, now_ns: int) -> Decimal:
    """Move up by a trade at the order's price; what of it reaches the order."""
    if place.explained and now_ns < place.explained_until_ns:
        told = min(place.explained, traded)
        place.explained -= told
        traded -= told
    passed = min(place.ahead, traded)
    place.ahead -= passed
    return traded - passed
