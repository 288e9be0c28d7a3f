"""What a report needs of a journal, gathered in one pass."""

from collections import Counter
from decimal import Decimal

import msgspec

from flows.domain.equity import EquityMarked
from flows.domain.kill import KillTripped
from flows.domain.order import Fill, Order, OrderReport, OrderStatus
from flows.domain.position import Direction, PositionChanged, TradeClosed
from flows.domain.risk import Approved, Refused
from flows.domain.run import JournalEntry, RunEnded
from flows.domain.signal import Signal


class OrderLine(msgspec.Struct):
    """An order and how it ended."""

    order: Order
    status: OrderStatus = OrderStatus.NEW
    filled: Decimal = Decimal(0)


class Tally:
    """Reads journal entries in order and keeps what a report needs."""

    def __init__(self) -> None:
        self.signals: list[Signal] = []
        self.orders: dict[str, OrderLine] = {}
        self.fills: list[Fill] = []
        self.trades: list[TradeClosed] = []
        self.refused: Counter[str] = Counter()
        self.kill: KillTripped | None = None
        self.equity: EquityMarked | None = None
        self.ended: RunEnded | None = None
        self.open: dict[str, PositionChanged] = {}

    def add(self, entry: JournalEntry) -> None:
        """Take one entry."""
        match entry.fact:
            case Signal() as signal:
                self.signals.append(signal)
            case Refused() as refused:
                self.refused[refused.reason.value] += 1
            case Approved() as approved:
                order = approved.order
                self.orders[order.client_order_id] = OrderLine(order)
            case OrderReport() as report:
                self._add_report(report)
            case Fill() as fill:
                self.fills.append(fill)
            case TradeClosed() as trade:
                self.trades.append(trade)
            case _:
                self._add_state(entry)

    def _add_report(self, report: OrderReport) -> None:
        line = self.orders.get(report.client_order_id)
        if line is not None:  # else it is the end of an order of an earlier run
            line.status, line.filled = report.status, report.filled_quantity

    def _add_state(self, entry: JournalEntry) -> None:
        match entry.fact:
            case PositionChanged() as position:
                self.open[position.symbol] = position
                if position.direction is Direction.FLAT:
                    del self.open[position.symbol]
            case EquityMarked() as equity:
                self.equity = equity
            case KillTripped() as kill:
                self.kill = self.kill or kill
            case RunEnded() as ended:
                self.ended = ended
            case _:
                pass
