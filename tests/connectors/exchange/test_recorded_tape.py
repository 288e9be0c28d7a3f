"""A recording as the exchange's market: what is left out, resumed, started over."""

import json
from collections.abc import Iterable
from fractions import Fraction
from itertools import islice, pairwise
from pathlib import Path
from typing import Any

import pytest

from connectors.exchange.recorded_tape import LOOP_PAUSE_NS, RecordedTape
from connectors.exchange.tape import TapeEvent, Tempo
from connectors.exchange.true_book import TrueBook
from connectors.exchange.venue import Venue
from connectors.recording import RecordingWriter
from flows.domain.errors import ConfigurationError
from flows.domain.event import BookTicker, DepthDelta, DepthSnapshot, MarketTrade
from flows.domain.frame import RawFrame
from flows.domain.market import Market
from flows.domain.units import NS_PER_S
from tests.connectors.exchange.exchange_samples import START_NS, connected, messages

T0 = 1_700_000_000 * NS_PER_S
Row = tuple[str, dict[str, Any]]


def depth(first: int, last: int, previous: int, price: str, quantity: str) -> Row:
    data = {"e": "depthUpdate", "s": "AUSDT", "U": first, "u": last, "pu": previous}
    return "ausdt@depth@0ms", {**data, "b": [[price, quantity]], "a": []}


def snapshot(last: int, *bids: tuple[str, str]) -> Row:
    book = {"lastUpdateId": last, "bids": bids, "asks": [("9.00", "1.0")]}
    return "ausdt@snapshot", book


def ticker(update_id: int) -> Row:
    quote = {"b": "1.00", "B": "1.0", "a": "9.00", "A": "1.0"}
    return "ausdt@bookTicker", {"s": "AUSDT", "u": update_id, **quote}


def trade(kind: str, trade_id: int) -> Row:
    data = {"s": "AUSDT", "T": 1, "p": "1.00", "q": "0.1", "m": True}
    return f"ausdt@{kind}", {**data, "t" if kind == "trade" else "a": trade_id}


def tape_of(path: Path, rows: Iterable[Row], **options: Any) -> RecordedTape:
    file = path / "a.jsonl.gz"
    with RecordingWriter.create(file) as writer:
        for number, (stream, data) in enumerate(rows):
            payload = json.dumps(data).encode()
            writer.write(RawFrame(T0 + number * NS_PER_S, stream, payload))
    return RecordedTape([file], start_ns=START_NS, **options)


def facts(events: Iterable[TapeEvent]) -> list[tuple[str, int]]:
    return [(type(event).__name__, fact_id(event)) for event in events]


def fact_id(event: TapeEvent) -> int:
    match event:
        case DepthDelta():
            return event.last_id
        case DepthSnapshot():
            return event.last_update_id
        case BookTicker():
            return event.update_id
        case MarketTrade():
            return event.trade_id


def test_tape_events_the_opening_holds_are_left_out(tmp_path: Path) -> None:
    rows = [
        depth(80, 90, 70, "1.00", "5.0"),
        ticker(95),
        depth(91, 100, 90, "1.00", "1.0"),
        depth(105, 110, 100, "1.00", "2.0"),
        ticker(112),
        snapshot(100, ("1.00", "1.0")),
    ]
    tape = tape_of(tmp_path, rows)
    assert tape.openings["AUSDT"].book.last_update_id == 100
    assert facts(tape) == [("DepthDelta", 110), ("BookTicker", 112)]


def test_tape_recorded_gap_waits_for_a_recorded_snapshot(tmp_path: Path) -> None:
    rows = [
        snapshot(100, ("1.00", "1.0"), ("0.90", "4.0")),
        depth(105, 110, 100, "1.00", "2.0"),
        depth(130, 140, 120, "1.00", "3.0"),
        depth(145, 150, 140, "1.10", "7.0"),
        snapshot(140, ("1.00", "3.0"), ("0.80", "1.0")),
        depth(155, 160, 150, "1.00", "6.0"),
    ]
    tape = tape_of(tmp_path, rows)
    venue = Venue(tape, start_ns=START_NS)
    session = connected(venue, "/public/ws/ausdt@depth@0ms")
    venue.advance(START_NS + 10 * NS_PER_S)
    frames = messages(venue, session)
    assert [frame["u"] for frame in frames] == [110, 140, 150, 160]
    assert all(after["pu"] == before["u"] for before, after in pairwise(frames))
    assert frames[1]["b"] == [["0.80", "1.0"], ["0.90", "0.0"], ["1.00", "3.0"]]
    true = venue.symbols["AUSDT"].true.image()
    assert true.bids == [("1.10", "7.0"), ("1.00", "6.0"), ("0.80", "1.0")]


def test_tape_started_over_ids_and_times_increase(tmp_path: Path) -> None:
    rows = [
        snapshot(100, ("1.00", "1.0")),
        depth(105, 110, 100, "1.00", "2.0"),
        ticker(111),
        trade("trade", 7),
        trade("trade", 9),
    ]
    events = list(islice(tape_of(tmp_path, rows, is_looped=True), 3 * 5))
    one, two, three = events[:4], events[4:9], events[9:14]
    assert facts(one) == [
        ("DepthDelta", 110),
        ("BookTicker", 111),
        ("MarketTrade", 7),
        ("MarketTrade", 9),
    ]
    assert facts(two) == [
        ("DepthSnapshot", 1_111),
        ("DepthDelta", 1_121),
        ("BookTicker", 1_122),
        ("MarketTrade", 10),
        ("MarketTrade", 12),
    ]
    assert [fact_id(event) for event in three][-1] == 15
    times = [event.received_ns for event in events]
    assert times == sorted(times)
    assert two[0].received_ns == one[-1].received_ns + LOOP_PAUSE_NS


@pytest.mark.parametrize(("speed", "seconds"), [("2", 2), ("1/2", 8), ("0.5", 8)])
def test_tape_speed_divides_time_exactly(
    tmp_path: Path, speed: str, seconds: int
) -> None:
    rows = [
        snapshot(100),
        depth(105, 110, 100, "1.00", "2.0"),
        ticker(111),
        ticker(112),
    ]
    rows += [ticker(113)]
    *_, last = tape_of(tmp_path, rows, speed=Fraction(speed))
    assert last.received_ns - START_NS == seconds * NS_PER_S


def test_tape_two_depth_speeds_one_is_played(tmp_path: Path) -> None:
    other = depth(105, 120, 100, "1.00", "2.0")
    rows = [
        snapshot(100),
        depth(105, 110, 100, "1.00", "2.0"),
        ("ausdt@depth@500ms", other[1]),
        depth(115, 120, 110, "1.00", "2.0"),
    ]
    assert facts(tape_of(tmp_path, rows)) == [("DepthDelta", 110), ("DepthDelta", 120)]


@pytest.mark.parametrize(
    ("kinds", "played"),
    [(["aggTrade"], [1]), (["trade"], [1]), (["aggTrade", "trade", "trade"], [2, 3])],
)
def test_tape_aggregates_stand_in_where_no_trades_are(
    tmp_path: Path, kinds: list[str], played: list[int]
) -> None:
    trades = [trade(kind, number) for number, kind in enumerate(kinds, 1)]
    rows = [snapshot(100), depth(105, 110, 100, "1.00", "2.0"), *trades]
    found = [e for e in tape_of(tmp_path, rows) if isinstance(e, MarketTrade)]
    assert [event.trade_id for event in found] == played


def test_tape_symbol_without_snapshot_is_named(tmp_path: Path) -> None:
    stray = depth(1, 2, 0, "1.00", "1.0")[1] | {"s": "BUSDT"}
    rows = [snapshot(100), depth(105, 110, 100, "1.00", "2.0")]
    tape = tape_of(tmp_path, [*rows, ("busdt@depth@0ms", stray)])
    assert tape.unplayed == ["BUSDT"]
    assert list(tape.openings) == ["AUSDT"]
    assert facts(tape) == [("DepthDelta", 110)]


@pytest.mark.parametrize(
    "rows", [[snapshot(100)], [depth(105, 110, 100, "1.00", "2.0")], [ticker(1)]]
)
def test_tape_nothing_to_play_is_refused(tmp_path: Path, rows: list[Row]) -> None:
    with pytest.raises(ConfigurationError, match="both depth events and a snapshot"):
        tape_of(tmp_path, rows)


def test_tape_spot_recording_is_refused(tmp_path: Path) -> None:
    spot = depth(105, 110, 100, "1.00", "2.0")[1]
    del spot["pu"]
    rows = [snapshot(100), ("ausdt@depth", spot)]
    with pytest.raises(ConfigurationError, match="AUSDT is a spot symbol"):
        tape_of(tmp_path, rows)


def test_true_book_more_decimals_are_counted_exactly() -> None:
    opening = DepthSnapshot("AUSDT", 0, 1, [("1.0", "2")], [("3.0", "4")])
    true = TrueBook(opening)
    before = true.image_at(1)
    delta = DepthDelta(
        "AUSDT", 5, Market.USD_M, 2, 3, 1, [("1.05", "0.5")], [], "ausdt@depth"
    )
    true.apply(delta)
    assert true.image().bids == [("1.05", "0.5"), ("1.00", "2.0")]
    assert before is not None
    assert true.image_at(3) == true.image()
    assert true.image_before(5) == true.image()


def test_tempo_time_never_runs_backwards() -> None:
    tempo = Tempo(100)
    assert [tempo.at(t) for t in (50, 60, 55, 70)] == [100, 110, 110, 120]
    assert tempo.start_over(5) == 125
    assert tempo.at(50) == 125
