"""Execution: approved orders on their way, and the books they change."""

from decimal import Decimal

from flows.domain.control import Controls
from flows.domain.errors import OrderError, RiskLimitBreached
from flows.domain.kill import KillReason
from flows.domain.ledger import Ledger
from flows.domain.order import (
    Fill,
    Order,
    OrderReport,
    OrderStatus,
    OrderType,
    Purpose,
    WorkingOrder,
)
from flows.domain.paper import PaperVenue
from flows.domain.position import Position
from flows.domain.risk import Approved, RefusalReason, RiskGate
from flows.domain.run import Transcript


class Execution:
    """Sends what the gate approves, one order a symbol, and books what comes back."""

    def __init__(
        self,
        transcript: Transcript,
        controls: Controls,
        ledger: Ledger,
        gate: RiskGate,
        venue: PaperVenue,
        *,
        order_prefix: str,
    ) -> None:
        self.working: dict[str, WorkingOrder] = {}
        """Orders in flight by symbol."""
        self.venue = venue
        self._transcript = transcript
        self._controls = controls
        self._ledger = ledger
        self._gate = gate
        self._order_prefix = order_prefix
        self._orders = 0

    @property
    def next_order_id(self) -> str:
        """The client order id that the next order sent will bear."""
        return f"{self._order_prefix}-{self._orders + 1}"

    def enter(self, order: Order) -> None:
        """Send an entry order if the gate approves it; else journal why not.

        The order that would pass the order rate trips the kill switch instead.
        """
        judged = self._gate.approve_entry(order, self._ledger.exposures())
        if isinstance(judged, Approved):
            self.send(judged)
            return
        if judged.reason is RefusalReason.ORDER_RATE:
            self._trip_on_order_rate()
        self._transcript.add(judged)

    def leave(self, position: Position, purpose: Purpose) -> None:
        """Leave the whole position at the market, unless an order is in flight.

        An exit that came to nothing waits for the next view. Exits pass the order
        rate, though that trips the kill switch.
        """
        position.closing = position.closing or purpose
        if position.symbol in self.working or position.is_exit_expired:
            return
        now_ns = self._transcript.now_ns
        if self._gate.is_rate_exhausted(now_ns):
            self._trip_on_order_rate()
        mark = self._ledger.mark(position.symbol)
        order = Order(
            received_ns=now_ns,
            symbol=position.symbol,
            client_order_id=self.next_order_id,
            side=position.side.opposite,
            order_type=OrderType.MARKET,
            purpose=position.closing,
            quantity=position.quantity,
            limit_price=None,
            is_reduce_only=True,
            notional=abs(position.open_value(mark)),
        )
        self.send(self._gate.approve_exit(order, position))

    def send(self, approved: Approved) -> None:
        """Journal an approved order, then hand it to the venue.

        Raises RiskLimitBreached for a second order of a symbol and for one that would
        increase risk while that is forbidden, and whatever the venue raises, after
        booking the order as rejected.
        """
        order = approved.order
        if bar := self._bar_to(order):
            self._gate.release(order.client_order_id, None)
            msg = f"Order {order.client_order_id} {bar}"
            raise RiskLimitBreached(msg)
        self._transcript.add(approved)
        self._orders += 1
        self.working[order.symbol] = WorkingOrder(order)
        try:
            self.venue.submit(approved)
        except Exception as error:
            self.book(_rejection(order, error))
            raise

    def withdraw(self, working: WorkingOrder) -> None:
        """Cancel an order in flight."""
        report = self.venue.cancel(working.order, self._transcript.now_ns)
        if report is not None:
            self.book(report)

    def book(self, outcome: Fill | OrderReport) -> None:
        """Take what the venue says of an order into the books.

        Raises OrderError where it contradicts what is known of the order.
        """
        self._transcript.add(outcome)
        working = self.working.get(outcome.symbol)
        if working is None:
            msg = f"Order {outcome.client_order_id} is not in flight"
            raise OrderError(msg)
        if isinstance(outcome, Fill):
            self._book_fill(working, outcome)
        else:
            self._book_report(working, outcome)

    def _bar_to(self, order: Order) -> str | None:
        if order.symbol in self.working:
            return f"would be the second of {order.symbol} in flight"
        if order.is_reduce_only or self._controls.is_entry_allowed:
            return None
        return "would increase risk while stopped"

    def _book_fill(self, working: WorkingOrder, fill: Fill) -> None:
        order = working.order
        working.fill(fill)
        changed, closed = self._ledger.apply(fill, order.purpose)
        if order.limit_price is not None:
            filled_notional = fill.quantity * order.limit_price
            self._gate.release(order.client_order_id, filled_notional)
        self._transcript.add(changed)
        if closed is not None:
            self._transcript.add(closed)

    def _book_report(self, working: WorkingOrder, report: OrderReport) -> None:
        order = working.order
        if report.status.is_final and report.client_order_id == order.client_order_id:
            # Gone from the venue, whatever else is wrong with the report: an order
            # kept here would bar every further exit of the symbol.
            del self.working[order.symbol]
            self._gate.release(order.client_order_id, None)
            position = self._ledger.positions.get(order.symbol)
            if position is not None:
                position.is_exit_expired = order.is_reduce_only
        working.report(report)

    def _trip_on_order_rate(self) -> None:
        limit = self._gate.limits.max_orders_per_minute
        detail = f"one more order would pass {limit} a minute"
        self._controls.trip(KillReason.ORDER_RATE, detail)


def _rejection(order: Order, error: Exception) -> OrderReport:
    return OrderReport(
        received_ns=order.received_ns,
        symbol=order.symbol,
        client_order_id=order.client_order_id,
        status=OrderStatus.REJECTED,
        filled_quantity=Decimal(0),
        reason=f"{type(error).__name__}: {error}",
    )
