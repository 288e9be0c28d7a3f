"""Where an account stands when a run begins: what earlier runs left behind.

It travels as the frame `@account`, so that a replay of a run's recording begins where
the run began. P&L counts from zero, not from capital, which is a setting.
"""

from decimal import Decimal

import msgspec

from flows.domain.order import Order, Purpose
from flows.domain.side import Side


class HeldPosition(msgspec.Struct, frozen=True):
    """An open position; the fields of `Position`."""

    symbol: str
    side: Side
    opened_ns: int
    quantity: Decimal
    entry_quantity: Decimal
    entry_notional: Decimal
    exit_notional: Decimal
    fees: Decimal
    mark: Decimal
    """Price of its first fill, until a view shows a better one."""
    closing: Purpose | None = None


class LostOrder(msgspec.Struct, frozen=True):
    """An order that was in flight when its run ended.

    The paper venue forgot it; an exchange knows what has become of it.
    """

    order: Order
    filled_quantity: Decimal
    trade_ids: tuple[str, ...] = ()
    """Of the fills that are journalled."""


class Opening(msgspec.Struct, frozen=True):
    """Everything that an account must not forget; by default, that there is nothing."""

    cash: Decimal = Decimal(0)
    """Cash P&L before fees, quote asset."""
    fees: Decimal = Decimal(0)
    funding: Decimal = Decimal(0)
    """Funding and other bookings beside trades; transfers are none."""
    positions: tuple[HeldPosition, ...] = ()
    closed_ns: dict[str, int] = {}
    """Time of each symbol's last closing fill: its cooldown."""
    pnl: Decimal = Decimal(0)
    """Net P&L last journalled, open positions included."""
    peak_pnl: Decimal = Decimal(0)
    """Highest net P&L journalled."""
    max_drawdown: Decimal = Decimal(0)
    day_start_pnl: Decimal = Decimal(0)
    day_fees: Decimal = Decimal(0)
    """Paid in the day that ends at `day_end_ns`."""
    day_funding: Decimal = Decimal(0)
    """Funding and other bookings of that day."""
    day_end_ns: int = 0
    sent_ns: tuple[int, ...] = ()
    """Times of the orders of the last minute: the order rate."""
    killed_ns: int | None = None
    """When the kill switch latched; None where it is not."""
    kill_reason: str = ""
    kill_detail: str = ""
    is_paused: bool = False
    lost_orders: tuple[LostOrder, ...] = ()
    is_remote: bool = False
    """Whether an exchange executes the run's orders."""
    order_prefix: str = ""
    """Begins the run's client order ids; empty: the beginning of its run id."""
    capital: Decimal | None = None
    """What the account began with, where its wallet held less than the setting."""
    reconciled_ns: int = 0
    """When all that an exchange has done was journalled; 0: never."""
    trade_ids: dict[str, tuple[int, ...]] = {}
    """By symbol, an exchange's trades that are journalled since, and shortly before."""
    booking_ids: tuple[str, ...] = ()
    """Of the bookings beside trades that are journalled since, and shortly before."""
