"""Execution: approved orders on their way, and the books they change."""

from decimal import Decimal

import msgspec

from flows.domain.control import Controls
from flows.domain.errors import OrderError, RiskLimitBreached
from flows.domain.kill import KillReason
from flows.domain.ledger import Ledger
from flows.domain.opening import LostOrder, Opening
from flows.domain.order import (
    Fill,
    Order,
    OrderReport,
    OrderStatus,
    OrderType,
    OutsideFill,
    Purpose,
    Withdrawn,
    WorkingOrder,
)
from flows.domain.position import Position
from flows.domain.risk import Approved, RefusalReason, RiskGate
from flows.domain.run import Transcript
from flows.domain.venue import RemoteVenue, Venue


class Execution:
    """Sends what the gate approves, one order a symbol, and books what comes back."""

    def __init__(
        self,
        transcript: Transcript,
        controls: Controls,
        ledger: Ledger,
        gate: RiskGate,
        venue: Venue,
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

    def begin(self, opening: Opening) -> None:
        """Go on where an earlier run ended, with the venue that is said."""
        if opening.order_prefix:
            self._order_prefix = opening.order_prefix
        if opening.is_remote:
            self.venue = RemoteVenue()
        for lost in opening.lost_orders:
            self._take_up(lost)

    def _take_up(self, lost: LostOrder) -> None:
        """An order in flight holds its exposure until its outcome is told."""
        order, filled = lost.order, lost.filled_quantity
        is_known = not self.venue.is_remote
        if not is_known:
            working = WorkingOrder(order, OrderStatus.UNKNOWN, filled)
            self.working[order.symbol] = working
            if order.limit_price is not None:
                notional = working.remaining * order.limit_price
                self._gate.reserve(order, notional)
        self._transcript.add(
            OrderReport(
                received_ns=self._transcript.now_ns,
                symbol=order.symbol,
                client_order_id=order.client_order_id,
                status=OrderStatus.UNFILLED if is_known else OrderStatus.UNKNOWN,
                filled_quantity=filled,
                reason=(
                    "its run ended before it met a market"
                    if is_known
                    else "its run ended before its outcome was told"
                ),
            )
        )

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
        now_ns = self._transcript.now_ns
        is_due = not position.is_exit_expired and now_ns >= position.exit_due_ns
        if position.symbol in self.working or not is_due:
            return
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
        """Cancel an order in flight, once."""
        if working.is_withdrawn:
            return
        order, now_ns = working.order, self._transcript.now_ns
        report = self.venue.cancel(order, now_ns)
        if report is not None:
            self.book(report)
        elif self.venue.is_remote:
            working.is_withdrawn = True
            self._transcript.add(
                Withdrawn(
                    received_ns=now_ns,
                    symbol=order.symbol,
                    client_order_id=order.client_order_id,
                )
            )

    def adopt(self, fill: OutsideFill) -> None:
        """Book what somebody else did to the account: the venue's word stands.

        What passes beyond flat opens a position of its own.
        """
        position = self._ledger.positions.get(fill.symbol)
        if position is None or fill.side is position.side:
            self._adopt(fill, Purpose.ENTRY)
            return
        closing = min(position.quantity, fill.quantity)
        rest = fill.quantity - closing
        part = msgspec.structs.replace(fill, quantity=closing)
        self._adopt(part if rest else fill, Purpose.OUTSIDE)
        if rest:
            fee = Decimal(0)  # the whole is with the first part
            part = msgspec.structs.replace(fill, quantity=rest, fee=fee)
            self._adopt(part, Purpose.ENTRY)

    def _adopt(self, fill: OutsideFill, purpose: Purpose) -> None:
        self._transcript.add(fill)
        changed, closed = self._ledger.apply(fill, purpose)
        self._transcript.add(changed)
        if closed is not None:
            self._transcript.add(closed)

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
                is_refused = report.status is OrderStatus.REJECTED
                if self.venue.is_remote and order.is_reduce_only and is_refused:
                    position.put_off(report.received_ns)
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
