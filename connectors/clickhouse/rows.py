"""Facts, views and trades as rows of ClickHouse tables.

Pure: which table, which columns, which values. Decimals stay exact; those of a view
stay integers with their number of decimals.
"""

from collections.abc import Callable, Iterator, Sequence
from decimal import Decimal
from functools import singledispatch
from typing import NamedTuple, Protocol

import msgspec

from flows.domain.equity import EquityMarked
from flows.domain.errors import MalformedFrame, StoreError
from flows.domain.event import Event, MarketTrade
from flows.domain.frame import RawFrame
from flows.domain.imbalance import Imbalance
from flows.domain.kill import KillReset, KillTripped
from flows.domain.order import Fill, Order, OrderReport
from flows.domain.position import PositionChanged, TradeClosed
from flows.domain.risk import Approved, Refused
from flows.domain.run import CommandHandled, Journalled, RunEnded, RunStarted
from flows.domain.signal import Signal
from flows.domain.symbol_book import BookStateChanged
from flows.domain.units import EXACT, decimals_of, plain, scaled, unscaled
from flows.domain.view import TickLevel

PLACE = ("run_id", "sequence", "symbol", "received_at")
"""The first columns of every table but the ledger's."""

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
_EQUITY = ("equity", "gross", "fees", "day_pnl", "drawdown")
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
_RUN_EVENT = ("event", "mode", "inputs", "settings", "equity", "max_drawdown")

COLUMNS: dict[str, tuple[str, ...]] = {
    "journal": PLACE + _JOURNAL,
    "book_views": PLACE + _VIEW,
    "market_trades": PLACE + _TRADE,
    "signals": PLACE + _SIGNAL,
    "decisions": PLACE + _DECISION,
    "orders": PLACE + _ORDER,
    "order_reports": PLACE + _REPORT,
    "fills": PLACE + _FILL,
    "positions": PLACE + _POSITION,
    "trades_closed": PLACE + _TRADE_CLOSED,
    "equity": PLACE + _EQUITY,
    "book_states": PLACE + _BOOK_STATE,
    "risk_events": PLACE + _RISK_EVENT,
    "run_events": PLACE + _RUN_EVENT,
}
"""The columns that are filled, by table, in the order of the rows made here."""

_decode = msgspec.json.Decoder(Journalled).decode
_TRADE_STREAMS = frozenset({"trade", "aggtrade"})
_KINDS = frozenset(str(c.__struct_config__.tag) for c in Journalled.__args__)

Values = tuple[object, ...]


class TableRow(NamedTuple):
    """A row and where it belongs."""

    table: str
    values: Values


class Numbered(NamedTuple):
    """The rows of one item of a source, with its number there."""

    source: str
    number: int
    """Counts from 0 without a hole."""
    received_ns: int
    rows: tuple[TableRow, ...]


class JournalRow(Protocol):
    """A journal entry as stored."""

    @property
    def sequence(self) -> int:
        """Its place in the run."""

    @property
    def received_ns(self) -> int:
        """Its time."""

    @property
    def kind(self) -> str:
        """The kind of its fact."""

    @property
    def symbol(self) -> str:
        """Its symbol."""

    @property
    def body(self) -> bytes:
        """Its fact as JSON."""


class JournalRows:
    """Journal entries to rows: verbatim and, where their kind is known, typed."""

    def __init__(self, run_id: str) -> None:
        self._run_id = run_id

    def __call__(self, entry: JournalRow) -> Numbered:
        """Raises StoreError where the body of a known kind cannot be read."""
        place = (self._run_id, entry.sequence, entry.symbol, entry.received_ns)
        verbatim = (*place, entry.kind, entry.body.decode())
        rows = [TableRow("journal", verbatim)]
        if entry.kind in _KINDS:
            try:
                typed = fact_rows(_decode(entry.body))
            except msgspec.DecodeError as error:
                msg = (
                    f"run {self._run_id}: journal entry {entry.sequence} "
                    f"({entry.kind}) cannot be read: {error}"
                )
                raise StoreError(msg) from error
            rows += [TableRow(table, place + rest) for table, rest in typed]
        return Numbered("journal", entry.sequence, entry.received_ns, tuple(rows))


class ViewRows:
    """Book views to rows; counts the views of the run."""

    def __init__(self, run_id: str) -> None:
        self._run_id = run_id
        self._count = 0

    def __call__(self, updates: Sequence[object]) -> Iterator[Numbered]:
        """Rows of the views among `updates`."""
        for update in updates:
            if isinstance(update, Imbalance):
                yield _view_row(self._run_id, self._count, update)
                self._count += 1


class TradeRows:
    """Frames to rows of public trades; counts the trades of the run."""

    def __init__(self, run_id: str, decode: Callable[[RawFrame], Event]) -> None:
        self._run_id = run_id
        self._decode = decode
        self._count = 0

    def __call__(self, frames: Sequence[RawFrame]) -> Iterator[Numbered]:
        """Rows of the trades among `frames`. Raises MalformedFrame."""
        for frame in frames:
            if frame.stream.partition("@")[2].lower() not in _TRADE_STREAMS:
                continue
            trade = self._decode(frame)
            if isinstance(trade, MarketTrade):
                try:
                    yield _trade_row(self._run_id, self._count, trade)
                except ValueError as error:
                    msg = f"{frame.place}: malformed {frame.stream} frame: {error}"
                    raise MalformedFrame(msg) from error
                self._count += 1


def _view_row(run_id: str, number: int, imbalance: Imbalance) -> Numbered:
    view = imbalance.view
    prices, quantities = view.price_decimals, view.quantity_decimals
    row = (
        run_id,
        number,
        view.symbol,
        view.received_ns,
        view.update_id,
        (tuple(price for price, _ in view.bids), prices),
        (tuple(quantity for _, quantity in view.bids), quantities),
        (tuple(price for price, _ in view.asks), prices),
        (tuple(quantity for _, quantity in view.asks), quantities),
        _best(view.bids, prices),
        _best(view.asks, prices),
        (view.bid_lots, quantities),
        (view.ask_lots, quantities),
        imbalance.zone.value,
        view.is_beyond_horizon,
    )
    return Numbered("views", number, view.received_ns, (TableRow("book_views", row),))


def _best(levels: Sequence[TickLevel], decimals: int) -> tuple[int, int] | None:
    return (levels[0][0], decimals) if levels else None


def _trade_row(run_id: str, number: int, trade: MarketTrade) -> Numbered:
    row = (
        run_id,
        number,
        trade.symbol,
        trade.received_ns,
        trade.exchange_ms,
        trade.trade_id,
        _number(trade.price),
        _number(trade.quantity),
        trade.buyer_is_maker,
        trade.is_aggregate,
    )
    place = TableRow("market_trades", row)
    return Numbered("trades", number, trade.received_ns, (place,))


def _number(text: str) -> tuple[int, int]:
    decimals = decimals_of(text)
    return scaled(text, decimals), decimals


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
def _(fact: OrderReport) -> list[TableRow]:
    status = (fact.client_order_id, fact.status.value)
    return [TableRow("order_reports", (*status, fact.filled_quantity, fact.reason))]


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
    row = (fact.equity, fact.gross, fact.fees, fact.day_pnl, fact.drawdown)
    return [TableRow("equity", row)]


@fact_rows.register
def _(fact: BookStateChanged) -> list[TableRow]:
    row = (fact.before.value, fact.after.value, fact.update_id)
    return [TableRow("book_states", row)]


@fact_rows.register
def _(fact: CommandHandled) -> list[TableRow]:
    said = (fact.verb.value, fact.reason, fact.operator)
    done = (fact.is_accepted, False, fact.detail)
    return [TableRow("risk_events", ("command_handled", *said, *done))]


@fact_rows.register
def _(fact: KillTripped) -> list[TableRow]:
    row = ("kill_tripped", "", fact.reason.value, "", True, False, fact.detail)
    return [TableRow("risk_events", row)]


@fact_rows.register
def _(fact: KillReset) -> list[TableRow]:
    said = ("", fact.reason, fact.operator)
    return [
        TableRow("risk_events", ("kill_reset", *said, True, fact.is_peak_rebased, ""))
    ]


@fact_rows.register
def _(fact: RunStarted) -> list[TableRow]:
    row = ("started", fact.mode, fact.inputs, fact.settings, None, None)
    return [TableRow("run_events", row)]


@fact_rows.register
def _(fact: RunEnded) -> list[TableRow]:
    row = ("ended", "", {}, {}, fact.equity, fact.max_drawdown)
    return [TableRow("run_events", row)]


def verbatim(columns: Sequence[str], values: Sequence[object]) -> str:
    """A row as JSON in which every number is its own exact text."""
    row = {name: _text(v) for name, v in zip(columns, values, strict=True)}
    return msgspec.json.encode(row).decode()


def _text(value: object) -> object:
    match value:
        case Decimal():
            return plain(value) if value.is_finite() else str(value)
        case (int() as integer, int() as decimals):
            return plain(unscaled(integer, decimals))
        case ((*integers,), int() as decimals):
            return [plain(unscaled(i, decimals)) for i in integers]
        case bool() | None | dict():
            return value
        case _:
            return str(value)
