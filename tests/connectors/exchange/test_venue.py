"""Books built from the exchange's streams and snapshots are the exchange's own."""

from collections.abc import Iterator
from decimal import Decimal
from itertools import pairwise

import pytest

from connectors.exchange.recorded_tape import RecordedTape
from connectors.exchange.synthetic_tape import SyntheticTape
from connectors.exchange.tape import TapeEvent
from connectors.exchange.venue import Venue
from flows.domain.event import BookTicker
from flows.domain.symbol_book import BookState
from flows.domain.units import NS_PER_MS, NS_PER_S
from tests.connectors.exchange.exchange_samples import (
    BTC,
    DEPTH,
    ETH,
    START_NS,
    BookClient,
    connected,
    messages,
    pass_ms,
    received,
    requested,
    synthetic_venue,
    texts,
)
from tests.recordings import CLIP, recorded

SPEEDS = ("@0ms", "@100ms", "", "@250ms", "@500ms")


def recorded_venue(*, is_looped: bool = False) -> Venue:
    tape = RecordedTape([recorded(CLIP)], start_ns=START_NS, is_looped=is_looped)
    return Venue(tape, start_ns=START_NS)


def keep_book(venue: Venue, stream: str, seconds: int) -> BookClient:
    """Buffer for a while, take a snapshot, follow the stream."""
    client = BookClient(venue, stream)
    pass_ms(venue, 1_050)
    client.take_in()
    client.snapshot()
    for _ in range(seconds * 4):
        pass_ms(venue, 250)
        client.take_in()
    return client


@pytest.mark.parametrize("speed", SPEEDS)
@pytest.mark.parametrize("symbol", [BTC, ETH])
def test_venue_synthetic_at_each_speed_books_equal(symbol: str, speed: str) -> None:
    client = keep_book(synthetic_venue(), f"{symbol.lower()}@depth{speed}", 6)
    assert client.book.state is BookState.SYNCED
    assert client.book.counts.gaps == 0
    assert client.compared >= 10


@pytest.mark.parametrize("speed", SPEEDS)
@pytest.mark.parametrize("symbol", [BTC, ETH])
def test_venue_recorded_at_each_speed_books_equal(symbol: str, speed: str) -> None:
    client = keep_book(recorded_venue(), f"{symbol.lower()}@depth{speed}", 6)
    assert client.book.state is BookState.SYNCED
    assert client.book.counts.gaps == 0
    assert client.compared >= 10


def test_venue_recording_starts_over_book_stays_true() -> None:
    venue = recorded_venue(is_looped=True)
    client = keep_book(venue, DEPTH, 33)
    assert client.book.state is BookState.SYNCED
    assert client.book.counts.gaps == 0
    assert client.compared > 250
    assert not venue.is_over


def test_venue_recording_ends_last_book_stays() -> None:
    venue = recorded_venue()
    client = keep_book(venue, DEPTH, 35)
    assert venue.is_over
    true = venue.symbols[BTC].true
    assert client.image(true.update_id) == true.image(20)


def test_venue_steps_of_any_size_same_bytes() -> None:
    coarse, fine = synthetic_venue(), synthetic_venue()
    path = f"/public/stream?streams={DEPTH}/ethusdt@depth@0ms/btcusdt@bookTicker"
    sessions = connected(coarse, path), connected(fine, path)
    pass_ms(coarse, 2_000)
    for _ in range(2_000):
        pass_ms(fine, 1)
    assert coarse.now_ns == fine.now_ns
    assert received(coarse, sessions[0]) == received(fine, sessions[1])


def test_venue_depth_stream_chain_ids_follow() -> None:
    venue = synthetic_venue()
    session = connected(venue, f"/public/ws/{DEPTH}")
    pass_ms(venue, 5_000)
    frames = messages(venue, session)
    assert len(frames) > 45
    for before, after in pairwise(frames):
        assert after["pu"] == before["u"]
        assert after["U"] > after["pu"] + 1
        assert after["u"] >= after["U"]
        assert after["E"] > before["E"]
    for frame in frames:
        for side in ("b", "a"):
            prices = [Decimal(price) for price, _ in frame[side]]
            assert prices == sorted(set(prices))


def test_venue_ids_of_two_symbols_are_shared() -> None:
    venue = synthetic_venue()
    session = connected(venue, "/public/ws/btcusdt@depth@100ms/ethusdt@depth@100ms")
    pass_ms(venue, 3_000)
    ids = {frame["s"]: frame["u"] for frame in messages(venue, session)}
    assert abs(ids[BTC] - ids[ETH]) < 200_000


@pytest.mark.parametrize("levels", [5, 10, 20])
def test_venue_partial_depth_shows_true_top(levels: int) -> None:
    venue = synthetic_venue()
    session = connected(venue, f"/public/ws/btcusdt@depth{levels}@100ms")
    pass_ms(venue, 2_000)
    frames = messages(venue, session)
    assert len(frames) > 15
    for frame in frames:
        true = venue.symbols[BTC].true.image_at(frame["u"], levels)
        assert true is not None
        assert [tuple(level) for level in frame["b"]] == true.bids
        assert [tuple(level) for level in frame["a"]] == true.asks


def test_venue_snapshot_between_any_frames_equals_true_book() -> None:
    venue = synthetic_venue()
    seen = set()
    for _ in range(50):
        pass_ms(venue, 13)
        status, body = requested(venue, "depth", symbol=BTC, limit="100")
        true = venue.symbols[BTC].true.image(100)
        assert status == 200
        assert body["lastUpdateId"] == true.update_id
        assert [tuple(level) for level in body["bids"]] == true.bids
        seen.add(body["lastUpdateId"])
    assert len(seen) > 25


def test_venue_book_ticker_agrees_with_book_of_its_id() -> None:
    venue = synthetic_venue(BTC)
    session = connected(venue, "/public/ws/btcusdt@bookTicker")
    pass_ms(venue, 2_000)
    status, best = requested(venue, "ticker/bookTicker", symbol=BTC)
    last = messages(venue, session)[-1]
    assert (status, best["lastUpdateId"]) == (200, last["u"])
    assert (best["bidPrice"], best["askQty"]) == (last["b"], last["A"])


class TickerlessTape(SyntheticTape):
    def __iter__(self) -> Iterator[TapeEvent]:
        return (e for e in super().__iter__() if not isinstance(e, BookTicker))


def test_venue_tape_without_tickers_derives_each_new_top() -> None:
    venue = Venue(TickerlessTape([BTC], start_ns=START_NS), start_ns=START_NS)
    session = connected(venue, "/public/ws/btcusdt@bookTicker")
    for _ in range(100):
        pass_ms(venue, 20)
        image = venue.symbols[BTC].true.image(1)
        ticker = venue.symbols[BTC].ticker
        assert [(ticker.bid_price, ticker.bid_quantity)] == image.bids
        assert [(ticker.ask_price, ticker.ask_quantity)] == image.asks
    assert len(texts(venue, session)) > 20


def test_venue_aggregates_add_up_their_trades() -> None:
    venue = synthetic_venue(BTC)
    trades = connected(venue, "/public/ws/btcusdt@trade")
    totals = connected(venue, "/market/ws/btcusdt@aggTrade")
    pass_ms(venue, 8_000)
    by_id = {trade["t"]: trade for trade in messages(venue, trades)}
    aggregates = messages(venue, totals)
    assert len(aggregates) > 50
    for total in aggregates:
        parts = [by_id[n] for n in range(total["f"], total["l"] + 1)]
        assert {part["p"] for part in parts} == {total["p"]}
        assert sum(lots(part) for part in parts) == lots(total)
        assert 0 <= total["E"] - total["T"] <= 150
    assert [a["a"] for a in aggregates] == list(range(1, len(aggregates) + 1))


def lots(message: dict[str, str]) -> int:
    return int(message["q"].replace(".", ""))


@pytest.mark.parametrize(
    ("name", "count"),
    [
        ("btcusdt@markPrice@1s", 12),
        ("btcusdt@markPrice", 4),
        ("!markPrice@arr@1s", 12),
        ("!markPrice@arr", 4),
        ("btcusdt@kline_1m", 12),
        ("btcusdt@ticker", 6),
        ("btcusdt@miniTicker", 6),
        ("!ticker@arr", 12),
        ("!miniTicker@arr", 12),
    ],
)
def test_venue_periodic_streams_keep_their_period(name: str, count: int) -> None:
    venue = synthetic_venue()
    session = connected(venue, f"/market/ws/{name}")
    pass_ms(venue, 12_000)
    assert len(texts(venue, session)) == count


def test_venue_all_book_tickers_every_five_seconds() -> None:
    venue = synthetic_venue()
    session = connected(venue, "/public/ws/!bookTicker")
    pass_ms(venue, 11_000)
    assert [m["s"] for m in messages(venue, session)] == [BTC, ETH, BTC, ETH]


def test_due_nothing_happens_before_it() -> None:
    venue = synthetic_venue()
    session = connected(venue, f"/public/ws/{DEPTH}")
    pass_ms(venue, 1_000)
    received(venue, session)
    due_ns = venue.due_ns
    assert venue.now_ns <= due_ns <= venue.now_ns + NS_PER_S
    venue.advance(due_ns - 1)
    assert received(venue, session) == []
    assert venue.due_ns == due_ns


def test_advance_backwards_time_stays() -> None:
    venue = synthetic_venue()
    pass_ms(venue, 100)
    venue.advance(START_NS)
    assert venue.now_ns == START_NS + 100 * NS_PER_MS
