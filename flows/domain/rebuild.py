"""The account's next opening, rebuilt from what its last run journalled."""

import decimal
from collections.abc import Iterable
from decimal import Decimal

import msgspec

from flows.domain.cash import CashMoved
from flows.domain.equity import EquityMarked
from flows.domain.errors import OrderError, StoreError
from flows.domain.event import Verb
from flows.domain.kill import KillReset, KillTripped, killed_before
from flows.domain.ledger import Ledger
from flows.domain.opening import LostOrder, Opening
from flows.domain.order import (
    Fill,
    Order,
    OrderReport,
    OutsideFill,
    Purpose,
    WorkingOrder,
)
from flows.domain.risk import ORDER_RATE_WINDOW_NS, Approved
from flows.domain.run import AccountOpened, CommandHandled, Journalled, Reconciled
from flows.domain.units import EXACT, NS_PER_S

_PAUSES = {Verb.PAUSE: True, Verb.FLATTEN: True, Verb.RESUME: False}
"""What outlives a run; a stop is how a run ends, and pauses nothing."""

TRADES_REMEMBERED_NS = 120 * NS_PER_S
"""How long before a reconciliation trades are kept in mind: clocks may differ, and
trades are asked for from a minute before it."""


def opening_after(facts: Iterable[Journalled]) -> Opening | None:
    """Where the account stands after a run's facts; None where they tell no beginning.

    Fills are booked by the same ledger as then. Peak and day are those of the last
    journalled mark, at most a second before the end. Raises StoreError where the facts
    contradict each other.
    """
    rebuild = _Rebuild()
    with decimal.localcontext(EXACT):
        for fact in facts:
            try:
                rebuild.apply(fact)
            except (ArithmeticError, OrderError, ValueError) as error:
                msg = (
                    f"A {type(fact).__name__} at {fact.received_ns} cannot be: {error}"
                )
                raise StoreError(msg) from error
        return rebuild.opening() if rebuild.has_begun else None


class _Rebuild:
    def __init__(self) -> None:
        self.has_begun = False
        self._ledger = Ledger(Decimal(0))
        self._in_flight: dict[str, WorkingOrder] = {}
        self._trades: dict[str, list[str]] = {}
        """Ids of the fills of each order in flight."""
        self._begun = Opening()
        self._reconciled_ns = 0
        self._told: list[tuple[int, str, int]] = []
        """Receive time, symbol and id of an exchange's trades."""
        self._booked: list[tuple[int, str]] = []
        """Receive time and id of an exchange's bookings beside trades."""
        self._sent_ns: list[int] = []
        self._killed: KillTripped | None = None
        self._is_paused = False
        self._now_ns = 0

    def apply(self, fact: Journalled) -> None:
        self._now_ns = fact.received_ns
        match fact:
            case AccountOpened():
                self._begin(fact)
            case Approved(order=order):
                self._on_order(order)
            case OutsideFill():
                self._on_outside_fill(fact)
            case Fill():
                self._on_fill(fact)
            case OrderReport(status=status, client_order_id=order_id):
                if status.is_final:
                    self._in_flight.pop(order_id, None)
                    self._trades.pop(order_id, None)
            case CashMoved():
                self._ledger.move(fact)
                self._booked.append((fact.received_ns, fact.booking_id))
            case EquityMarked():
                self._ledger.curve.follow(fact)
            case _:
                self._on_control(fact)

    def _begin(self, fact: AccountOpened) -> None:
        opening = fact.opening
        self.has_begun = True
        self._ledger = Ledger(Decimal(0))
        self._ledger.restore(opening, fact.received_ns)
        self._sent_ns = list(opening.sent_ns)
        self._killed = killed_before(opening)
        self._is_paused = opening.is_paused
        self._begun = opening
        self._reconciled_ns = opening.reconciled_ns
        self._told = [
            (fact.received_ns, symbol, trade_id)
            for symbol, trade_ids in opening.trade_ids.items()
            for trade_id in trade_ids
        ]
        self._booked = [(fact.received_ns, name) for name in opening.booking_ids]
        self._in_flight.clear()
        self._trades.clear()
        for lost in opening.lost_orders if opening.is_remote else ():
            order_id = lost.order.client_order_id
            working = WorkingOrder(lost.order, filled=lost.filled_quantity)
            self._in_flight[order_id] = working
            self._trades[order_id] = list(lost.trade_ids)

    def _on_order(self, order: Order) -> None:
        self._in_flight[order.client_order_id] = WorkingOrder(order)
        self._sent_ns.append(order.received_ns)
        position = self._ledger.positions.get(order.symbol)
        if position is not None and order.purpose is not Purpose.ENTRY:
            position.closing = order.purpose

    def _on_fill(self, fill: Fill) -> None:
        order_id = fill.client_order_id
        working = self._in_flight.get(order_id)
        if working is None:
            msg = f"fill of order {order_id}, which was never sent or had ended"
            raise OrderError(msg)
        working.fill(fill)
        self._ledger.apply(fill, working.order.purpose)
        self._trades.setdefault(order_id, []).append(fill.trade_id)
        self._remember(fill)

    def _on_outside_fill(self, fill: OutsideFill) -> None:
        position = self._ledger.positions.get(fill.symbol)
        is_closing = position is not None and position.side is not fill.side
        self._ledger.apply(fill, Purpose.OUTSIDE if is_closing else Purpose.ENTRY)
        self._remember(fill)

    def _remember(self, fill: Fill) -> None:
        if self._begun.is_remote:
            self._told.append((fill.received_ns, fill.symbol, int(fill.trade_id)))

    def _on_reconciled(self, now_ns: int) -> None:
        self._reconciled_ns = now_ns
        since_ns = now_ns - TRADES_REMEMBERED_NS
        self._told = [told for told in self._told if told[0] >= since_ns]
        self._booked = [told for told in self._booked if told[0] >= since_ns]

    def _recent_trades(self) -> dict[str, tuple[int, ...]]:
        by_symbol: dict[str, list[int]] = {}
        for _, symbol, trade_id in self._told:
            by_symbol.setdefault(symbol, []).append(trade_id)
        return {symbol: tuple(ids) for symbol, ids in by_symbol.items()}

    def _on_control(self, fact: Journalled) -> None:
        match fact:
            case KillTripped():
                self._killed = fact
            case KillReset(is_peak_rebased=is_rebased):
                self._killed = None
                if is_rebased:
                    self._ledger.curve.rebase_peak()
            case Reconciled(is_reconciled=True, received_ns=now_ns):
                self._on_reconciled(now_ns)
            case CommandHandled(verb=verb, is_accepted=True):
                self._is_paused = _PAUSES.get(verb, self._is_paused)
            case _:
                pass

    def opening(self) -> Opening:
        killed = self._killed
        recent_ns = self._now_ns - ORDER_RATE_WINDOW_NS
        return msgspec.structs.replace(
            self._ledger.opening(),
            sent_ns=tuple(ns for ns in self._sent_ns if ns > recent_ns),
            killed_ns=killed.received_ns if killed else None,
            kill_reason=killed.reason.value if killed else "",
            kill_detail=killed.detail if killed else "",
            is_paused=self._is_paused,
            lost_orders=tuple(
                LostOrder(
                    working.order,
                    working.filled,
                    tuple(self._trades.get(order_id, ())),
                )
                for order_id, working in self._in_flight.items()
            ),
            is_remote=self._begun.is_remote,
            capital=self._begun.capital,
            reconciled_ns=self._reconciled_ns,
            trade_ids=self._recent_trades(),
            booking_ids=tuple(name for _, name in self._booked if name),
        )
