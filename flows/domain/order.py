"""Orders: what is sent, what comes back, and the life between."""

from decimal import Decimal
from enum import Enum
from typing import NoReturn

import msgspec

from flows.domain.errors import OrderError
from flows.domain.fact import Fact
from flows.domain.side import Side


class OrderType(Enum):
    """How an order is priced."""

    LIMIT = "LIMIT"
    """Immediate-or-cancel within its limit price."""
    MARKET = "MARKET"


class OrderStatus(Enum):
    """Where an order stands; the exchange's own words, and two of ours."""

    NEW = "NEW"
    PARTIALLY_FILLED = "PARTIALLY_FILLED"
    FILLED = "FILLED"
    CANCELED = "CANCELED"
    EXPIRED = "EXPIRED"
    """The part that did not fill was withdrawn by the venue."""
    REJECTED = "REJECTED"
    UNKNOWN = "UNKNOWN"
    """Outcome not known: the whole quantity counts as exposure."""
    UNFILLED = "UNFILLED"
    """Input ended before the order met a market (replay only)."""

    @property
    def is_final(self) -> bool:
        """Whether nothing can follow."""
        return self in _FINAL


_FINAL = frozenset(
    {
        OrderStatus.FILLED,
        OrderStatus.CANCELED,
        OrderStatus.EXPIRED,
        OrderStatus.REJECTED,
        OrderStatus.UNFILLED,
    }
)


_WITH_FILLS = frozenset({OrderStatus.PARTIALLY_FILLED, OrderStatus.FILLED})
_WITHOUT_FILLS = frozenset(
    {OrderStatus.NEW, OrderStatus.REJECTED, OrderStatus.UNFILLED}
)


class Purpose(Enum):
    """Why an order is sent."""

    ENTRY = "entry"
    TARGET = "target"
    STOP = "stop"
    TIME = "time"
    FLATTEN = "flatten"
    KILL = "kill"
    MARK_LOST = "mark_lost"
    OUTSIDE = "outside"
    """Not ours: somebody else traded on the account, or the exchange itself."""


class Order(Fact, frozen=True, kw_only=True):
    """An order as decided; immutable, its progress is told by reports."""

    client_order_id: str
    side: Side
    order_type: OrderType
    purpose: Purpose
    quantity: Decimal
    """In the base asset, a multiple of the step."""
    limit_price: Decimal | None
    """None on a market order."""
    is_reduce_only: bool
    notional: Decimal
    """quantity x limit price, or x the exit-side mark of a market order."""


class Fill(Fact, frozen=True, kw_only=True):
    """One execution of an order."""

    client_order_id: str
    trade_id: str
    """Unique within the venue account."""
    side: Side
    price: Decimal
    quantity: Decimal
    fee: Decimal
    """Commission in the quote asset."""
    is_maker: bool


class OutsideFill(Fill, frozen=True, kw_only=True):
    """An execution on the account of an order that is not ours.

    A liquidation, a deleveraging, or somebody else; `client_order_id` is the exchange's
    number of the order.
    """


class Withdrawn(Fact, frozen=True, kw_only=True):
    """An order in flight was asked back; its report tells whether that came in time."""

    client_order_id: str


class StopStatus(Enum):
    """Where a protective stop is in its life."""

    SENT = "SENT"
    WORKING = "WORKING"
    REFUSED = "REFUSED"
    """Not taken; another one follows while the position is open."""
    ENDED = "ENDED"
    """Fired, withdrawn, or gone with its position."""


class ProtectiveStop(Fact, frozen=True, kw_only=True):
    """A protective stop at the exchange and what has become of it."""

    client_order_id: str
    side: Side
    """Of the order that it becomes: the opposite of its position's."""
    trigger_price: Decimal
    """Mark price at which it fires."""
    status: StopStatus
    reason: str = ""


class OrderReport(Fact, frozen=True, kw_only=True):
    """What the venue says of an order, after the fills it names."""

    client_order_id: str
    status: OrderStatus
    filled_quantity: Decimal
    """Cumulative."""
    reason: str = ""


class WorkingOrder(msgspec.Struct):
    """An order that is not final yet, with what is known of it."""

    order: Order
    status: OrderStatus = OrderStatus.NEW
    filled: Decimal = Decimal(0)
    is_withdrawn: bool = False

    @property
    def remaining(self) -> Decimal:
        """Quantity that may still fill."""
        return self.order.quantity - self.filled

    def fill(self, fill: Fill) -> None:
        """Count a fill. Raises OrderError where it cannot be one of this order."""
        self._check_identity(fill.client_order_id)
        if fill.side is not self.order.side:
            self._refuse(f"a {fill.side.value} fill")
        if self.status.is_final:
            self._refuse(f"a fill after {self.status.value}")
        if fill.quantity <= 0 or fill.quantity > self.remaining:
            self._refuse(f"a fill of {fill.quantity} of {self.remaining} remaining")
        if fill.price <= 0:
            self._refuse(f"a fill at {fill.price}")
        self.filled += fill.quantity
        is_full = self.filled == self.order.quantity
        self.status = OrderStatus.FILLED if is_full else OrderStatus.PARTIALLY_FILLED

    def report(self, report: OrderReport) -> None:
        """Take the venue's word. Raises OrderError where it contradicts the fills."""
        self._check_identity(report.client_order_id)
        status = report.status
        if self.status.is_final and status is not self.status:
            self._refuse(f"{status.value} after {self.status.value}")
        if report.filled_quantity != self.filled:
            self._refuse(
                f"{report.filled_quantity} filled by report, {self.filled} by fills"
            )
        if not self._is_possible(status):
            self._refuse(f"{status.value} at {self.filled} filled")
        self.status = status

    def _is_possible(self, status: OrderStatus) -> bool:
        if not self.filled:
            return status not in _WITH_FILLS
        if self.filled == self.order.quantity:
            return status is OrderStatus.FILLED
        return status not in _WITHOUT_FILLS and status is not OrderStatus.FILLED

    def _check_identity(self, client_order_id: str) -> None:
        if client_order_id != self.order.client_order_id:
            self._refuse(f"the news of order {client_order_id}")

    def _refuse(self, what: str) -> NoReturn:
        msg = f"Order {self.order.client_order_id} cannot take {what}"
        raise OrderError(msg)
