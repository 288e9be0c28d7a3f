"""Protective stops: what leaves a position where the engine no longer does.

Each open position has a stop order at the exchange, on the mark price and wider than
the strategy's own stop: it closes the position whatever has become of the engine.
"""

from decimal import Decimal

import msgspec

from flows.domain.position import Position
from flows.domain.side import Side
from flows.domain.units import BPS


class StopTerms(msgspec.Struct, frozen=True):
    """The stop that a position wants."""

    side: Side
    """Of the order that it becomes: the opposite of the position's."""
    trigger_price: Decimal
    """Mark price at which it fires."""


def stop_terms(
    position: Position, distance_bps: Decimal, tick_size: Decimal
) -> StopTerms:
    """A stop `distance_bps` from the average entry, rounded away from it to a tick.

    Wants an exact decimal context: nothing is rounded on the way to the tick.
    """
    away = -distance_bps if position.is_long else distance_bps
    price = position.entry_notional * (BPS + away)
    tick = position.entry_quantity * BPS * tick_size
    ticks = price // tick
    if not position.is_long and ticks * tick < price:
        ticks += 1
    return StopTerms(position.side.opposite, max(ticks, Decimal(1)) * tick_size)
