"""ClickHouse, embedded or a server: client, schema, rows and exactly-once blocks."""

from connectors.clickhouse.blocks import (
    BlockSink,
    BlockWriter,
    CaughtUp,
    Item,
    Loaded,
)
from connectors.clickhouse.client import ClickHouse, NotExact
from connectors.clickhouse.facts import TableRow
from connectors.clickhouse.ledger import Ledger
from connectors.clickhouse.rows import (
    JournalRows,
    Numbered,
    TradeRows,
    ViewRows,
    trade_row,
    view_row,
)
from connectors.clickhouse.server import READER, QueryServer, reader_token

__all__ = [
    "READER",
    "BlockSink",
    "BlockWriter",
    "CaughtUp",
    "ClickHouse",
    "Item",
    "JournalRows",
    "Ledger",
    "Loaded",
    "NotExact",
    "Numbered",
    "QueryServer",
    "TableRow",
    "TradeRows",
    "ViewRows",
    "reader_token",
    "trade_row",
    "view_row",
]
