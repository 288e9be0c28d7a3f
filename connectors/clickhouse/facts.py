"""Tables, their columns, and each kind of journal entry as rows of them.

Pure: which table, which columns, which values. Decimals stay as they are.
"""

from functools import singledispatch
from typing import NamedTuple

from flows.domain.cash import CashMoved
from flows.domain.equity import EquityMarked
from flows.domain.kill import KillCompleted, KillReset, KillTripped
from flows.domain.order import Fill, Order, OrderReport, ProtectiveStop, Withdrawn
from flows.domain.position import PositionChanged, TradeClosed
from flows.domain.risk import Approved, Refused
from flows.domain.run import (
    AccountOpened,
    CommandHandled,
    Reconciled,
    RunEnded,
    RunStarted,
)
from flows.domain.signal import Signal
from flows.domain.suitability import Scanned
from flows.domain.symbol_book import BookStateChanged
from flows.domain.units import EXACT

PLACE = ("run_id", "sequence", "symbol", "received_at")
"""The first columns of every table; its block comes last."""

_JOURNAL = ("kind", "body")
_VIEW = (
    "update_id",
    "bid_prices",
    "bid_quantities",
    "ask_prices",
    "ask_quantities",
    "best_bid",
    "best_ask",
    "bid_volume",
    "ask_volume",
    "zone",
    "is_beyond_horizon",
)
_TRADE = (
    "exchange_at",
    "trade_id",
    "price",
    "quantity",
    "buyer_is_maker",
    "is_aggregate",
)
_SIGNAL = ("side", "update_id", "bid_volume", "ask_volume", "best_bid", "best_ask")
_DECISION = ("decision", "side", "reason", "value", "limit", "client_order_id")
_ORDER = (
    "client_order_id",
    "side",
    "order_type",
    "purpose",
    "quantity",
    "limit_price",
    "is_reduce_only",
    "notional",
)
_STOP = ("client_order_id", "side", "trigger_price", "status", "reason")
_REPORT = ("client_order_id", "status", "filled_quantity", "reason")
_FILL = (
    "client_order_id",
    "trade_id",
    "side",
    "price",
    "quantity",
    "notional",
    "fee",
    "is_maker",
)
_POSITION = (
    "direction",
    "quantity",
    "entry_quantity",
    "entry_notional",
    "exit_notional",
    "fees",
)
_TRADE_CLOSED = (
    "direction",
    "opened_at",
    "quantity",
    "entry_notional",
    "exit_notional",
    "gross",
    "fees",
    "net",
    "exit_purpose",
)
_CASH = ("reason", "amount", "booking_id", "detail")
_EQUITY = ("equity", "gross", "fees", "funding", "day_pnl", "drawdown")
_BOOK_STATE = ("before", "after", "update_id")
_RISK_EVENT = (
    "event",
    "verb",
    "reason",
    "operator",
    "is_accepted",
    "is_peak_rebased",
    "detail",
)
_SCAN = (
    "seconds",
    "synced_share",
    "updates_per_s",
    "mid",
    "tick_bps",
    "spread_bps",
    "spread_p90_bps",
    "depth_5bps",
    "depth_10bps",
    "is_depth_cut",
    "imbalance_p10",
    "imbalance_p50",
    "imbalance_p90",
    "buy_share",
    "sell_share",
    "signals_per_hour",
    "volatility_bps",
    "target_move_bps",
    "reach_share",
    "entry_notional",
    "fill_share",
    "impact_bps",
    "exit_impact_bps",
    "fee_bps",
    "fee_source",
    "cost_bps",
    "break_even_win_rate",
    "fee_win_rate",
    "verdict",
)
"""Columns named like the fields of `Scanned`."""
_RUN_EVENT = ("event", "mode", "inputs", "settings", "equity", "max_drawdown")

COLUMNS: dict[str, tuple[str, ...]] = {
    "journal": PLACE + _JOURNAL,
    "book_views": PLACE + _VIEW,
    "market_trades": PLACE + _TRADE,
    "signals": PLACE + _SIGNAL,
    "decisions": PLACE + _DECISION,
    "orders": PLACE + _ORDER,
    "protective_stops": PLACE + _STOP,
    "order_reports": PLACE + _REPORT,
    "fills": PLACE + _FILL,
    "cash_movements": PLACE + _CASH,
    "positions": PLACE + _POSITION,
    "trades_closed": PLACE + _TRADE_CLOSED,
    "equity": PLACE + _EQUITY,
    "book_states": PLACE + _BOOK_STATE,
    "risk_events": PLACE + _RISK_EVENT,
    "run_events": PLACE + _RUN_EVENT,
    "scans": PLACE + _SCAN + ("reasons",),
}
"""The columns that are filled, by table, in the order of the rows made here."""


Values = tuple[object, ...]


class TableRow(NamedTuple):
    """A row and where it belongs."""

    table: str
    values: Values


@singledispatch
def fact_rows(fact: object) -> list[TableRow]:
    """The typed rows of a fact, without the columns of `PLACE`."""
    msg = f"No table for {type(fact).__name__}"
    raise TypeError(msg)


@fact_rows.register
def _(fact: Signal) -> list[TableRow]:
    volumes = (fact.bid_volume, fact.ask_volume, fact.best_bid, fact.best_ask)
    return [TableRow("signals", (fact.side.value, fact.update_id, *volumes))]


@fact_rows.register
def _(fact: Refused) -> list[TableRow]:
    numbers = (fact.reason.value, fact.value, fact.limit)
    return [TableRow("decisions", ("refused", fact.side.value, *numbers, ""))]


@fact_rows.register
def _(fact: Approved) -> list[TableRow]:
    order = fact.order
    decision = ("approved", order.side.value, "", None, None, order.client_order_id)
    return [TableRow("decisions", decision), TableRow("orders", _order(order))]


def _order(order: Order) -> Values:
    return (
        order.client_order_id,
        order.side.value,
        order.order_type.value,
        order.purpose.value,
        order.quantity,
        order.limit_price,
        order.is_reduce_only,
        order.notional,
    )


@fact_rows.register
def _(fact: ProtectiveStop) -> list[TableRow]:
    terms = (fact.client_order_id, fact.side.value, fact.trigger_price)
    return [TableRow("protective_stops", (*terms, fact.status.value, fact.reason))]


@fact_rows.register
def _(fact: OrderReport) -> list[TableRow]:
    status = (fact.client_order_id, fact.status.value)
    return [TableRow("order_reports", (*status, fact.filled_quantity, fact.reason))]


@fact_rows.register
def _(_fact: Withdrawn) -> list[TableRow]:
    return []  # the journal table holds it whole


@fact_rows.register
def _(fact: Fill) -> list[TableRow]:
    row = (
        fact.client_order_id,
        fact.trade_id,
        fact.side.value,
        fact.price,
        fact.quantity,
        EXACT.multiply(fact.price, fact.quantity),
        fact.fee,
        fact.is_maker,
    )
    return [TableRow("fills", row)]


@fact_rows.register
def _(fact: PositionChanged) -> list[TableRow]:
    row = (
        fact.direction.value,
        fact.quantity,
        fact.entry_quantity,
        fact.entry_notional,
        fact.exit_notional,
        fact.fees,
    )
    return [TableRow("positions", row)]


@fact_rows.register
def _(fact: TradeClosed) -> list[TableRow]:
    row = (
        fact.direction.value,
        fact.opened_ns,
        fact.quantity,
        fact.entry_notional,
        fact.exit_notional,
        fact.gross,
        fact.fees,
        fact.net,
        fact.exit_purpose.value,
    )
    return [TableRow("trades_closed", row)]


@fact_rows.register
def _(fact: EquityMarked) -> list[TableRow]:
    worth = (fact.equity, fact.gross, fact.fees, fact.funding)
    return [TableRow("equity", (*worth, fact.day_pnl, fact.drawdown))]


@fact_rows.register
def _(fact: CashMoved) -> list[TableRow]:
    row = (fact.reason.value, fact.amount, fact.booking_id, fact.detail)
    return [TableRow("cash_movements", row)]


@fact_rows.register
def _(fact: BookStateChanged) -> list[TableRow]:
    row = (fact.before.value, fact.after.value, fact.update_id)
    return [TableRow("book_states", row)]


@fact_rows.register
def _(fact: Scanned) -> list[TableRow]:
    measured = tuple(getattr(fact, name) for name in _SCAN)
    return [TableRow("scans", (*measured, "; ".join(fact.reasons)))]


@fact_rows.register
def _(_fact: AccountOpened) -> list[TableRow]:
    return []  # the journal table holds it whole


@fact_rows.register
def _(fact: CommandHandled) -> list[TableRow]:
    said = (fact.verb.value, fact.reason, fact.operator)
    done = (fact.is_accepted, False, fact.detail)
    return [TableRow("risk_events", ("command_handled", *said, *done))]


@fact_rows.register
def _(fact: Reconciled) -> list[TableRow]:
    row = ("reconciled", "", fact.reason, "", fact.is_reconciled, False, "")
    return [TableRow("risk_events", row)]


@fact_rows.register
def _(fact: KillTripped) -> list[TableRow]:
    row = ("kill_tripped", "", fact.reason.value, "", True, False, fact.detail)
    return [TableRow("risk_events", row)]


@fact_rows.register
def _(fact: KillCompleted) -> list[TableRow]:
    detail = f"flat after {fact.after_ns} ns"
    row = ("kill_completed", "", "", "", True, False, detail)
    return [TableRow("risk_events", row)]


@fact_rows.register
def _(fact: KillReset) -> list[TableRow]:
    said = ("", fact.reason, fact.operator)
    return [
        TableRow("risk_events", ("kill_reset", *said, True, fact.is_peak_rebased, ""))
    ]


@fact_rows.register
def _(fact: RunStarted) -> list[TableRow]:
    row: Values = ("started", fact.mode, fact.inputs, fact.settings, None, None)
    return [TableRow("run_events", row)]


@fact_rows.register
def _(fact: RunEnded) -> list[TableRow]:
    row: Values = ("ended", "", {}, {}, fact.equity, fact.max_drawdown)
    return [TableRow("run_events", row)]
