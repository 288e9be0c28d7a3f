"""The paper venue: orders meet the recorded or live book after a latency.

An order arrives `order_latency_ms` after its decision and meets the first SYNCED view
of its symbol at or after that time. It takes what the view shows within its limit,
level by level, at taker fees; the rest expires. It does not deplete later views, so
the size must stay small beside the book.
"""

from decimal import Decimal

import msgspec

from flows.domain.errors import OrderRejected
from flows.domain.order import Fill, Order, OrderReport, OrderStatus, OrderType
from flows.domain.risk import Approved
from flows.domain.side import Side
from flows.domain.units import BPS, NS_PER_MS
from flows.domain.view import BookView


class PaperRules(msgspec.Struct, frozen=True):
    """Latency and fees of the paper venue."""

    order_latency_ms: int
    taker_fee_bps: Decimal


class PaperVenue:
    """Holds orders in flight, one a symbol, and executes them against views."""

    is_remote = False

    def __init__(self, rules: PaperRules) -> None:
        self._latency_ns = rules.order_latency_ms * NS_PER_MS
        self._taker_fee_bps = rules.taker_fee_bps
        self._in_flight: dict[str, Order] = {}
        self._fills = 0

    def submit(self, approved: Approved) -> None:
        """Take an approved order whole; nothing else is accepted.

        Raises OrderRejected, and holds nothing of it, where an exchange would: no
        quantity, a price that does not fit the type, an id or a symbol in flight.
        """
        order = approved.order
        if fault := self._fault_of(order):
            msg = f"Order {order.client_order_id} rejected: {fault}"
            raise OrderRejected(msg)
        self._in_flight[order.symbol] = order

    def cancel(self, order: Order, received_ns: int) -> OrderReport | None:
        """Withdraw an order in flight, at once; None if it is not in flight."""
        if self._in_flight.get(order.symbol) != order:
            return None
        del self._in_flight[order.symbol]
        return _report(order, OrderStatus.CANCELED, Decimal(0), received_ns)

    def meet(self, view: BookView) -> list[Fill | OrderReport]:
        """Execute what has arrived by the view's time; fills before their report."""
        order = self._in_flight.get(view.symbol)
        if order is None or order.received_ns + self._latency_ns > view.received_ns:
            return []
        del self._in_flight[view.symbol]
        return self._execute(order, view)

    def end(self, received_ns: int) -> list[OrderReport]:
        """Report what never met a view as UNFILLED: input has ended."""
        left = list(self._in_flight.values())
        self._in_flight.clear()
        return [
            _report(order, OrderStatus.UNFILLED, Decimal(0), received_ns)
            for order in left
        ]

    def _fault_of(self, order: Order) -> str | None:
        if order.quantity <= 0:
            return f"expected a positive quantity, was {order.quantity}"
        if not _is_priced(order):
            return f"{order.order_type.value} at price {order.limit_price}"
        if order.symbol in self._in_flight:
            return f"an order of {order.symbol} is in flight"
        if any(
            order.client_order_id == other.client_order_id
            for other in self._in_flight.values()
        ):
            return "its client order id is in flight"
        return None

    def _execute(self, order: Order, view: BookView) -> list[Fill | OrderReport]:
        outcomes: list[Fill | OrderReport] = []
        remaining = order.quantity
        for ticks, lots in view.asks if order.side is Side.BUY else view.bids:
            price = view.price(ticks)
            if not remaining or not _is_within_limit(order, price):
                break
            quantity = min(remaining, view.quantity(lots))
            remaining -= quantity
            outcomes.append(self._fill(order, price, quantity, view.received_ns))
        filled = order.quantity - remaining
        status = OrderStatus.EXPIRED if remaining else OrderStatus.FILLED
        outcomes.append(_report(order, status, filled, view.received_ns))
        return outcomes

    def _fill(
        self, order: Order, price: Decimal, quantity: Decimal, received_ns: int
    ) -> Fill:
        self._fills += 1
        return Fill(
            received_ns=received_ns,
            symbol=order.symbol,
            client_order_id=order.client_order_id,
            trade_id=f"{order.client_order_id}.{self._fills}",
            side=order.side,
            price=price,
            quantity=quantity,
            fee=price * quantity * self._taker_fee_bps / BPS,
            is_maker=False,
        )


def _is_priced(order: Order) -> bool:
    if order.limit_price is None:
        return order.order_type is OrderType.MARKET
    return order.order_type is OrderType.LIMIT and order.limit_price > 0


def _is_within_limit(order: Order, price: Decimal) -> bool:
    if order.limit_price is None:
        return True
    if order.side is Side.BUY:
        return price <= order.limit_price
    return price >= order.limit_price


def _report(
    order: Order, status: OrderStatus, filled: Decimal, received_ns: int
) -> OrderReport:
    return OrderReport(
        received_ns=received_ns,
        symbol=order.symbol,
        client_order_id=order.client_order_id,
        status=status,
        filled_quantity=filled,
    )
