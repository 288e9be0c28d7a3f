"""Placing and cancelling orders, with every reason for which they are refused."""

from dataclasses import dataclass, replace
from decimal import Decimal
from functools import partial
from itertools import count

from connectors.exchange.exchange_info import MARK_BAND, OPEN_ORDERS
from connectors.exchange.rest_reply import Params
from connectors.exchange.trading.account import Account
from connectors.exchange.trading.amount import ZERO, times
from connectors.exchange.trading.bracket import largest_notional
from connectors.exchange.trading.depth import level
from connectors.exchange.trading.execution import Execution
from connectors.exchange.trading.order_filter import OrderFilter
from connectors.exchange.trading.order_request import bad, order_terms
from connectors.exchange.trading.own_order import (
    OrderTerms,
    OwnOrder,
    PositionSide,
    Side,
    Status,
    TimeInForce,
)
from flows.domain.units import NS_PER_MS

_POST_ONLY = (
    "Due to the order could not be executed as maker, the Post Only order will be "
    "rejected. The order will not be recorded in the order history"
)
_FILL_OR_KILL = (
    "Due to the order could not be filled immediately, the FOK order has been "
    "rejected. The order will not be recorded in the order history"
)
_MARKET_BAND = (
    "The counterparty's best price does not meet the PERCENT_PRICE filter limit"
)


@dataclass(frozen=True, slots=True)
class OrderName:
    """How a request names one order."""

    symbol: str
    order_id: int
    client_order_id: str

    @classmethod
    def of(cls, params: Params) -> "OrderName":
        """The order named by id or by the client's id; Refusal -1102 without either."""
        order_id = params.number("orderId", 0)
        client_order_id = params.values.get("origClientOrderId", "")
        if not order_id and not client_order_id:
            msg = "Param 'origClientOrderId' or 'orderId' must be sent, but both were "
            raise bad(-1102, msg + "empty/null!")
        symbol = params.required("symbol").upper()
        return cls(symbol, order_id, client_order_id)


class OrderDesk:
    """Takes orders and withdraws them."""

    def __init__(self, execution: Execution) -> None:
        self.execution = execution
        self.filters = {
            name: OrderFilter.of(market.listed)
            for name, market in execution.venue.symbols.items()
        }
        self._unnamed = count(1)

    @property
    def account(self) -> Account:
        """The account."""
        return self.execution.account

    def terms_of(self, params: Params) -> OrderTerms:
        """What a request asks for, priced; Refusal where it is malformed."""
        terms = order_terms(
            params,
            now_ms=self.execution.now_ms,
            is_hedged=self.account.is_hedged,
            fallback_id=f"web_{next(self._unnamed):018d}",
        )
        self.known(terms.symbol)
        return self.priced(terms)

    def known(self, symbol: str) -> str:
        """The symbol; Refusal -1121 where it is not played."""
        if symbol not in self.filters:
            raise bad(-1121, "Invalid symbol.")
        return symbol

    def priced(self, terms: OrderTerms) -> OrderTerms:
        """With the price that a price match means; Refusal -5041 without depth."""
        if terms.price_match == "NONE":
            return terms
        whose, _, number = terms.price_match.partition("_")
        side = terms.side if whose == "QUEUE" else terms.side.opposite
        book = self.execution.venue.symbols[terms.symbol].true.book
        found = level(book, side, int(number or 1))
        if found is None:
            raise bad(-5041, "No depth matches this BBO order")
        return replace(terms, price=found[0])

    def place(self, terms: OrderTerms) -> OwnOrder:
        """Accept and run an order, or refuse it."""
        self.check(terms)
        order = self.execution.accept(terms)
        self.execution.run(order)
        if terms.time_in_force is TimeInForce.GTD and order.is_open:
            expire = partial(self._expire, order)
            self.execution.venue.plan(terms.good_till_ms * NS_PER_MS, expire)
        return order

    def cancel(self, order: OwnOrder) -> OwnOrder:
        """Withdraw an open order."""
        self.execution.end(order, Status.CANCELED)
        return order

    def cancel_all(self, symbol: str) -> int:
        """Withdraw every open order of a symbol; how many there were."""
        orders = self.account.ledger.open_of(symbol)
        for order in orders:
            self.cancel(order)
        return len(orders)

    def open_order(self, name: OrderName, code: int, message: str) -> OwnOrder:
        """An open order by its name, or a Refusal of this code."""
        order = self.find(name)
        if order is None or not order.is_open:
            raise bad(code, message)
        return order

    def find(self, name: OrderName) -> OwnOrder | None:
        """An order by its name."""
        self.known(name.symbol)
        ledger = self.account.ledger
        return ledger.find(name.symbol, name.order_id, name.client_order_id)

    def _expire(self, order: OwnOrder) -> None:
        if order.is_open:
            self.execution.end(order, Status.EXPIRED)

    # -- refusals -----------------------------------------------------------------

    def check(self, terms: OrderTerms) -> None:
        """Refusal where the order may not be; nothing is changed."""
        self.check_filters(terms)
        open_orders = self.account.ledger.open_of(terms.symbol)
        names = {order.terms.client_order_id for order in open_orders}
        if terms.client_order_id in names:
            raise bad(-4116, "ClientOrderId is duplicated.")
        self._check_reducing(terms, open_orders)
        if len(open_orders) >= OPEN_ORDERS:
            raise bad(-2025, "Reach max open order limit.")
        self.check_margin(terms)
        self.check_matching(terms)

    def check_filters(self, terms: OrderTerms) -> None:
        """Refusal where a filter of the symbol does not let it pass."""
        mark = self.account.mark(terms.symbol)
        self.filters[terms.symbol].check(terms, mark)

    def check_margin(self, terms: OrderTerms) -> None:
        """Refusal -2019 or -2027 where the account could not bear it."""
        account, symbol = self.account, terms.symbol
        price = terms.price or self._best(terms) or account.mark(symbol)
        before = account.exposure(symbol).whole
        after = account.exposure(symbol, [(terms, price)]).whole
        if after > before and not terms.only_reduces:
            leverage = account.setting(symbol).leverage
            if after > largest_notional(leverage):
                msg = "Exceeded the maximum allowable position at current leverage."
                raise bad(-2027, msg)
        if not account.can_bear(terms, price):
            raise bad(-2019, "Margin is insufficient.")

    def check_matching(self, terms: OrderTerms) -> None:
        """Refusal where the book does not let it: post-only, all-or-nothing, market."""
        best = self._best(terms)
        if terms.is_market:
            self._check_market(terms, best)
        elif terms.time_in_force is TimeInForce.GTX:
            if self.would_cross(terms):
                raise bad(-5022, _POST_ONLY)
        elif terms.time_in_force is TimeInForce.FOK:
            wanted = min(terms.quantity, self.execution.reducible(terms))
            book = self.execution.books[terms.symbol]
            is_whole = wanted == terms.quantity
            if not is_whole or not book.could_fill(terms.side, terms.price, wanted):
                raise bad(-5021, _FILL_OR_KILL)

    def would_cross(self, terms: OrderTerms) -> bool:
        """Whether the order would take at once."""
        best = self._best(terms)
        return best is not None and terms.side.reaches(terms.price, best)

    def _best(self, terms: OrderTerms) -> Decimal | None:
        return self.execution.books[terms.symbol].best(terms.side.opposite)

    def _check_market(self, terms: OrderTerms, best: Decimal | None) -> None:
        if best is None:
            raise bad(-2020, "Unable to fill.")
        down, up = (
            times(self.account.mark(terms.symbol), Decimal(e)) for e in MARK_BAND
        )
        if not terms.side.reaches(up if terms.side is Side.BUY else down, best):
            raise bad(-4131, _MARKET_BAND)

    def _check_reducing(self, terms: OrderTerms, open_orders: list[OwnOrder]) -> None:
        if not terms.only_reduces:
            return
        free = self.execution.reducible(terms)
        is_hedged = terms.position_side is not PositionSide.BOTH
        if not free or (is_hedged and terms.quantity > free):
            raise bad(-2022, "ReduceOnly Order is rejected.")
        if terms.takes_only:
            return  # it displaces those that rest
        for order in open_orders:
            other = order.terms
            if other.only_reduces and (other.side, other.position_side) == (
                terms.side,
                terms.position_side,
            ):
                free -= order.remaining
        if free <= ZERO:
            msg = (
                "ReduceOnly Order Failed. "
                "Please check your existing position and open orders"
            )
            raise bad(-4118, msg)
