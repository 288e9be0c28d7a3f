"""What has been: trades, equity and P&L, from the archive."""

from decimal import Decimal
from typing import Annotated, Any, TypeVar

import msgspec
from fastapi import APIRouter, Query, Response

from api.http.journal import last_run
from api.http.routes.common import DeskOf, Symbol, Viewer, as_json
from api.http.schema import answers
from flows.domain.evidence import Band, TradeSums, estimate, weigh
from flows.domain.units import plain
from flows.settings import load_kept

router = APIRouter(prefix="/history", tags=["history"])

X = TypeVar("X")
_NS = 1_000_000_000
_MINUTE_S = 60


class TradeTold(msgspec.Struct):
    """A round trip from flat to flat."""

    run_id: str
    symbol: str
    direction: str
    opened_ns: int
    closed_ns: int
    quantity: str
    entry_notional: str
    exit_notional: str
    gross: str
    fees: str
    net: str
    exit_purpose: str


class PointTold(msgspec.Struct):
    """The account at the end of an interval, which began at `at_s`."""

    at_s: int
    equity: str
    day_pnl: str
    drawdown: str
    """The deepest of the interval."""


class BarTold(msgspec.Struct):
    """The middle between the best prices over an interval, which began at `at_s`."""

    at_s: int
    open: str
    high: str
    low: str
    close: str


class DayTold(msgspec.Struct):
    """A day (UTC) of a symbol."""

    day: str
    symbol: str
    trades: int
    wins: int
    gross: str
    fees: str
    net: str


class BandTold(msgspec.Struct):
    """Both ends of a 95 % band."""

    low: str
    high: str


class EvidenceTold(msgspec.Struct):
    """What the closed trades prove after fees, and what they do not.

    Shares are from 0 to 1; null is what is not defined.
    """

    trades: int
    wins: int
    """Trades with a net gain."""
    gross: str
    fees: str
    net: str
    win_rate: str | None
    win_rate_band: BandTold | None
    break_even_win_rate: str
    """At which target and stop pay for the fees that were paid."""
    profit_factor: str | None
    mean_net: str | None
    mean_net_band: BandTold | None
    verdict: str


_TRADE = TradeTold(
    run_id="20260101T000000000-a1b2c3d4",
    symbol="BTCUSDT",
    direction="LONG",
    opened_ns=1_767_225_600_000_000_000,
    closed_ns=1_767_225_631_000_000_000,
    quantity="0.016",
    entry_notional="990.1",
    exit_notional="992.1",
    gross="2",
    fees="0.9911",
    net="1.0089",
    exit_purpose="target",
)
_EVIDENCE = EvidenceTold(
    trades=4,
    wins=1,
    gross="-3.9",
    fees="3.96",
    net="-7.86",
    win_rate="0.25000000",
    win_rate_band=BandTold("0.04558726", "0.69935821"),
    break_even_win_rate="0.71428571",
    profit_factor="0.11372252",
    mean_net="-1.96500000",
    mean_net_band=BandTold("-4.02", "0.09"),
    verdict="Too few trades to tell: 4 of the 30 that a judgement needs.",
)
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
_SUMS = """
SELECT count(), countIf(net > 0), sumIf(net, net > 0), -sumIf(net, net < 0),
    sum(net * net), sum(fees), sum(entry_notional), sum(gross)
FROM trades_closed
WHERE ({symbol:String} = '' OR symbol = {symbol:String})
    AND received_at >= fromUnixTimestamp64Nano({since_ns:Int64})
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
ORDER BY bucket DESC
LIMIT 10000
"""
_BARS = """
SELECT toUnixTimestamp(bar) AS at_s, argMin(open, bucket) AS open, max(high) AS high,
    min(low) AS low, argMax(close, bucket) AS close
FROM (
    SELECT bucket, open, high, low, close,
        toStartOfInterval(bucket, toIntervalSecond({step_s:UInt32})) AS bar
    FROM {table:Identifier}
    WHERE symbol = {symbol:String} AND bucket >= toDateTime({since_s:UInt32}, 'UTC')
)
GROUP BY bar
ORDER BY bar DESC
LIMIT {limit:UInt32}
"""
_DAILY = """
SELECT toString(toDate(bucket)) AS day, symbol, sum(trades) AS trades,
    sum(wins) AS wins, sum(gross) AS gross, sum(fees) AS fees, sum(net) AS net
FROM pnl_1m
GROUP BY day, symbol
ORDER BY day DESC, symbol
LIMIT 10000
"""


@router.get("/trades", responses=answers(list[TradeTold], example=[_TRADE]))
def trades(
    _caller: Viewer,
    desk: DeskOf,
    symbol: Symbol = "",
    before_ns: Annotated[int, Query(ge=0, lt=1 << 63)] = (1 << 63) - 1,
    limit: Annotated[int, Query(ge=1, le=10_000)] = 100,
) -> Response:
    """Round trips from flat to flat, newest first; `before_ns` turns the page."""
    asked = {"symbol": symbol, "before_ns": before_ns, "limit": limit}
    return as_json(_rows(desk.history.query(_TRADES, asked), TradeTold))


@router.get("/equity", responses=answers(list[PointTold]))
def equity(
    _caller: Viewer,
    desk: DeskOf,
    since_s: Annotated[int, Query(ge=0, lt=1 << 32)] = 0,
    step_s: Annotated[int, Query(ge=1, le=86_400)] = 60,
) -> Response:
    """The last equity of each interval, its day's P&L, and its deepest drawdown.

    Oldest first, and at most the newest 10,000.
    """
    asked = {"since_ns": since_s * _NS, "step_s": step_s}
    return as_json(_rows(desk.history.query(_EQUITY, asked)[::-1], PointTold))


@router.get("/bars", responses=answers(list[BarTold]))
def bars(
    _caller: Viewer,
    desk: DeskOf,
    symbol: Annotated[str, Query(pattern="^[A-Z0-9_]{1,40}$")],
    since_s: Annotated[int, Query(ge=0, lt=1 << 32)] = 0,
    step_s: Annotated[int, Query(ge=1, le=86_400)] = 1,
    limit: Annotated[int, Query(ge=1, le=10_000)] = 600,
) -> Response:
    """Open, high, low and close of the middle between the best prices, oldest first.

    There are at most `limit` bars, the newest.
    """
    asked = {"symbol": symbol, "since_s": since_s, "step_s": step_s, "limit": limit}
    asked["table"] = "book_bars_1s" if step_s % _MINUTE_S else "book_bars_1m"
    return as_json(_rows(desk.history.query(_BARS, asked)[::-1], BarTold))


@router.get("/daily", responses=answers(list[DayTold]))
def daily(_caller: Viewer, desk: DeskOf) -> Response:
    """Trades and P&L by day (UTC) and symbol, newest day first."""
    return as_json(_rows(desk.history.query(_DAILY), DayTold))


@router.get("/evidence", responses=answers(EvidenceTold, example=_EVIDENCE))
def evidence(
    _caller: Viewer,
    desk: DeskOf,
    symbol: Symbol = "",
    since_s: Annotated[int, Query(ge=0, lt=1 << 32)] = 0,
) -> Response:
    """Whether closed trades show an edge after fees, with the bands of the figures."""
    asked = {"symbol": symbol, "since_ns": since_s * _NS}
    [(*summed, gross)] = desk.history.query(_SUMS, asked)
    run = last_run(desk.data)
    sums, settings = TradeSums(*summed), load_kept(run["settings"] if run else {})
    found = weigh(
        sums,
        target_bps=settings.target_bps,
        stop_bps=settings.stop_bps,
        round_trip_fee_bps=2 * settings.taker_fee_bps,
    )
    told = EvidenceTold(
        trades=found.trades,
        wins=found.wins,
        gross=_money(gross),
        fees=_money(sums.fees),
        net=_money(sums.net),
        win_rate=_known(found.win_rate),
        win_rate_band=_band(found.win_rate_band),
        break_even_win_rate=estimate(found.break_even_win_rate),
        profit_factor=_known(found.profit_factor),
        mean_net=_known(found.mean_net),
        mean_net_band=_band(found.mean_net_band),
        verdict=found.verdict,
    )
    return as_json(told)


def _known(value: Decimal | None) -> str | None:
    return None if value is None else estimate(value)


def _band(band: Band | None) -> BandTold | None:
    return None if band is None else BandTold(*map(estimate, band))


def _rows(rows: list[tuple[Any, ...]], kind: type[X]) -> list[X]:
    return [kind(*map(_plain, row)) for row in rows]


def _plain(value: object) -> object:
    return _money(value) if isinstance(value, Decimal) else value


def _money(value: Decimal) -> str:
    """As everywhere: text without an exponent, and no more digits than it has."""
    text = plain(value)
    return text.rstrip("0").rstrip(".") if "." in text else text
