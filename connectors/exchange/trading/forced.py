"""What the exchange does to the account unasked: funding, margin calls, liquidation.

Liquidation: once the maintenance margin reaches the margin balance, every open order
of the account is cancelled, and positions are closed at what the book offers, the
largest first, until the rest is covered. Losses beyond the wallet are made good by the
insurance fund.
"""

from dataclasses import replace
from decimal import Decimal
from itertools import count

from connectors.exchange.payload import FUNDING_HOURS, FUNDING_RATE
from connectors.exchange.symbol_market import next_funding_ms
from connectors.exchange.trading.amount import ZERO, settled, times
from connectors.exchange.trading.execution import Execution
from connectors.exchange.trading.own_order import (
    ExpireReason,
    OrderTerms,
    OwnOrder,
    Side,
    Status,
    TimeInForce,
)
from connectors.exchange.trading.position import Position
from connectors.exchange.trading.user_event import account_update, margin_call
from flows.domain.units import NS_PER_MS

LIQUIDATION_FEE = Decimal("0.012500")
MARGIN_CALL_RATIO = Decimal("0.8")
"""Maintenance margin as a part of the margin balance at which the account is warned."""

_HOUR_MS = 3_600_000
_ANY_BUY = Decimal(10) ** 18
"""A bound that no price reaches."""


class Forced:
    """Acts on the account without its asking."""

    def __init__(self, execution: Execution) -> None:
        self._execution = execution
        self._account = execution.account
        self._is_warned = False
        self._ids = count(1)
        self._plan_funding()

    def on_mark(self, symbol: str) -> None:
        """Warn or liquidate where the mark price of a held symbol asks for it."""
        account = self._account
        if not any(position.symbol == symbol for position in account.held):
            return
        equity, needed = account.equity, account.maintenance
        if needed >= equity:
            self._liquidate_all()
        elif needed < times(equity, MARGIN_CALL_RATIO):
            self._is_warned = False
        elif not self._is_warned:
            self._is_warned = True
            event = margin_call(account, self._execution.now_ms)
            self._execution.stream.tell(event)

    def liquidate(self, position: Position) -> None:
        """Close a position by force, at what the book offers."""
        self._cancel_orders()
        order = self._close(position, "LIQUIDATION", f"autoclose-{self._stamp()}")
        self._execution.run(order, bound=_bound(order.terms.side))
        fee = -settled(times(order.quote, LIQUIDATION_FEE))
        self._book("INSURANCE_CLEAR", fee, position)
        if self._account.wallet < 0:
            self._book("INSURANCE_CLEAR", -self._account.wallet, position)

    def deleverage(self, position: Position, share: Decimal = Decimal(1)) -> None:
        """Close a position, or a part, at the mark against a winning counterparty."""
        symbol = position.symbol
        step = Decimal(self._execution.venue.symbols[symbol].listed.step_size)
        wanted = times(abs(position.amount), share)
        quantity = max(step, wanted // step * step)
        order = self._close(position, "LIMIT", "adl_autoclose", quantity)
        self._execution.fill(order, order.terms.price, quantity, is_maker=True)

    def _close(
        self,
        position: Position,
        order_type: str,
        client_order_id: str,
        quantity: Decimal | None = None,
    ) -> OwnOrder:
        symbol = position.symbol
        listed = self._execution.venue.symbols[symbol].listed
        tick = Decimal(listed.tick_size)
        terms = OrderTerms(
            symbol,
            Side.SELL if position.amount > 0 else Side.BUY,
            order_type,
            TimeInForce.IOC,
            abs(position.amount),
            self._account.mark(symbol) // tick * tick,
            client_order_id,
            position.side,
            is_reduce_only=True,
            original_type=order_type,
        )
        if quantity is not None:
            terms = replace(terms, quantity=quantity)
        return self._execution.accept(terms, is_forced=True)

    def _liquidate_all(self) -> None:
        account = self._account
        self._cancel_orders()
        largest_first = sorted(account.held, key=account.maintenance_of, reverse=True)
        for position in largest_first:
            if account.maintenance >= account.equity and position.amount:
                self.liquidate(position)

    def _cancel_orders(self) -> None:
        for order in self._account.ledger.open_of(""):
            if not order.is_forced:
                self._execution.end(order, Status.CANCELED, ExpireReason.LIQUIDATION)

    def _stamp(self) -> str:
        return f"{self._execution.now_ms}{next(self._ids):06d}"

    def _book(self, kind: str, amount: Decimal, position: Position) -> None:
        now_ms = self._execution.now_ms
        self._account.book(kind, amount, now_ms, position.symbol)
        event = account_update(
            self._account, kind, [position], change=amount, now_ms=now_ms
        )
        self._execution.stream.tell(event)

    # -- funding ------------------------------------------------------------------

    def _plan_funding(self) -> None:
        due_ms = next_funding_ms(self._execution.now_ms)
        self._execution.venue.plan(due_ms * NS_PER_MS, self._fund)

    def _fund(self) -> None:
        """Longs pay shorts by the notional at the mark price."""
        now_ms = self._execution.now_ms
        for position in self._account.held:
            mark = self._account.mark(position.symbol)
            rate = Decimal(FUNDING_RATE)
            payment = -settled(times(position.amount, mark, rate))
            self._account.book("FUNDING_FEE", payment, now_ms, position.symbol)
            event = account_update(
                self._account, "FUNDING_FEE", [], change=payment, now_ms=now_ms
            )
            self._execution.stream.tell(event)
        due_ms = now_ms + FUNDING_HOURS * _HOUR_MS
        self._execution.venue.plan(due_ms * NS_PER_MS, self._fund)


def _bound(side: Side) -> Decimal:
    return _ANY_BUY if side is Side.BUY else ZERO
