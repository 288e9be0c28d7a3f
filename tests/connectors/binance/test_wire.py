"""Payloads become events once, here; what is not as promised says where it stands."""

import json
from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from connectors.binance.wire import decode
from flows.domain.errors import MalformedFrame
from flows.domain.event import (
    BookTicker,
    ClockTick,
    Command,
    DepthDelta,
    DepthSnapshot,
    MarketTrade,
    OtherFrame,
    VenueStatus,
    Verb,
)
from flows.domain.frame import RawFrame
from flows.domain.market import Market
from tests.recordings import recorded

Payload = dict[str, Any]

DEPTH: Payload = {
    "e": "depthUpdate",
    "E": 1790526539087,
    "T": 1790526539086,
    "s": "BTCUSDT",
    "ps": "BTCUSDT",
    "U": 11671659688131,
    "u": 11671659693014,
    "pu": 11671659687966,
    "b": [["1000.00", "139.491"], ["84551.00", "2.027"]],
    "a": [["84551.10", "5.303"], ["84560.10", "0.000"]],
    "st": 1,
}
SNAPSHOT: Payload = {
    "lastUpdateId": 5,
    "E": 1,
    "T": 1,
    "bids": [["10.0", "1"]],
    "asks": [["11.0", "2"]],
}
TICKER: Payload = {
    "e": "bookTicker",
    "u": 7,
    "s": "BTCUSDT",
    "b": "10.0",
    "B": "1",
    "a": "11.0",
    "A": "2",
    "T": 1,
    "E": 1,
}
TRADE: Payload = {
    "e": "trade",
    "E": 3,
    "T": 2,
    "s": "BTCUSDT",
    "t": 9,
    "p": "10.0",
    "q": "1.5",
    "X": "MARKET",
    "m": True,
}
AGGREGATE: Payload = {
    "e": "aggTrade",
    "E": 3,
    "a": 8,
    "s": "BTCUSDT",
    "p": "10.0",
    "q": "1.5",
    "f": 1,
    "l": 2,
    "T": 2,
    "m": False,
}
BY_STREAM = {
    "btcusdt@depth@100ms": DEPTH,
    "btcusdt@snapshot": SNAPSHOT,
    "btcusdt@bookTicker": TICKER,
    "btcusdt@trade": TRADE,
    "btcusdt@aggTrade": AGGREGATE,
}
BAD_NUMBERS = ("", " ", "-1", "+1", "1e5", "1.2.3", ".5", "5.", "NaN", "1,0", "٣")
BLANKS = ("1 2", " 1", "1 ", "1\n")


def frame(stream: str, payload: Payload | bytes, at: int = 42) -> RawFrame:
    data = payload if isinstance(payload, bytes) else json.dumps(payload).encode()
    return RawFrame(at, stream, data, "some.jsonl.gz", 17)


def assert_malformed(stream: str, payload: Payload | bytes) -> None:
    with pytest.raises(MalformedFrame) as caught:
        decode(frame(stream, payload))
    assert str(caught.value).startswith(f"some.jsonl.gz:17: malformed {stream} frame: ")


# What each stream says ---------------------------------------------------------------


def test_decode_depth_of_usd_m_gives_delta() -> None:
    assert decode(frame("btcusdt@depth@100ms", DEPTH)) == DepthDelta(
        symbol="BTCUSDT",
        received_ns=42,
        market=Market.USD_M,
        first_id=11671659688131,
        last_id=11671659693014,
        previous_id=11671659687966,
        bids=[("1000.00", "139.491"), ("84551.00", "2.027")],
        asks=[("84551.10", "5.303"), ("84560.10", "0.000")],
        stream="btcusdt@depth@100ms",
    )


@pytest.mark.parametrize(
    ("change", "stream", "market"),
    [
        ({"st": 2}, "btcusdt@depth", Market.COIN_M),
        ({"st": None}, "btcusdt@depth", Market.USD_M),
        ({"st": None, "pu": None}, "btcusdt@depth", Market.SPOT),
        ({"st": None, "s": "BTCUSD_PERP"}, "btcusd_perp@depth", Market.COIN_M),
    ],
)
def test_decode_depth_of_other_markets_gives_the_market(
    change: Payload, stream: str, market: Market
) -> None:
    event = decode(frame(stream, DEPTH | change))
    assert isinstance(event, DepthDelta)
    assert event.market is market


def test_decode_snapshot_takes_the_symbol_of_its_stream() -> None:
    expected = DepthSnapshot("BTCUSDT", 42, 5, [("10.0", "1")], [("11.0", "2")])
    assert decode(frame("btcusdt@snapshot", SNAPSHOT)) == expected
    named = SNAPSHOT | {"symbol": "BTCUSDT", "pair": "BTCUSD"}
    assert decode(frame("btcusdt@snapshot", named)) == expected


@pytest.mark.parametrize("stream", ["btcusdt@bookTicker", "!bookTicker"])
def test_decode_book_ticker_gives_best_prices(stream: str) -> None:
    expected = BookTicker("BTCUSDT", 42, 7, "10.0", "1", "11.0", "2")
    assert decode(frame(stream, TICKER)) == expected


def test_decode_trade_and_aggregate_give_market_trades() -> None:
    trade = MarketTrade("BTCUSDT", 42, 2, 9, "10.0", "1.5", True, False)
    aggregate = MarketTrade("BTCUSDT", 42, 2, 8, "10.0", "1.5", False, True)
    assert decode(frame("btcusdt@trade", TRADE)) == trade
    assert decode(frame("btcusdt@aggTrade", AGGREGATE)) == aggregate


def test_decode_engine_streams_give_their_events() -> None:
    assert decode(frame("@clock", {})) == ClockTick(42)
    assert decode(frame("@clock", {"skew_ms": -5})) == ClockTick(42, -5)
    command = {"verb": "reset", "reason": "drill", "operator": "ann"}
    expected = Command(42, Verb.RESET, "drill", "ann", rebase_peak=True)
    assert decode(frame("@command", command | {"rebase_peak": True})) == expected
    status = {"is_reconciled": False, "rate_limited_until_ns": 9}
    assert decode(frame("@report", status)) == VenueStatus(
        42, is_reconciled=False, rate_limited_until_ns=9
    )


@pytest.mark.parametrize(
    ("stream", "symbol", "kind", "is_known"),
    [
        ("btcusdt@kline_1m", "BTCUSDT", "kline_1m", True),
        ("btcusdt_perpetual@continuousKline_1m", "BTCUSDT_PERPETUAL", None, True),
        ("btcusdt@markPrice@1s", "BTCUSDT", "markPrice@1s", True),
        ("btcusdt@depth5@100ms", "BTCUSDT", "depth5@100ms", True),
        ("btcusdt@depth20", "BTCUSDT", "depth20", True),
        ("btcusdt@rpiDepth@500ms", "BTCUSDT", "rpiDepth@500ms", True),
        ("btcusdt@forceOrder", "BTCUSDT", "forceOrder", True),
        ("btcusdt@ticker_1h", "BTCUSDT", "ticker_1h", True),
        ("!markPrice@arr@1s", "", "!markPrice@arr@1s", True),
        ("!ticker@arr", "", "!ticker@arr", True),
        ("!contractInfo", "", "!contractInfo", True),
        ("tradingSession", "TRADINGSESSION", "tradingSession", True),
        ("btcusdt@tickers", "BTCUSDT", "tickers", False),
        ("btcusdt@depth50", "BTCUSDT", "depth50", False),
        ("!novel@arr", "", "!novel@arr", False),
        ("btcusdt@novel", "BTCUSDT", "novel", False),
        ("btcusdt@", "BTCUSDT", "btcusdt@", False),
        ("", "", "", False),
    ],
)
def test_decode_stream_not_used_is_counted_as_known_or_not(
    stream: str, symbol: str, kind: str | None, is_known: bool
) -> None:
    event = decode(frame(stream, b"anything"))
    kind = "continuousKline_1m" if kind is None else kind
    assert event == OtherFrame(symbol, 42, stream_kind=kind, is_known=is_known)


@pytest.mark.parametrize("stream", BY_STREAM)
def test_decode_unknown_fields_are_ignored(stream: str) -> None:
    payload = BY_STREAM[stream]
    novel = {"zz": {"deep": [1, None, {"x": "y"}]}, "Z": 1.5}
    assert decode(frame(stream, payload | novel)) == decode(frame(stream, payload))


def test_decode_symbol_of_stream_in_either_case_agrees() -> None:
    for stream_symbol, symbol in (("BTCUSDT", "BTCUSDT"), ("btcusdt", "btcusdt")):
        event = decode(frame(f"{stream_symbol}@depth", DEPTH | {"s": symbol}))
        assert isinstance(event, DepthDelta)
        assert event.symbol == "BTCUSDT"


# What is malformed -------------------------------------------------------------------


@pytest.mark.parametrize(
    ("stream", "field"),
    [
        *(("btcusdt@depth@100ms", field) for field in "sUuba"),
        *(("btcusdt@snapshot", field) for field in ("lastUpdateId", "bids", "asks")),
        *(("btcusdt@bookTicker", field) for field in "subBaA"),
        *(("btcusdt@trade", field) for field in "stTpqm"),
        *(("btcusdt@aggTrade", field) for field in "saTpqm"),
    ],
)
def test_decode_field_missing_or_of_wrong_type_is_malformed(
    stream: str, field: str
) -> None:
    payload = BY_STREAM[stream]
    left = {name: value for name, value in payload.items() if name != field}
    assert_malformed(stream, left)
    for wrong in (None, {"x": 1}, 1.5, [["1", 2]], [["1"]]):
        assert_malformed(stream, left | {field: wrong})


@pytest.mark.parametrize(
    ("stream", "field"),
    [
        *(("btcusdt@depth@100ms", field) for field in ("U", "u", "pu")),
        ("btcusdt@snapshot", "lastUpdateId"),
        ("btcusdt@bookTicker", "u"),
        *(("btcusdt@trade", field) for field in ("t", "T")),
        *(("btcusdt@aggTrade", field) for field in ("a", "T")),
    ],
)
@pytest.mark.parametrize("number", [-1, 2**63, 10**30])
def test_decode_id_out_of_range_is_malformed(
    stream: str, field: str, number: int
) -> None:
    assert_malformed(stream, BY_STREAM[stream] | {field: number})


@pytest.mark.parametrize(
    ("stream", "field"),
    [
        *(("btcusdt@bookTicker", field) for field in "bBaA"),
        *(("btcusdt@trade", field) for field in "pq"),
        *(("btcusdt@aggTrade", field) for field in "pq"),
    ],
)
@pytest.mark.parametrize("number", [*BAD_NUMBERS, *BLANKS, "9" * 200 + "."])
def test_decode_number_that_is_no_plain_decimal_is_malformed(
    stream: str, field: str, number: str
) -> None:
    assert_malformed(stream, BY_STREAM[stream] | {field: number})


@pytest.mark.parametrize(
    ("stream", "field"), [("btcusdt@bookTicker", "A"), ("btcusdt@trade", "q")]
)
def test_decode_number_of_any_length_is_kept_as_it_is(stream: str, field: str) -> None:
    number = "9" * 200 + "." + "0" * 200
    event = decode(frame(stream, BY_STREAM[stream] | {field: number}))
    assert number in msgspec.structs.astuple(event)


@pytest.mark.parametrize(
    "stream", ["ethusdt@depth@100ms", "ethusdt@bookTicker", "ethusdt@trade"]
)
def test_decode_symbol_other_than_of_stream_is_malformed(stream: str) -> None:
    payload = BY_STREAM["btcusdt" + stream.removeprefix("ethusdt")]
    with pytest.raises(MalformedFrame, match="expected symbol ETHUSDT, was 'BTCUSDT'"):
        decode(frame(stream, payload))


def test_decode_snapshot_of_another_or_of_no_symbol_is_malformed() -> None:
    assert_malformed("btcusdt@snapshot", SNAPSHOT | {"symbol": "ETHUSDT"})
    assert_malformed("@snapshot", SNAPSHOT)
    assert_malformed("@depth", DEPTH | {"s": ""})


def test_decode_depth_of_contradicting_ids_is_malformed() -> None:
    assert_malformed("btcusdt@depth", DEPTH | {"U": 9, "u": 8})
    assert_malformed("btcusdt@depth", DEPTH | {"pu": None})  # `st` says futures


@pytest.mark.parametrize("stream", [*BY_STREAM, "@clock", "@command", "@report"])
@pytest.mark.parametrize(
    "payload",
    [
        b"",
        b"{",
        b"[]",
        b"null",
        b'"text"',
        b"\xff\xfe",
        b'{"x":' + b"[" * 100_000,
    ],
)
def test_decode_payload_that_is_no_such_object_is_malformed(
    stream: str, payload: bytes
) -> None:
    assert_malformed(stream, payload)


@pytest.mark.parametrize("stream", ["@depth", "@bookTicker", "@trade", "@aggTrade"])
def test_decode_text_that_is_not_utf_8_is_malformed(stream: str) -> None:
    assert_malformed(stream, b'{"s":"\xff"}')


def test_decode_command_of_unknown_verb_is_malformed() -> None:
    assert_malformed("@command", {"verb": "moon"})
    assert_malformed("@report", {"is_reconciled": "yes"})
    assert_malformed("@clock", {"skew_ms": "1"})


def test_decode_live_frame_that_is_malformed_names_stream_and_time() -> None:
    with pytest.raises(MalformedFrame, match=r"^btcusdt@trade at 5: malformed"):
        decode(RawFrame(5, "btcusdt@trade", b"{}"))


@settings(deadline=None, max_examples=300)
@given(st.sampled_from(list(BY_STREAM)), st.data())
def test_decode_damaged_payload_is_an_event_or_malformed(
    stream: str, data: st.DataObject
) -> None:
    payload = bytearray(json.dumps(BY_STREAM[stream]).encode())
    for _ in range(data.draw(st.integers(1, 3))):
        place = data.draw(st.integers(0, len(payload) - 1))
        payload[place] = data.draw(st.integers(0, 255))
    event, refused = None, ""
    try:
        event = decode(frame(stream, bytes(payload)))
    except MalformedFrame as error:
        refused = str(error)
    assert event is not None or refused.startswith("some.jsonl.gz:17: ")


# The exchange's own examples ----------------------------------------------------------

EXAMPLES: dict[str, tuple[str, type]] = {
    "all_book_tickers_stream": ("!bookTicker", BookTicker),
    "individual_symbol_book_ticker_streams": ("bnbusdt@bookTicker", BookTicker),
    "diff_book_depth_streams": ("bnbusdt@depth", DepthDelta),
    "partial_book_depth_streams": ("bnbusdt@depth5", OtherFrame),
    "rpi_diff_book_depth_streams": ("bnbusdt@rpiDepth@500ms", OtherFrame),
    "aggregate_trade_streams": ("@aggTrade", MarketTrade),
    "mark_price_stream": ("btcusdt@markPrice", OtherFrame),
    "mark_price_stream_for_all_market": ("!markPrice@arr", OtherFrame),
    "liquidation_order_streams": ("btcusdt@forceOrder", OtherFrame),
    "contract_info_stream": ("!contractInfo", OtherFrame),
    "order_book": ("btcusdt@snapshot", DepthSnapshot),
}


@pytest.mark.parametrize("name", EXAMPLES)
def test_decode_documented_example_gives_its_event(name: str) -> None:
    folder = recorded("protocol/binance_sdk_examples")
    examples: Payload = {}
    for file in ("rest_market.json", "ws_market.json", "ws_public.json"):
        examples |= json.loads((folder / file).read_text(encoding="utf-8"))
    stream, kind = EXAMPLES[name]
    event = decode(frame(stream, examples[name]))
    assert type(event) is kind
    assert getattr(event, "is_known", True)
