"""Binance payloads to domain events: parsed once, here, and nowhere else.

Unknown fields are ignored, because the exchange adds some every year; wrong types and
malformed numbers are errors. Source: Binance USD-M "Websocket Market Streams", and the
REST order book for snapshots.
"""

import re
from collections.abc import Callable
from functools import lru_cache
from itertools import chain
from typing import Annotated

import msgspec

from flows.domain.errors import MalformedFrame
from flows.domain.event import (
    AccountOpening,
    BookTicker,
    ClockTick,
    Command,
    DepthAlarm,
    DepthDelta,
    DepthSnapshot,
    Event,
    ExecutionTold,
    InstrumentsTold,
    Levels,
    MarketTrade,
    OtherFrame,
    Outcome,
    VenueStatus,
    Verb,
)
from flows.domain.frame import RawFrame
from flows.domain.instrument import Instrument
from flows.domain.market import Market, market_of
from flows.domain.opening import Opening
from flows.domain.units import decimals_of, scaled

_KNOWN_UNUSED = frozenset(
    {
        "assetIndex",
        "avgPrice",
        "compositeIndex",
        "contractInfo",
        "depth10",
        "depth20",
        "depth5",
        "forceOrder",
        "indexPrice",
        "malformed",
        "markPrice",
        "miniTicker",
        "rpiDepth",
        "ticker",
        "tradingSession",
        "user",
    }
)
_KNOWN_UNUSED_BEGINNINGS = (
    "continuousKline_",
    "indexPriceKline_",
    "kline_",
    "markPriceKline_",
    "ticker_",
)
"""Stream kinds that are known and not needed here; some end in an interval."""

Count = Annotated[int, msgspec.Meta(ge=0, le=2**63 - 1)]
"""An id or a time: not negative, and within what every store can hold."""


class _Depth(msgspec.Struct, gc=False):
    s: str
    U: Count
    u: Count
    b: Levels
    a: Levels
    pu: Count | None = None
    st: int | None = None


class _Snapshot(msgspec.Struct, gc=False):
    lastUpdateId: Count  # noqa: N815 - the exchange's own name
    bids: Levels
    asks: Levels
    symbol: str | None = None
    """COIN-M only."""


class _BookTicker(msgspec.Struct, gc=False):
    s: str
    u: Count
    b: str
    B: str
    a: str
    A: str


class _Trade(msgspec.Struct, gc=False):
    s: str
    t: Count
    T: Count
    p: str
    q: str
    m: bool


class _AggregateTrade(msgspec.Struct, gc=False):
    s: str
    a: Count
    T: Count
    p: str
    q: str
    m: bool


class _Clock(msgspec.Struct, gc=False):
    skew_ms: int | None = None


class _Command(msgspec.Struct, gc=False):
    verb: Verb
    reason: str = ""
    operator: str = ""
    rebase_peak: bool = False


class _Alarm(msgspec.Struct, gc=False):
    symbols: tuple[str, ...]
    must_bridge: bool = False


class _VenueStatus(msgspec.Struct, gc=False):
    is_reconciled: bool
    is_lost: bool = False
    reason: str = ""
    rate_limited_until_ns: int = 0


_depth = msgspec.json.Decoder(_Depth)
_snapshot = msgspec.json.Decoder(_Snapshot)
_book_ticker = msgspec.json.Decoder(_BookTicker)
_trade = msgspec.json.Decoder(_Trade)
_aggregate_trade = msgspec.json.Decoder(_AggregateTrade)
_clock = msgspec.json.Decoder(_Clock)
_command = msgspec.json.Decoder(_Command)
_alarm = msgspec.json.Decoder(_Alarm)
_instruments = msgspec.json.Decoder(dict[str, Instrument])
_opening = msgspec.json.Decoder(Opening)
_outcome = msgspec.json.Decoder(Outcome)
_venue_status = msgspec.json.Decoder(_VenueStatus)


_NUMBER = r"[0-9]{1,99}+(?:\.[0-9]{1,99}+)?+"
_are_two_numbers = re.compile(f"{_NUMBER} {_NUMBER}").fullmatch
_are_numbers = re.compile(f"(?:{_NUMBER}(?: {_NUMBER})*+)?+").fullmatch
_are_four_numbers = re.compile(" ".join([_NUMBER] * 4)).fullmatch
"""One match instead of a call a number; what fails is looked at number by number."""


def decode(frame: RawFrame) -> Event:
    """The event in a raw frame.

    Raises MalformedFrame, with the frame's place, where the payload is not what its
    stream promises.
    """
    symbol, parse = _route(frame.stream)
    try:
        return parse(frame, symbol)
    except (msgspec.DecodeError, ValueError, RecursionError) as error:
        msg = f"{frame.place}: malformed {frame.stream} frame: {error}"
        raise MalformedFrame(msg) from error


_Parser = Callable[[RawFrame, str], Event]


@lru_cache(maxsize=8_192)
def _route(stream: str) -> tuple[str, _Parser]:
    """A stream's symbol (empty where the payload names it) and its parser."""
    if stream.startswith("!"):
        symbol, kind = "", stream[1:]
    else:
        symbol, _, kind = stream.partition("@")
    parser = _PARSERS.get(kind.partition("@")[0])
    return symbol.upper(), parser or _parse_other


def _parse_depth(frame: RawFrame, symbol: str) -> DepthDelta:
    wire = _depth.decode(frame.payload)
    market = market_of(wire.s, family=wire.st, previous_id=wire.pu)
    if wire.U > wire.u:
        msg = f"expected U <= u, was {wire.U} > {wire.u}"
        raise ValueError(msg)
    if wire.pu is None and market is not Market.SPOT:
        msg = f"expected the pu of a {market.value} event, was none"
        raise ValueError(msg)
    return DepthDelta(
        _agreed(symbol, wire.s),
        frame.received_ns,
        market,
        wire.U,
        wire.u,
        wire.pu,
        wire.b,
        wire.a,
        frame.stream,
    )


def _parse_snapshot(frame: RawFrame, symbol: str) -> DepthSnapshot:
    wire = _snapshot.decode(frame.payload)
    return DepthSnapshot(
        _agreed(symbol, symbol if wire.symbol is None else wire.symbol),
        frame.received_ns,
        wire.lastUpdateId,
        wire.bids,
        wire.asks,
    )


def _parse_book_ticker(frame: RawFrame, symbol: str) -> BookTicker:
    wire = _book_ticker.decode(frame.payload)
    if not _are_four_numbers(f"{wire.b} {wire.B} {wire.a} {wire.A}"):
        _check_numbers(wire.b, wire.B, wire.a, wire.A)
    return BookTicker(
        _agreed(symbol, wire.s),
        frame.received_ns,
        wire.u,
        wire.b,
        wire.B,
        wire.a,
        wire.A,
    )


def _parse_trade(frame: RawFrame, symbol: str) -> MarketTrade:
    wire = _trade.decode(frame.payload)
    return _market_trade(frame, symbol, wire, wire.t, is_aggregate=False)


def _parse_aggregate_trade(frame: RawFrame, symbol: str) -> MarketTrade:
    wire = _aggregate_trade.decode(frame.payload)
    return _market_trade(frame, symbol, wire, wire.a, is_aggregate=True)


def _market_trade(
    frame: RawFrame,
    symbol: str,
    wire: _Trade | _AggregateTrade,
    trade_id: int,
    *,
    is_aggregate: bool,
) -> MarketTrade:
    if not _are_two_numbers(f"{wire.p} {wire.q}"):
        _check_numbers(wire.p, wire.q)
    return MarketTrade(
        _agreed(symbol, wire.s),
        frame.received_ns,
        wire.T,
        trade_id,
        wire.p,
        wire.q,
        wire.m,
        is_aggregate,
    )


def _parse_clock(frame: RawFrame, _symbol: str) -> ClockTick:
    return ClockTick(frame.received_ns, _clock.decode(frame.payload).skew_ms)


def _parse_command(frame: RawFrame, _symbol: str) -> Command:
    wire = _command.decode(frame.payload)
    return Command(
        frame.received_ns, wire.verb, wire.reason, wire.operator, wire.rebase_peak
    )


def _parse_execution(frame: RawFrame, _symbol: str) -> ExecutionTold:
    return ExecutionTold(frame.received_ns, _outcome.decode(frame.payload))


def _parse_alarm(frame: RawFrame, _symbol: str) -> DepthAlarm:
    wire = _alarm.decode(frame.payload)
    return DepthAlarm(frame.received_ns, wire.symbols, wire.must_bridge)


def _parse_instruments(frame: RawFrame, _symbol: str) -> InstrumentsTold:
    instruments = _instruments.decode(frame.payload)
    for symbol, instrument in instruments.items():
        steps = instrument.tick_size, instrument.step_size
        if not all(step.is_finite() and step > 0 for step in steps):
            msg = f"expected a positive tick and step of {symbol}, was {instrument}"
            raise ValueError(msg)
    return InstrumentsTold(frame.received_ns, instruments)


def _parse_account(frame: RawFrame, _symbol: str) -> AccountOpening:
    return AccountOpening(frame.received_ns, _opening.decode(frame.payload))


def _parse_report(frame: RawFrame, _symbol: str) -> VenueStatus:
    wire = _venue_status.decode(frame.payload)
    return VenueStatus(
        frame.received_ns,
        wire.is_reconciled,
        wire.rate_limited_until_ns,
        wire.is_lost,
        wire.reason,
    )


def _parse_other(frame: RawFrame, symbol: str) -> OtherFrame:
    stream = frame.stream
    kind = stream if stream.startswith("!") else stream.partition("@")[2] or stream
    name = kind.removeprefix("!").partition("@")[0]
    is_known = name in _KNOWN_UNUSED or name.startswith(_KNOWN_UNUSED_BEGINNINGS)
    return OtherFrame(symbol, frame.received_ns, kind, is_known)


_PARSERS: dict[str, _Parser] = {
    "account": _parse_account,
    "aggTrade": _parse_aggregate_trade,
    "alarm": _parse_alarm,
    "bookTicker": _parse_book_ticker,
    "clock": _parse_clock,
    "command": _parse_command,
    "depth": _parse_depth,
    "execution": _parse_execution,
    "instruments": _parse_instruments,
    "report": _parse_report,
    "snapshot": _parse_snapshot,
    "trade": _parse_trade,
}


def _agreed(stream_symbol: str, payload_symbol: str) -> str:
    """The symbol of a frame whose stream name and payload must not differ."""
    if stream_symbol == payload_symbol and stream_symbol:
        return stream_symbol
    symbol = stream_symbol or payload_symbol
    if symbol and symbol in (payload_symbol, payload_symbol.upper()):
        return symbol
    msg = f"expected symbol {symbol or 'of any name'}, was {payload_symbol!r}"
    raise ValueError(msg)


def check_levels(levels: Levels) -> None:
    """Raise ValueError where a number of `levels` is no plain unsigned decimal."""
    texts = tuple(chain.from_iterable(levels))
    joined = " ".join(texts)
    if joined.count(" ") >= max(len(texts), 1) or not _are_numbers(joined):
        _check_numbers(*texts)


def _check_numbers(*texts: str) -> None:
    """Raise ValueError where one of `texts` is no plain unsigned decimal."""
    for text in texts:
        scaled(text, decimals_of(text))
