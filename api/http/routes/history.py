"""What has been: trades, equity and P&L, from the archive."""

from collections.abc import Sequence
from decimal import Decimal
from typing import Annotated, Any

from fastapi import APIRouter, Query, Response

from api.http.link import Json
from api.http.routes.common import DeskOf, Viewer, as_json
from flows.domain.units import plain

router = APIRouter(prefix="/history", tags=["history"])

Symbol = Annotated[str, Query(pattern="^[A-Z0-9_]{0,40}$")]
_NS = 1_000_000_000

_TRADE = (
    "run_id",
    "symbol",
    "direction",
    "opened_ns",
    "closed_ns",
    "quantity",
    "entry_notional",
    "exit_notional",
    "gross",
    "fees",
    "net",
    "exit_purpose",
)
_POINT = ("at_s", "equity", "day_pnl", "drawdown")
_DAY = ("day", "symbol", "trades", "wins", "gross", "fees", "net")
_TRADES = """
SELECT run_id, symbol, direction, toUnixTimestamp64Nano(opened_at) AS opened_ns,
    toUnixTimestamp64Nano(received_at) AS closed_ns, quantity, entry_notional,
    exit_notional, gross, fees, net, exit_purpose
FROM trades_closed
WHERE ({symbol:String} = '' OR symbol = {symbol:String})
    AND received_at < fromUnixTimestamp64Nano({before_ns:Int64})
ORDER BY received_at DESC, run_id DESC, sequence DESC
LIMIT {limit:UInt32}
"""
_EQUITY = """
SELECT toUnixTimestamp(bucket) AS at_s, argMax(equity, place) AS equity,
    argMax(day_pnl, place) AS day_pnl, max(drawdown) AS drawdown
FROM (
    SELECT toStartOfInterval(toDateTime(received_at), toIntervalSecond({step_s:UInt32}))
        AS bucket, equity, day_pnl, drawdown, (received_at, run_id, sequence) AS place
    FROM equity
    WHERE received_at >= fromUnixTimestamp64Nano({since_ns:Int64})
)
GROUP BY bucket
ORDER BY bucket
LIMIT 10000
"""
_DAILY = """
SELECT toString(toDate(bucket)) AS day, symbol, sum(trades) AS trades,
    sum(wins) AS wins, sum(gross) AS gross, sum(fees) AS fees, sum(net) AS net
FROM pnl_1m
GROUP BY day, symbol
ORDER BY day DESC, symbol
LIMIT 10000
"""


@router.get("/trades")
def trades(
    _caller: Viewer,
    desk: DeskOf,
    symbol: Symbol = "",
    before_ns: Annotated[int, Query(ge=0, lt=1 << 63)] = (1 << 63) - 1,
    limit: Annotated[int, Query(ge=1, le=10_000)] = 100,
) -> Response:
    """Round trips from flat to flat, newest first; `before_ns` turns the page."""
    asked = {"symbol": symbol, "before_ns": before_ns, "limit": limit}
    return as_json(_rows(desk.history.query(_TRADES, asked), _TRADE))


@router.get("/equity")
def equity(
    _caller: Viewer,
    desk: DeskOf,
    since_s: Annotated[int, Query(ge=0, lt=1 << 32)] = 0,
    step_s: Annotated[int, Query(ge=1, le=86_400)] = 60,
) -> Response:
    """The last equity of each interval, its day's P&L, and its deepest drawdown."""
    asked = {"since_ns": since_s * _NS, "step_s": step_s}
    return as_json(_rows(desk.history.query(_EQUITY, asked), _POINT))


@router.get("/daily")
def daily(_caller: Viewer, desk: DeskOf) -> Response:
    """Trades and P&L by day (UTC) and symbol, newest day first."""
    return as_json(_rows(desk.history.query(_DAILY), _DAY))


def _rows(rows: list[tuple[Any, ...]], names: Sequence[str]) -> list[Json]:
    return [dict(zip(names, map(_plain, row), strict=True)) for row in rows]


def _plain(value: object) -> object:
    """Money as everywhere: text without an exponent, and no more digits than it has."""
    if not isinstance(value, Decimal):
        return value
    text = plain(value)
    return text.rstrip("0").rstrip(".") if "." in text else text
