"""Changing the price and quantity of a resting order.

Source: Binance USD-M "Modify Order (TRADE)". The order loses its place in the queue.
"""

from dataclasses import replace
from itertools import count

from connectors.exchange.rest_reply import Params
from connectors.exchange.trading.amount import ZERO
from connectors.exchange.trading.ledger import Amendment
from connectors.exchange.trading.order_desk import OrderDesk, OrderName
from connectors.exchange.trading.order_request import (
    bad,
    decimal_of,
    flag_of,
    price_match_of,
    side_of,
)
from connectors.exchange.trading.own_order import (
    OrderTerms,
    OwnOrder,
    TimeInForce,
)

MOST_AMENDMENTS = 10_000
_FIRST_AMENDMENT = 5_363


class Amending:
    """Amends orders, and remembers how they were."""

    def __init__(self, desk: OrderDesk) -> None:
        self._desk = desk
        self._ids = count(_FIRST_AMENDMENT)

    def amend(self, params: Params) -> OwnOrder:
        """Amend the order that a request names, or cancel it where that follows."""
        name = OrderName.of(params)
        side = side_of(params)
        order = self._desk.open_order(name, -2013, "Order does not exist.")
        if order.terms.is_market:
            raise bad(-5025, "Only limit order is supported.")
        if flag_of(params, "reduceOnly") and not order.terms.is_reduce_only:
            raise bad(-5047, "The order is not reduce only.")
        if side is not order.terms.side:
            raise bad(-1128, "Combination of optional parameters invalid.")
        if order.amendments >= MOST_AMENDMENTS:
            raise bad(-5026, "Exceed maximum modify order limit.")
        terms = self._amended(order.terms, params)
        if terms.quantity <= order.executed:
            return self._desk.cancel(order)
        self._check(order, terms)
        if terms.time_in_force is TimeInForce.GTX and self._desk.would_cross(terms):
            return self._desk.cancel(order)
        self._change(order, terms)
        return order

    def _amended(self, terms: OrderTerms, params: Params) -> OrderTerms:
        match = price_match_of(params, "LIMIT")
        params.required("quantity")
        if match == "NONE":
            params.required("price")
        quantity = decimal_of(params, "quantity") or ZERO
        price = decimal_of(params, "price") or ZERO
        amended = replace(terms, quantity=quantity, price=price, price_match=match)
        return self._desk.priced(amended)

    def _check(self, order: OwnOrder, terms: OrderTerms) -> None:
        before = order.terms
        if (terms.price, terms.quantity) == (before.price, before.quantity):
            raise bad(-5027, "No need to modify the order.")
        self._desk.check_filters(terms)
        account = self._desk.account
        account.ledger.close(order)  # its own margin is free for what it becomes
        try:
            rest = replace(terms, quantity=terms.quantity - order.executed)
            self._desk.check_margin(rest)
        finally:
            account.ledger.reopen(order)

    def _change(self, order: OwnOrder, terms: OrderTerms) -> None:
        execution, before = self._desk.execution, order.terms
        execution.take_out(order)
        order.terms = terms
        order.amendments += 1
        order.updated_ms = execution.now_ms
        amendment = Amendment(
            next(self._ids),
            order,
            (before.price, terms.price),
            (before.quantity, terms.quantity),
            order.amendments,
            execution.now_ms,
        )
        execution.account.ledger.amendments.append(amendment)
        execution.tell(order, "AMENDMENT")
        execution.run(order)
