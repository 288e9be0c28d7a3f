"""The paper venue: orders meet the recorded or live book after a latency.

An order arrives `order_latency_ms` after its decision and meets the first SYNCED view
of its symbol at or after that time. It takes what the view shows within its limit,
level by level, at taker fees; the rest expires. It does not deplete later views, so
the size must stay small beside the book.
"""

from decimal import Decimal

import msgspec

from flows.domain.order import Fill, Order, OrderReport, OrderStatus
from flows.domain.risk import Approved
from flows.domain.signal import Side
from flows.domain.units import BPS, NS_PER_MS
from flows.domain.view import BookView


class PaperRules(msgspec.Struct, frozen=True):
    """Latency and fees of the paper venue."""

    order_latency_ms: int
    taker_fee_bps: Decimal


class PaperVenue:
    """Holds orders in flight and executes them against views."""

    def __init__(self, rules: PaperRules) -> None:
        self._rules = rules
        self._in_flight: dict[str, list[Order]] = {}
        self._fills = 0

    def submit(self, approved: Approved) -> None:
        """Take an approved order; nothing else is accepted."""
        order = approved.order
        self._in_flight.setdefault(order.symbol, []).append(order)

    def cancel(self, order: Order, received_ns: int) -> OrderReport | None:
        """Withdraw an order in flight, at once; None if it is not in flight."""
        waiting = self._in_flight.get(order.symbol, [])
        if order not in waiting:
            return None
        waiting.remove(order)
        return _report(order, OrderStatus.CANCELED, Decimal(0), received_ns)

    def meet(self, view: BookView) -> list[Fill | OrderReport]:
        """Execute what has arrived by the view's time; fills before their report."""
        waiting = self._in_flight.get(view.symbol)
        if not waiting:
            return []
        latency_ns = self._rules.order_latency_ms * NS_PER_MS
        arrived = [o for o in waiting if o.received_ns + latency_ns <= view.received_ns]
        if not arrived:
            return []
        self._in_flight[view.symbol] = [o for o in waiting if o not in arrived]
        return [outcome for order in arrived for outcome in self._execute(order, view)]

    def end(self, received_ns: int) -> list[OrderReport]:
        """Report what never met a view as UNFILLED: input has ended."""
        left = [order for orders in self._in_flight.values() for order in orders]
        self._in_flight.clear()
        return [
            _report(order, OrderStatus.UNFILLED, Decimal(0), received_ns)
            for order in left
        ]

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
            trade_id=f"paper-{self._fills}",
            side=order.side,
            price=price,
            quantity=quantity,
            fee=price * quantity * self._rules.taker_fee_bps / BPS,
            is_maker=False,
        )


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
