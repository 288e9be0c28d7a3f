"""The CSV files of a run: signals, orders, fills and trades, row by row."""

from collections.abc import Iterator
from decimal import Decimal

from flows.domain.units import plain
from flows.report.tally import Tally

SIGNALS = (
    "received_ns",
    "symbol",
    "side",
    "update_id",
    "bid_volume",
    "ask_volume",
    "best_bid",
    "best_ask",
)
ORDERS = (
    "received_ns",
    "symbol",
    "client_order_id",
    "side",
    "type",
    "purpose",
    "quantity",
    "limit_price",
    "reduce_only",
    "status",
    "filled_quantity",
)
FILLS = (
    "received_ns",
    "symbol",
    "client_order_id",
    "trade_id",
    "side",
    "price",
    "quantity",
    "fee",
    "is_maker",
)
TRADES = (
    "opened_ns",
    "closed_ns",
    "symbol",
    "direction",
    "quantity",
    "entry_notional",
    "exit_notional",
    "gross",
    "fees",
    "net",
    "exit_purpose",
)


def signal_rows(tally: Tally) -> Iterator[tuple[object, ...]]:
    """Rows of signals.csv, see `SIGNALS`."""
    for s in tally.signals:
        yield (
            s.received_ns,
            s.symbol,
            s.side.value,
            s.update_id,
            plain(s.bid_volume),
            plain(s.ask_volume),
            _optional(s.best_bid),
            _optional(s.best_ask),
        )


def order_rows(tally: Tally) -> Iterator[tuple[object, ...]]:
    """Rows of orders.csv, see `ORDERS`."""
    for line in tally.orders.values():
        o = line.order
        yield (
            o.received_ns,
            o.symbol,
            o.client_order_id,
            o.side.value,
            o.order_type.value,
            o.purpose.value,
            plain(o.quantity),
            _optional(o.limit_price),
            o.is_reduce_only,
            line.status.value,
            plain(line.filled),
        )


def fill_rows(tally: Tally) -> Iterator[tuple[object, ...]]:
    """Rows of fills.csv, see `FILLS`."""
    for f in tally.fills:
        yield (
            f.received_ns,
            f.symbol,
            f.client_order_id,
            f.trade_id,
            f.side.value,
            plain(f.price),
            plain(f.quantity),
            plain(f.fee),
            f.is_maker,
        )


def trade_rows(tally: Tally) -> Iterator[tuple[object, ...]]:
    """Rows of trades.csv, see `TRADES`."""
    for t in tally.trades:
        yield (
            t.opened_ns,
            t.received_ns,
            t.symbol,
            t.direction.value,
            plain(t.quantity),
            plain(t.entry_notional),
            plain(t.exit_notional),
            plain(t.gross),
            plain(t.fees),
            plain(t.net),
            t.exit_purpose.value,
        )


def _optional(value: Decimal | None) -> str:
    return "" if value is None else plain(value)


CSV_FILES = (
    ("signals.csv", SIGNALS, signal_rows),
    ("orders.csv", ORDERS, order_rows),
    ("fills.csv", FILLS, fill_rows),
    ("trades.csv", TRADES, trade_rows),
)
"""Name, header and rows of each CSV file of a run."""
