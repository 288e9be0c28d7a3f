"""Frames to views, and malformed input to one fault."""

import json

import pytest

from connectors.binance.wire import decode
from flows.domain.books import Books
from flows.domain.errors import MalformedFrame, MarketDataError
from flows.domain.event import ClockTick
from flows.domain.fault import Fault
from flows.domain.frame import RawFrame
from flows.domain.symbol_book import BookState, BookStateChanged
from flows.domain.view import BookView
from flows.operators.books import MarketUpdate, books
from tests.operators.steps import ran


def frame(number: int, stream: str, payload: object) -> RawFrame:
    data = json.dumps(payload).encode()
    return RawFrame(number, stream, data, "file", number)


def snapshot(number: int, symbol: str, price: str = "10") -> RawFrame:
    payload = {"lastUpdateId": 100, "bids": [[price, "1"]], "asks": [["11", "1"]]}
    return frame(number, f"{symbol}@snapshot", payload)


def depth(number: int, symbol: str, ids: tuple[int, int, int], bid: str) -> RawFrame:
    first, last, previous = ids
    levels = [[bid, "2"]]
    payload = {"s": symbol.upper(), "U": first, "u": last, "b": levels, "a": []}
    return frame(number, f"{symbol}@depth", payload | {"pu": previous})


GOOD = [
    snapshot(1, "btcusdt"),
    snapshot(2, "ethusdt"),
    depth(3, "btcusdt", (95, 105, 90), "9"),
    depth(4, "ethusdt", (95, 105, 90), "9"),
    depth(5, "btcusdt", (106, 110, 105), "8"),
    frame(6, "@clock", {}),
]


def run(frames: list[RawFrame], fault: Fault, batch_size: int) -> list[MarketUpdate]:
    state = Books(depth=5, stale_after_ms=3_000)
    return ran(
        frames,
        lambda up: books("books", up, decode, state, fault),
        batch_size=batch_size,
    )


def summary(updates: list[MarketUpdate]) -> list[tuple[str, object]]:
    found: list[tuple[str, object]] = []
    for update in updates:
        if isinstance(update, BookView):
            found.append((update.symbol, update.update_id))
        elif isinstance(update, BookStateChanged):
            found.append((update.symbol, update.after))
        else:
            found.append(("", type(update)))
    return found


@pytest.mark.parametrize("batch_size", [1, 2, 100])
def test_books_frames_of_two_symbols_keep_their_order(batch_size: int) -> None:
    fault = Fault()
    assert summary(run(GOOD, fault, batch_size)) == [
        ("BTCUSDT", BookState.BRIDGING),
        ("ETHUSDT", BookState.BRIDGING),
        ("BTCUSDT", BookState.SYNCED),
        ("BTCUSDT", 105),
        ("ETHUSDT", BookState.SYNCED),
        ("ETHUSDT", 105),
        ("BTCUSDT", 110),
        ("", ClockTick),
    ]
    assert fault.error is None


BAD = {
    "payload": (RawFrame(9, "btcusdt@depth", b"{", "file", 9), "malformed"),
    "price": (depth(9, "btcusdt", (106, 110, 105), "1e5"), "1e5"),
    "price of an event that waits": (depth(9, "xrpusdt", (1, 2, 0), "-1"), "-1"),
    "price of an event to come late": (depth(9, "btcusdt", (9, 99, 8), "x"), "x"),
    "price of a snapshot": (snapshot(9, "xrpusdt", ""), "''"),
}


@pytest.mark.parametrize(("bad", "part"), BAD.values(), ids=BAD)
@pytest.mark.parametrize("batch_size", [1, 4, 100])
def test_books_malformed_frame_is_a_fault_and_the_step_is_silent_after(
    bad: RawFrame, part: str, batch_size: int
) -> None:
    fault = Fault()
    before = GOOD[:4]
    good = run(before, Fault(), batch_size)
    updates = run([*before, bad, *GOOD[4:]], fault, batch_size)
    assert updates[: len(good)] == good
    assert {type(update) for update in updates[len(good) :]} <= {BookStateChanged}
    assert type(fault.error) is MalformedFrame
    text = str(fault.error)
    assert text.startswith(f"file:9: malformed {bad.stream} frame: ")
    assert part in text


def test_books_symbol_in_two_markets_is_a_fault_with_its_place() -> None:
    fault = Fault()
    spot = {"s": "BTCUSDT", "U": 1, "u": 2, "b": [], "a": []}
    run([*GOOD, frame(9, "btcusdt@depth", spot)], fault, 3)
    assert type(fault.error) is MarketDataError
    assert str(fault.error).startswith("file:9: BTCUSDT is a usd-m symbol here")
