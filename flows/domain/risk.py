"""The risk gate: whether an order may exist.

Approval is a type. Only the gate makes an `Approved`, and venues take nothing else.
What it approves it reserves in the same call, so that a burst of signals cannot pass
on one and the same free limit. A check that cannot decide refuses.
"""

from collections import deque
from collections.abc import Iterable, Iterator, Mapping
from decimal import Decimal
from enum import Enum

import msgspec

from flows.domain.errors import OrderError, RiskLimitBreached
from flows.domain.fact import Fact
from flows.domain.order import Order
from flows.domain.position import Position
from flows.domain.side import Side
from flows.domain.units import NS_PER_S

ORDER_RATE_WINDOW_NS = 60 * NS_PER_S
"""The order rate counts the orders of so much time."""


class RiskLimits(msgspec.Struct, frozen=True):
    """The hard limits; money in the quote asset."""

    capital: Decimal
    max_position_notional: Decimal
    max_instrument_share: Decimal
    """Share of capital that one instrument may use, open orders included."""
    max_daily_loss: Decimal
    """Positive; a day's net P&L at or below its negative kills."""
    max_drawdown: Decimal
    """Positive; a fall of this much from peak equity kills."""
    max_orders_per_minute: int
    max_clock_skew_ms: int
    mark_max_age_ms: int
    """A held symbol without a view for this long has no known value."""

    @property
    def max_instrument_exposure(self) -> Decimal:
        """Exposure that one instrument may have."""
        return self.capital * self.max_instrument_share

    def is_day_lost(self, day_pnl: Decimal) -> bool:
        """Whether the day's net P&L stands at or below its limit."""
        return day_pnl <= -self.max_daily_loss

    def is_drawn_down(self, drawdown: Decimal) -> bool:
        """Whether the fall from peak equity stands at or above its limit."""
        return drawdown >= self.max_drawdown


class RefusalReason(Enum):
    """Why a signal did not become an order."""

    KILLED = "killed"
    PAUSED = "paused"
    NOT_TRADED = "not_traded"
    """Its market builds books and signals only, or the exchange has halted it."""
    POSITION_OPEN = "position_open"
    ORDER_IN_FLIGHT = "order_in_flight"
    COOLDOWN = "cooldown"
    BOOK_NOT_SYNCED = "book_not_synced"
    DEPTH_HORIZON = "depth_horizon"
    NO_LIQUIDITY = "no_liquidity"
    """The side of the book that the order would take is empty."""
    CLOCK_SKEW = "clock_skew"
    RATE_LIMITED = "rate_limited"
    UNRECONCILED = "unreconciled"
    MARK_UNKNOWN = "mark_unknown"
    """A held symbol has had no view for too long: its P&L is not known."""
    MIN_NOTIONAL = "min_notional"
    POSITION_NOTIONAL = "position_notional"
    INSTRUMENT_EXPOSURE = "instrument_exposure"
    GROSS_EXPOSURE = "gross_exposure"
    ORDER_RATE = "order_rate"


class Refused(Fact, frozen=True, kw_only=True):
    """A signal that did not become an order, with the numbers that decided."""

    side: Side
    reason: RefusalReason
    value: Decimal | None = None
    """What was measured, where a number decided."""
    limit: Decimal | None = None
    """What it was measured against."""


class Approved(Fact, frozen=True, kw_only=True):
    """Permission to send one order; its exposure is reserved."""

    order: Order


class RiskGate:
    """Knows the exposure in use and approves orders that fit the limits."""

    def __init__(self, limits: RiskLimits) -> None:
        self.limits = limits
        self._reserved: dict[str, tuple[str, Decimal]] = {}
        self._sent_ns: deque[int] = deque()

    def approve_entry(
        self, order: Order, exposures: Mapping[str, Decimal]
    ) -> Approved | Refused:
        """Judge a risk-increasing order and reserve its notional.

        `exposures` holds the absolute notional of each open position by symbol.
        Raises OrderError for an order whose exposure is reserved already.
        """
        if order.client_order_id in self._reserved:
            msg = f"Order {order.client_order_id} has been approved before"
            raise OrderError(msg)
        for reason, value, limit in self._measure(order, exposures):
            if value > limit:
                return Refused(
                    received_ns=order.received_ns,
                    symbol=order.symbol,
                    side=order.side,
                    reason=reason,
                    value=value,
                    limit=limit,
                )
        self._reserved[order.client_order_id] = (order.symbol, order.notional)
        return self._approved(order)

    def _measure(
        self, order: Order, exposures: Mapping[str, Decimal]
    ) -> Iterator[tuple[RefusalReason, Decimal, Decimal]]:
        """What each limit would measure with the order, and the limit itself.

        The order rate comes last: passing it kills, so only an order that would
        really be sent may.
        """
        limits, symbol, new = self.limits, order.symbol, order.notional
        yield (
            RefusalReason.POSITION_NOTIONAL,
            exposures.get(symbol, Decimal(0)) + new,
            limits.max_position_notional,
        )
        yield (
            RefusalReason.INSTRUMENT_EXPOSURE,
            self.exposure_of(symbol, exposures) + new,
            limits.max_instrument_exposure,
        )
        gross = self.gross_exposure(exposures) + new
        yield RefusalReason.GROSS_EXPOSURE, gross, limits.capital
        sent = Decimal(self.orders_in_last_minute(order.received_ns) + 1)
        yield RefusalReason.ORDER_RATE, sent, Decimal(limits.max_orders_per_minute)

    def approve_exit(self, order: Order, position: Position) -> Approved:
        """Let an order pass that only reduces `position`: leaving is never refused.

        Raises RiskLimitBreached for an order that could increase risk.
        """
        is_reducing = (
            order.is_reduce_only
            and order.symbol == position.symbol
            and order.side is position.side.opposite
            and order.quantity <= position.quantity
        )
        if not is_reducing:
            msg = f"Order {order.client_order_id} does more than leave {order.symbol}"
            raise RiskLimitBreached(msg)
        return self._approved(order)

    def release(self, client_order_id: str, filled_notional: Decimal | None) -> None:
        """Give back what an order reserved: part of it at a fill, the rest at its end.

        `filled_notional` is measured at the order's own price; None releases all.
        """
        reserved = self._reserved.pop(client_order_id, None)
        if reserved is None or filled_notional is None:
            return
        symbol, notional = reserved
        if notional > filled_notional:
            self._reserved[client_order_id] = (symbol, notional - filled_notional)

    def exposure_of(self, symbol: str, exposures: Mapping[str, Decimal]) -> Decimal:
        """A symbol's open position and reserved orders, quote asset."""
        reserved = sum(
            (amount for held, amount in self._reserved.values() if held == symbol),
            Decimal(0),
        )
        return exposures.get(symbol, Decimal(0)) + reserved

    def gross_exposure(self, exposures: Mapping[str, Decimal]) -> Decimal:
        """All open positions and reserved orders, quote asset."""
        reserved = sum((amount for _, amount in self._reserved.values()), Decimal(0))
        return sum(exposures.values(), Decimal(0)) + reserved

    def orders_in_last_minute(self, now_ns: int) -> int:
        """Orders sent within the 60 s before `now_ns`."""
        sent = self._sent_ns
        while sent and sent[0] <= now_ns - ORDER_RATE_WINDOW_NS:
            sent.popleft()
        return len(sent)

    def count_recent(self, now_ns: int) -> int:
        """The same for an onlooker, at a time that no event has reached yet."""
        since_ns = now_ns - ORDER_RATE_WINDOW_NS
        return sum(sent_ns > since_ns for sent_ns in self._sent_ns)

    def reserve(self, order: Order, notional: Decimal) -> None:
        """Count an order of an earlier run whose outcome is not known."""
        self._reserved[order.client_order_id] = (order.symbol, notional)

    def restore(self, sent_ns: Iterable[int], capital: Decimal | None = None) -> None:
        """Count orders that earlier runs have sent, and no others.

        `capital` is what the account began with, where that is not the setting.
        """
        self._sent_ns = deque(sent_ns)
        if capital is not None:
            self.limits = msgspec.structs.replace(self.limits, capital=capital)

    def is_rate_exhausted(self, now_ns: int) -> bool:
        """Whether one more order would pass the order rate."""
        return self.orders_in_last_minute(now_ns) >= self.limits.max_orders_per_minute

    def _approved(self, order: Order) -> Approved:
        self._sent_ns.append(order.received_ns)
        return Approved(received_ns=order.received_ns, symbol=order.symbol, order=order)
