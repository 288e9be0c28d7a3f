"""The synthetic market keeps the exchange's promises, checked from its bytes."""

import json
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from decimal import Decimal
from itertools import chain, islice, pairwise
from random import Random
from typing import Any
from zlib import crc32

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from connectors.exchange.synthetic import (
    ALL_STREAMS,
    DEFAULT_START_NS,
    LATENCY_NS,
    STREAMS,
    SyntheticMarket,
    generate,
)
from connectors.exchange.synthetic_book import Level, Side
from connectors.exchange.synthetic_flow import FINE, OrderFlow
from connectors.exchange.synthetic_listing import (
    KNOWN,
    Listing,
    fixed,
    listed,
    listing_of,
)
from flows.domain.errors import ConfigurationError
from flows.domain.frame import RawFrame
from flows.domain.units import NS_PER_MS, NS_PER_S, unscaled

PAIR = ("BTCUSDT", "ETHUSDT")
MIXED = ("BTCUSDT", "DOGEUSDT", "WIFUSDT")

seeds = st.integers(min_value=-(2**40), max_value=2**40)
few = settings(max_examples=6, deadline=None)

Message = dict[str, Any]
NaiveLevel = tuple[Decimal, Decimal]


def market_of(symbols: Iterable[str | Listing], seed: int = 0) -> SyntheticMarket:
    return SyntheticMarket(symbols, seed=seed, streams=ALL_STREAMS)


def messages(
    frames: Iterable[RawFrame], symbol: str, *kinds: str
) -> Iterator[tuple[str, Message]]:
    """Kind and decoded payload of a symbol's frames of the given kinds, or of all."""
    for frame in frames:
        name, _, kind = frame.stream.partition("@")
        if name == symbol.lower() and (not kinds or kind in kinds):
            yield kind, json.loads(frame.payload)


def recorded(market: SyntheticMarket, seconds: int) -> list[RawFrame]:
    return list(generate(market, seconds))


@dataclass
class NaiveBook:
    """Snapshot and diffs put together the obvious way; the oracle of these tests."""

    bids: dict[Decimal, Decimal] = field(default_factory=dict)
    asks: dict[Decimal, Decimal] = field(default_factory=dict)
    buffer: list[Message] = field(default_factory=list)
    snapshot_id: int | None = None
    previous_id: int | None = None
    stale: int = 0

    def feed(self, kind: str, message: Message) -> bool:
        """Take one frame in; True when it leaves the book complete and current."""
        if kind == "snapshot":
            self.snapshot_id = message["lastUpdateId"]
            self._write(message["bids"], message["asks"])
        elif kind == "depth@100ms":
            self.buffer.append(message)
        if self.snapshot_id is not None:
            while self.buffer:
                self._apply(self.buffer.pop(0))
        return self.previous_id is not None

    def _apply(self, event: Message) -> None:
        assert self.snapshot_id is not None
        if event["u"] < self.snapshot_id:
            self.stale += 1
            return
        if self.previous_id is None:
            assert event["pu"] <= self.snapshot_id <= event["u"]
        else:
            assert event["pu"] == self.previous_id
        self.previous_id = event["u"]
        self._write(event["b"], event["a"])

    def _write(self, bids: list[list[str]], asks: list[list[str]]) -> None:
        for side, levels in ((self.bids, bids), (self.asks, asks)):
            for price, quantity in levels:
                side[Decimal(price)] = Decimal(quantity)
                if not Decimal(quantity):
                    del side[Decimal(price)]

    def best_bids(self) -> list[NaiveLevel]:
        return sorted(self.bids.items(), reverse=True)

    def best_asks(self) -> list[NaiveLevel]:
        return sorted(self.asks.items())

    def top(self) -> list[Decimal]:
        bid, ask = max(self.bids), min(self.asks)
        return [bid, self.bids[bid], ask, self.asks[ask]]


def decimal_levels(listing: Listing, levels: Iterable[Level]) -> list[NaiveLevel]:
    return [
        (
            unscaled(price, listing.price_decimals),
            unscaled(quantity, listing.quantity_decimals),
        )
        for price, quantity in levels
    ]


def known_part(truth: list[NaiveLevel], held: dict[Decimal, Decimal]) -> bool:
    """Whether `held` is the truth except for levels that were never shown."""
    whole = dict(truth)
    return all(whole.get(price) == quantity for price, quantity in held.items())


@pytest.mark.untraced
@given(seed=seeds)
@few
def test_market_same_arguments_give_identical_frames(seed: int) -> None:
    first, second = (list(islice(market_of(MIXED, seed), 2_000)) for _ in range(2))
    assert first == second


def test_market_other_seed_gives_other_frames() -> None:
    assert list(islice(market_of(PAIR, 1), 50)) != list(islice(market_of(PAIR, 2), 50))


def test_market_known_seed_gives_pinned_bytes() -> None:
    frames = list(islice(market_of(["DOGEUSDT"], 7), 2_000))
    assert frames[0].stream == "dogeusdt@bookTicker"
    assert frames[0].payload == (
        b'{"e":"bookTicker","u":11671659243727,"s":"DOGEUSDT","ps":"DOGEUSDT",'
        b'"b":"0.10466","B":"12622","a":"0.10468","A":"24373",'
        b'"T":1790000000001,"E":1790000000001,"st":1}'
    )
    assert crc32(b"".join(frame.payload for frame in frames)) == 2337055466


def test_market_beside_other_symbols_keeps_its_prices() -> None:
    def levels(symbols: Iterable[str]) -> list[list[list[str]]]:
        frames = recorded(market_of(symbols, 3), 5)
        found = messages(frames, "ETHUSDT", "depth@100ms")
        return [message["b"] + message["a"] for _, message in found]

    assert levels(["ETHUSDT"]) == levels(PAIR)


@given(seed=seeds)
@few
def test_market_any_seed_gives_strictly_increasing_received_times(seed: int) -> None:
    for before, after in pairwise(islice(market_of(MIXED, seed), 3_000)):
        assert before.received_ns < after.received_ns


def test_market_events_are_received_after_they_happened() -> None:
    latencies = []
    for frame in recorded(market_of(PAIR), 20):
        message = json.loads(frame.payload)
        assert message["T"] <= message["E"] <= frame.received_ns // NS_PER_MS
        latencies.append(frame.received_ns - message["E"] * NS_PER_MS)
    assert sorted(latencies)[len(latencies) // 2] < 2 * LATENCY_NS


@pytest.mark.parametrize("symbol", PAIR)
def test_market_snapshot_arrives_late_and_needs_buffering(symbol: str) -> None:
    kinds, book = [], NaiveBook()
    for kind, message in messages(recorded(market_of(PAIR), 3), symbol):
        if kind == "snapshot":
            assert len(message["bids"]) == len(message["asks"]) == 1_000
            assert any(event["u"] >= message["lastUpdateId"] for event in book.buffer)
        kinds.append(kind)
        book.feed(kind, message)
    assert kinds.count("snapshot") == 1
    assert book.stale >= 2
    assert book.previous_id is not None


@given(seed=seeds)
@few
def test_market_rebuilt_book_equals_true_book(seed: int) -> None:
    market = market_of(MIXED, seed)
    books = {symbol: NaiveBook() for symbol in MIXED}
    for frame in generate(market, 3):
        symbol = frame.stream.partition("@")[0].upper()
        [(kind, message)] = messages([frame], symbol)
        if books[symbol].feed(kind, message) and kind == "depth@100ms":
            image = market.book(symbol, 20)
            assert image.update_id == books[symbol].previous_id
            listing = market.listings[symbol]
            assert books[symbol].best_bids()[:20] == decimal_levels(listing, image.bids)
            assert books[symbol].best_asks()[:20] == decimal_levels(listing, image.asks)


@given(seed=seeds)
@few
def test_book_whole_equals_rebuilt_book_within_snapshot_edge(seed: int) -> None:
    market, book = market_of(["BTCUSDT"], seed), NaiveBook()
    edges: tuple[Decimal, Decimal] | None = None
    for kind, message in messages(generate(market, 5), "BTCUSDT"):
        if kind == "snapshot":
            sides = (message["bids"], message["asks"])
            edges = (Decimal(sides[0][-1][0]), Decimal(sides[1][-1][0]))
        book.feed(kind, message)
    assert edges is not None
    book.feed("depth@100ms", next_depth(market, "BTCUSDT"))
    image, listing = market.book("BTCUSDT"), market.listings["BTCUSDT"]
    bids = decimal_levels(listing, image.bids)
    asks = decimal_levels(listing, image.asks)
    assert [level for level in bids if level[0] >= edges[0]] == [
        level for level in book.best_bids() if level[0] >= edges[0]
    ]
    assert [level for level in asks if level[0] <= edges[1]] == [
        level for level in book.best_asks() if level[0] <= edges[1]
    ]
    assert known_part(bids, book.bids)
    assert known_part(asks, book.asks)


def next_depth(market: SyntheticMarket, symbol: str) -> Message:
    return next(messages(market, symbol, "depth@100ms"))[1]


@given(seed=seeds)
@few
def test_snapshot_at_any_instant_joins_the_running_stream(seed: int) -> None:
    market = market_of(PAIR, seed)
    for _ in islice(market, 500 + abs(seed) % 300):
        pass
    book = NaiveBook()
    book.feed("snapshot", json.loads(market.snapshot("ETHUSDT")))
    for kind, message in islice(messages(market, "ETHUSDT", "depth@100ms"), 20):
        book.feed(kind, message)
    assert book.previous_id is not None
    image, listing = market.book("ETHUSDT", 20), market.listings["ETHUSDT"]
    assert book.best_bids()[:20] == decimal_levels(listing, image.bids)


def test_snapshot_read_in_between_changes_nothing() -> None:
    plain, read = market_of(PAIR), market_of(PAIR)
    for expected, frame in zip(islice(plain, 500), read, strict=False):
        assert frame == expected
        assert len(json.loads(read.snapshot("BTCUSDT", 5))["bids"]) == 5


@given(seed=seeds)
@few
def test_ticker_with_largest_id_up_to_event_equals_rebuilt_top(seed: int) -> None:
    frames = recorded(market_of(PAIR, seed), 4)
    for symbol in PAIR:
        assert compared_with_tickers(frames, symbol) > 25


def compared_with_tickers(frames: list[RawFrame], symbol: str) -> int:
    book, compared = NaiveBook(), 0
    found = messages(frames, symbol, "bookTicker")
    tickers = {message["u"]: message for _, message in found}
    for kind, event in messages(frames, symbol, "snapshot", "depth@100ms"):
        if book.feed(kind, event) and kind == "depth@100ms":
            ticker = tickers[max(u for u in tickers if u <= event["u"])]
            assert [Decimal(ticker[name]) for name in "bBaA"] == book.top()
            compared += 1
    return compared


@given(seed=seeds)
@few
def test_ticker_each_shows_a_changed_uncrossed_top(seed: int) -> None:
    frames = recorded(market_of(MIXED, seed), 4)
    for symbol in MIXED:
        tops = [
            tuple(Decimal(message[name]) for name in "bBaA")
            for _, message in messages(frames, symbol, "bookTicker")
        ]
        assert all(before != after for before, after in pairwise(tops))
        assert all(bid < ask for bid, _, ask, _ in tops)


@given(seed=seeds)
@few
def test_market_update_ids_come_from_one_increasing_counter(seed: int) -> None:
    last, gaps = 0, 0
    for frame in recorded(market_of(MIXED, seed), 3):
        message = json.loads(frame.payload)
        if message.get("e") == "depthUpdate":
            assert message["pu"] < message["U"] <= message["u"]
            gaps += message["U"] > message["pu"] + 1
        if "u" in message:
            assert message["u"] >= last
            last = message["u"]
    assert gaps > 80


@given(seed=seeds)
@few
def test_trade_stands_at_the_best_price_and_consumes_it(seed: int) -> None:
    frames = recorded(market_of(PAIR, seed), 6)
    for symbol in PAIR:
        assert checked_trades(frames, symbol) > 50


def checked_trades(frames: list[RawFrame], symbol: str) -> int:
    """Check trades between two tickers against both; returns how many."""
    prices: dict[bool, Decimal] = {}
    left: dict[bool, Decimal] = {}
    makers: list[bool] = []
    checked = 0
    for kind, message in messages(frames, symbol, "bookTicker", "trade"):
        if kind == "bookTicker":
            now = {True: Decimal(message["b"]), False: Decimal(message["a"])}
            sizes = {True: Decimal(message["B"]), False: Decimal(message["A"])}
            for maker in makers:
                same = now[maker] == prices[maker]
                assert left[maker] == (sizes[maker] if same else 0)
            prices, left, makers = now, sizes, []
        elif prices:  # the first ticker has none before it
            assert Decimal(message["p"]) == prices[message["m"]]
            left[message["m"]] -= Decimal(message["q"])
            makers.append(message["m"])
            checked += 1
    return checked


@given(seed=seeds)
@few
def test_trade_ids_are_consecutive_and_add_up_to_the_aggregates(seed: int) -> None:
    frames = recorded(market_of(PAIR, seed), 5)
    for symbol in PAIR:
        trades = [message for _, message in messages(frames, symbol, "trade")]
        sizes = {trade["t"]: Decimal(trade["q"]) for trade in trades}
        assert list(sizes) == list(range(trades[0]["t"], trades[-1]["t"] + 1))
        last_trade, last_aggregate = trades[0]["t"] - 1, None
        for _, whole in messages(frames, symbol, "aggTrade"):
            assert whole["f"] == last_trade + 1
            assert last_aggregate is None or whole["a"] == last_aggregate + 1
            last_trade, last_aggregate = whole["l"], whole["a"]
            parts = [sizes[t] for t in range(whole["f"], whole["l"] + 1)]
            assert sum(parts) == Decimal(whole["q"])
            assert 110 <= whole["E"] - whole["T"] <= 151


@pytest.mark.parametrize("symbol", [*KNOWN, "WIFUSDT", "BTCUSDT_271231"])
def test_market_numbers_lie_on_the_grid_with_fixed_decimals(symbol: str) -> None:
    market = market_of([symbol])
    listing = market.listings[symbol]
    for price, quantity in numbers(recorded(market, 3), symbol):
        for text, decimals, grid in (
            (price, listing.price_decimals, listing.tick),
            (quantity, listing.quantity_decimals, listing.step),
        ):
            assert len(text.partition(".")[2]) == decimals
            assert Decimal(text) % unscaled(grid, decimals) == 0
        assert Decimal(price) > 0


def numbers(frames: list[RawFrame], symbol: str) -> Iterator[tuple[str, str]]:
    for kind, message in messages(frames, symbol):
        if kind == "bookTicker":
            yield from ((message["b"], message["B"]), (message["a"], message["A"]))
        elif "q" in message:
            yield message["p"], message["q"]
        else:
            sides = ("bids", "asks") if kind == "snapshot" else ("b", "a")
            yield from chain.from_iterable(message[side] for side in sides)


@pytest.mark.untraced
def test_market_diff_levels_look_like_the_exchange() -> None:
    frames = recorded(market_of(PAIR), 60)
    book, sizes, seen = NaiveBook(), [], Counter[str]()
    for kind, message in messages(frames, "BTCUSDT", "snapshot", "depth@100ms"):
        if kind == "depth@100ms" and not book.buffer:
            sizes.append(len(message["b"]) + len(message["a"]))
            seen.update(habits(book, message))
            assert message["st"] == 1
            assert message["ps"] == message["s"] == "BTCUSDT"
        book.feed(kind, message)
    typical = [size for size in sizes if 15 <= size <= 75]
    assert len(typical) > len(sizes) * 8 // 10
    assert max(sizes) > 150
    assert all(seen[habit] > 20 for habit in ("repeat", "delete", "unknown delete"))
    assert seen["far"] > 0


def habits(book: NaiveBook, event: Message) -> Iterator[str]:
    for side, levels in ((book.bids, event["b"]), (book.asks, event["a"])):
        prices = [Decimal(price) for price, _ in levels]
        assert prices == sorted(set(prices))
        for price, quantity in levels:
            if quantity == "0.000":
                yield "delete" if Decimal(price) in side else "unknown delete"
            elif side.get(Decimal(price)) == Decimal(quantity):
                yield "repeat"
            if book.bids and not Decimal("0.96") < Decimal(price) / max(book.bids) < 2:
                yield "far"


@pytest.mark.parametrize("seed", [0, 7])
@pytest.mark.parametrize("symbol", PAIR)
def test_market_default_seeds_visit_every_zone_within_a_minute(
    symbol: str, seed: int
) -> None:
    market, zones = market_of([symbol], seed), Counter[str]()
    for _ in messages(generate(market, 60), symbol, "depth@100ms"):
        image = market.book(symbol, 5)
        bids, asks = (sum(q for _, q in side) for side in (image.bids, image.asks))
        zones[
            (
                "BUY"
                if bids > 3 * asks
                else "SELL" if 100 * bids < 33 * asks else "NEUTRAL"
            )
        ] += 1
    assert all(zones[zone] > 20 for zone in ("BUY", "SELL", "NEUTRAL"))


@pytest.mark.untraced
def test_market_moves_reach_target_stop_and_neither_within_a_minute() -> None:
    outcomes = Counter[str]()
    for symbol in PAIR:
        market = market_of([symbol], 7)
        asks, bids = [], []
        for _ in messages(generate(market, 300), symbol, "depth@100ms"):
            image = market.book(symbol, 1)
            bids.append(image.bids[0][0])
            asks.append(image.asks[0][0])
        for start in range(0, len(bids) - 600, 50):
            outcomes[outcome(asks[start], bids[start : start + 600])] += 1
    assert all(outcomes[end] >= 5 for end in ("target", "stop", "time")), outcomes


def outcome(paid: int, bids: list[int]) -> str:
    """How a purchase ends: sold 20 bps higher, 15 bps lower or a minute later."""
    for bid in bids:
        if (bid - paid) * 10_000 >= 20 * paid:
            return "target"
        if (bid - paid) * 10_000 <= -15 * paid:
            return "stop"
    return "time"


@pytest.mark.untraced
@given(seed=seeds)
@few
def test_flow_after_each_action_quotes_stand_around_the_fair_price(seed: int) -> None:
    flow = OrderFlow(listing_of("ETHUSDT"), Random(seed), update_id=1)
    for _ in range(2_000):
        list(flow.act())
        flow.churn()
        (bid, _), (ask, _) = flow.book.top()
        assert bid * FINE <= flow.fair < ask * FINE


@pytest.mark.untraced
def test_flow_coarse_prices_stay_positive_and_alive() -> None:
    flow = OrderFlow(listed("ODDUSDT", "1.000", "0.001", "1"), Random(1), update_id=1)
    for _ in range(5_000):
        list(flow.act())
        flow.churn()
    assert min(flow.book.bids.prices) > 0
    assert len(flow.book.asks) > 500


def test_frames_until_called_repeatedly_gives_the_same_frames() -> None:
    whole = recorded(market_of(PAIR), 3)
    market, pieces = market_of(PAIR), list[RawFrame]()
    for until_ns in range(DEFAULT_START_NS, DEFAULT_START_NS + 3 * NS_PER_S, 7_000_000):
        pieces.extend(market.frames_until(until_ns))
    pieces.extend(generate(market, 3))
    assert pieces == whole


def test_generate_bounds_frames_by_virtual_time() -> None:
    market = SyntheticMarket(PAIR, start_ns=5 * NS_PER_S)
    frames = recorded(market, 2)
    assert 5 * NS_PER_S < frames[0].received_ns
    assert frames[-1].received_ns < 7 * NS_PER_S <= next(market).received_ns


def test_market_default_streams_leave_single_trades_out() -> None:
    some = recorded(SyntheticMarket(PAIR), 3)
    every = recorded(market_of(PAIR), 3)
    assert some == [frame for frame in every if not frame.stream.endswith("@trade")]
    assert {frame.stream.partition("@")[2] for frame in some} == set(STREAMS)


@pytest.mark.parametrize(
    ("symbols", "streams", "words"),
    [
        ([], STREAMS, "at least one symbol"),
        (["BTCUSDT", "BTCUSDT"], STREAMS, "given twice: BTCUSDT"),
        (["btcusdt"], STREAMS, "uppercase symbol, was 'btcusdt'"),
        (['BT"C'], STREAMS, "uppercase symbol"),
        (["BTCUSDT"], ["kline_1m"], "kline_1m"),
    ],
)
def test_market_unusable_arguments_are_refused(
    symbols: list[str], streams: list[str], words: str
) -> None:
    with pytest.raises(ConfigurationError, match=words):
        SyntheticMarket(symbols, streams=streams)


@pytest.mark.parametrize(
    ("start_price", "tick", "step"),
    [
        ("61800.15", "0.10", "0.001"),
        ("100.00", "0.001", "1"),
        ("9.99", "0.01", "1"),
        ("100.00", "0.00", "1"),
        ("100.00", "0.01", "0.0"),
        ("-100.00", "0.01", "1"),
    ],
)
def test_listed_impossible_grid_is_refused(
    start_price: str, tick: str, step: str
) -> None:
    with pytest.raises(ConfigurationError, match="XUSDT"):
        listed("XUSDT", start_price, tick, step)


def test_listing_of_unknown_symbol_depends_on_its_name_only() -> None:
    assert listing_of("WIFUSDT") == listing_of("WIFUSDT")
    assert listing_of("WIFUSDT") != listing_of("PEPEUSDT")
    assert listing_of("BTCUSDT_271231").pair == "BTCUSDT"


@pytest.mark.parametrize(
    ("value", "decimals", "text"),
    [(0, 3, "0.000"), (6180010, 2, "61800.10"), (7, 5, "0.00007"), (12, 0, "12")],
)
def test_fixed_keeps_every_decimal(value: int, decimals: int, text: str) -> None:
    assert fixed(value, decimals) == text


@pytest.mark.parametrize(
    ("outward", "price", "found"),
    [(1, 11, 12), (1, 12, 12), (1, 99, 14), (-1, 13, 12), (-1, 12, 12), (-1, 1, 10)],
)
def test_behind_finds_the_next_level_outward(
    outward: int, price: int, found: int
) -> None:
    side = Side(outward)
    for level in (10, 12, 14):
        side.put(level, 1)
    assert side.behind(price) == found
