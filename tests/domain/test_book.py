"""The reference book against the most naive one: dicts of Decimal, sorted each time."""

from decimal import Decimal
from random import Random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from flows.domain.book import FULL_SNAPSHOT_SIDE, Book, BookSide
from flows.domain.event import DepthSnapshot, Levels
from flows.domain.units import unscaled
from tests.domain.market_events import Texts, delta, snapshot

DEPTH = 5
Side = dict[Decimal, Decimal]

prices = st.one_of(
    st.integers(1, 12).map(str),
    st.sampled_from(["7.5", "7.50", "07.5", "8.25", "0.1", "3." + "0" * 29 + "1"]),
    st.sampled_from(["9" * 60, "9" * 59 + "8.25"]),
)
quantities = st.one_of(
    st.sampled_from(["0", "0.000", "0." + "0" * 30]),
    st.integers(1, 9).map(str),
    st.sampled_from(["1.5", "1.500", "2." + "0" * 29 + "7", "8" * 5_000]),
)
sides = st.lists(st.tuples(prices, quantities), max_size=12)
events = st.tuples(sides, sides)


class NaiveBook:
    """Two dicts; everything else is sorted when asked for."""

    def __init__(self) -> None:
        self.bids: Side = {}
        self.asks: Side = {}

    def apply(self, bids: Texts, asks: Texts) -> None:
        for side, levels in ((self.bids, bids), (self.asks, asks)):
            for price, quantity in levels:
                side[Decimal(price)] = Decimal(quantity)
                if not Decimal(quantity):
                    del side[Decimal(price)]

    def best_bids(self) -> list[tuple[Decimal, Decimal]]:
        return sorted(self.bids.items(), reverse=True)

    def best_asks(self) -> list[tuple[Decimal, Decimal]]:
        return sorted(self.asks.items())

    def is_crossed(self) -> bool:
        return bool(self.bids and self.asks and max(self.bids) >= min(self.asks))


def exact_levels(book: Book, side: BookSide) -> Side:
    assert list(side.prices) == sorted(side.lots)
    return {
        unscaled(price, book.price_decimals): unscaled(lots, book.quantity_decimals)
        for price, lots in side.levels()
    }


def assert_equal(book: Book, naive: NaiveBook) -> None:
    assert exact_levels(book, book.bids) == naive.bids
    assert exact_levels(book, book.asks) == naive.asks
    assert book.is_crossed() is naive.is_crossed()
    view = book.view(delta((1, 2, 0)), 3, DEPTH)
    best_bids, best_asks = naive.best_bids()[:DEPTH], naive.best_asks()[:DEPTH]
    assert [(view.price(p), view.quantity(q)) for p, q in view.bids] == best_bids
    assert [(view.price(p), view.quantity(q)) for p, q in view.asks] == best_asks
    assert view.bid_lots == sum(lots for _, lots in view.bids)
    assert view.ask_lots == sum(lots for _, lots in view.asks)
    assert view.best_bid == (best_bids[0][0] if best_bids else None)
    assert view.best_ask == (best_asks[0][0] if best_asks else None)
    assert not view.is_beyond_horizon


@pytest.mark.untraced
@settings(deadline=None, max_examples=120)
@given(events, st.lists(events, max_size=8))
def test_apply_any_events_equal_the_naive_book(
    first: tuple[Levels, Levels], later: list[tuple[Levels, Levels]]
) -> None:
    book, naive = Book(), NaiveBook()
    book.load(snapshot(1, *first))
    naive.apply(*first)
    assert_equal(book, naive)
    for bids, asks in later:
        book.apply(delta((1, 2, 0), bids, asks))
        naive.apply(bids, asks)
        assert_equal(book, naive)


@settings(deadline=None, max_examples=60)
@given(st.lists(events, max_size=4), events)
def test_apply_same_event_again_changes_nothing(
    before: list[tuple[Levels, Levels]], event: tuple[Levels, Levels]
) -> None:
    book = Book()
    for levels in before:
        book.apply(delta((1, 2, 0), *levels))
    book.apply(delta((1, 2, 0), *event))
    once = (dict(book.bids.levels()), dict(book.asks.levels()))
    book.apply(delta((1, 2, 0), *event))
    assert (dict(book.bids.levels()), dict(book.asks.levels())) == once


def test_apply_ten_thousand_levels_equal_the_naive_book() -> None:
    random = Random(7)
    book, naive = Book(), NaiveBook()
    for _ in range(3):
        bids, asks = (
            [
                (f"{random.randrange(9_000)}.{random.randrange(10)}", quantity)
                for quantity in random.choices(("0.000", "1.250", "3.000"), k=10_000)
            ]
            for _ in range(2)
        )
        book.apply(delta((1, 2, 0), bids, asks))
        naive.apply(bids, asks)
    assert_equal(book, naive)


def test_apply_more_decimals_in_the_middle_keeps_every_value() -> None:
    book = Book()
    book.load(snapshot(1, [("100", "2"), ("99", "1")], [("101", "3")]))
    book.apply(delta((2, 3, 1), [("100", "2"), ("99.25", "0.001"), ("99", "0")]))
    assert (book.price_decimals, book.quantity_decimals) == (2, 3)
    assert dict(book.bids.levels()) == {100_00: 2_000, 99_25: 1}
    assert dict(book.asks.levels()) == {101_00: 3_000}


def test_apply_unknown_level_removed_is_no_change() -> None:
    book = Book()
    book.load(snapshot(1))
    book.apply(delta((2, 3, 1), [("5", "0")], [("500", "0.0")]))
    assert exact_levels(book, book.bids) == {Decimal(10): Decimal(1)}
    assert exact_levels(book, book.asks) == {Decimal(11): Decimal(1)}


def test_apply_price_twice_in_event_takes_the_later() -> None:
    book = Book()
    book.apply(delta((2, 3, 1), [("5", "1"), ("5", "2")], [("6", "1"), ("6", "0")]))
    assert (dict(book.bids.levels()), dict(book.asks.levels())) == ({5: 2}, {})


@pytest.mark.parametrize("number", ["", "-1", "1e3", "x", "1.2.3", " 1"])
def test_apply_malformed_number_raises_value_error(number: str) -> None:
    for level in ((number, "1"), ("1", number)):
        with pytest.raises(ValueError, match="Expected an unsigned decimal"):
            Book().apply(delta((2, 3, 1), [level]))
        with pytest.raises(ValueError, match="Expected an unsigned decimal"):
            Book().load(snapshot(1, [level]))


def test_load_snapshot_again_replaces_everything() -> None:
    book = Book()
    book.load(snapshot(1, [("10", "1"), ("9", "1")], [("11", "1")]))
    book.load(snapshot(2, [("8", "2")], [("8.5", "0"), ("9", "3")]))
    assert exact_levels(book, book.bids) == {Decimal(8): Decimal(2)}
    assert exact_levels(book, book.asks) == {Decimal(9): Decimal(3)}


def test_is_crossed_equal_best_prices_is_true() -> None:
    book = Book()
    book.load(snapshot(1, [("10.0", "1")], [("10", "1")]))
    assert book.is_crossed()


def test_view_of_event_says_market_and_times() -> None:
    book = Book()
    book.load(snapshot(1, [("10", "1")], []))
    event = delta((2, 3, None), at=5)
    view = book.view(event, 9, DEPTH)
    assert (view.symbol, view.update_id, view.received_ns) == ("BTCUSDT", 3, 9)
    assert not view.is_traded
    assert view.best_ask is None


# The depth horizon -----------------------------------------------------------------


def ladder(best: int, step: int, count: int = FULL_SNAPSHOT_SIDE) -> Levels:
    return [(str(best + step * number), "1") for number in range(count)]


def test_view_within_snapshot_edge_is_not_beyond_horizon() -> None:
    book = Book()
    book.load(snapshot(1, ladder(5_000, -1), ladder(5_001, 1)))
    assert (book.bids.edge, book.asks.edge) == (4_001, 6_000)
    assert not book.view(delta((1, 2, 0)), 3, DEPTH).is_beyond_horizon


@pytest.mark.parametrize("is_bid", [True, False])
def test_view_level_past_snapshot_edge_is_beyond_horizon(is_bid: bool) -> None:
    book = Book()
    book.load(snapshot(1, ladder(5_000, -1), ladder(5_001, 1)))
    kept, removed = ladder(4_001, 1, 4), ladder(4_005, 1, 996)
    levels = [(price, "0") for price, _ in removed] + [("4000", "1")]
    if is_bid:
        book.apply(delta((2, 3, 1), levels))
    else:
        mirrored = [(str(10_001 - int(price)), quantity) for price, quantity in levels]
        book.apply(delta((2, 3, 1), [], mirrored))
    view = book.view(delta((2, 3, 1)), 3, DEPTH)
    assert len(view.bids) == len(view.asks) == DEPTH
    assert view.is_beyond_horizon
    assert not book.view(delta((2, 3, 1)), 3, len(kept)).is_beyond_horizon


def test_view_side_thinner_than_depth_is_beyond_horizon_only_where_cut_off() -> None:
    book = Book()
    book.load(snapshot(1, ladder(5_000, -1), [("5001", "1")]))
    assert not book.view(delta((1, 2, 0)), 3, DEPTH).is_beyond_horizon
    book.apply(delta((2, 3, 1), [(price, "0") for price, _ in ladder(4_003, 1, 998)]))
    assert len(dict(book.bids.levels())) == 2
    assert book.view(delta((2, 3, 1)), 3, DEPTH).is_beyond_horizon
    book.apply(delta((4, 5, 3), [("4001", "0"), ("4002", "0")]))
    assert book.view(delta((4, 5, 3)), 3, DEPTH).is_beyond_horizon


def test_load_side_of_one_level_less_has_no_edge() -> None:
    book = Book()
    book.load(snapshot(1, ladder(5_000, -1, FULL_SNAPSHOT_SIDE - 1), []))
    assert book.bids.edge is None


def test_raise_scale_edge_moves_with_the_prices() -> None:
    book = Book()
    book.load(snapshot(1, ladder(5_000, -1), []))
    book.raise_scale(2, 0)
    assert book.bids.edge == 4_001_00
    assert book.bids.is_known(4_001_00)
    assert not book.bids.is_known(4_000_99)


@pytest.mark.parametrize(
    ("change", "is_match"),
    [
        ((), True),
        ((("4990", "1.0"),), True),  # the same number
        ((("4990", "2"),), False),
        ((("4990", "0"),), False),
        ((("4990.5", "1"),), False),
        ((("3000", "1"),), True),  # beyond both edges
    ],
)
def test_matches_one_level_changed_is_seen_within_the_horizon(
    change: Texts, is_match: bool
) -> None:
    mine, other = Book(), Book()
    mine.load(snapshot(1, ladder(5_000, -1), ladder(5_001, 1)))
    other.load(snapshot(1, ladder(5_000, -1), ladder(5_001, 1)))
    other.apply(delta((2, 3, 1), change))
    assert mine.matches(other) is is_match
    assert other.matches(mine) is is_match


def test_extend_complete_side_leaves_no_edge() -> None:
    mine, other = Book(), Book()
    mine.load(snapshot(1, ladder(5_000, -1), []))
    other.load(snapshot(2, [("4100", "1"), ("4", "9")], []))
    mine.bids.extend(other.bids)
    assert mine.bids.edge is None
    assert dict(mine.bids.levels())[4] == 9


@pytest.mark.untraced
@settings(deadline=None, max_examples=25)
@given(st.integers(0, 2**32), st.integers(1, 10))
def test_extend_matching_books_knows_more_and_nothing_wrong(
    seed: int, moves: int
) -> None:
    random = Random(seed)
    truth = NaiveBook()
    truth.apply(
        [(str(price), "1") for price in random.sample(range(10_000), 3_000)],
        [(str(price), "1") for price in random.sample(range(10_000, 20_000), 3_000)],
    )
    mine, other = Book(), Book()
    mine.load(best_of(truth))
    for _ in range(moves):
        # some of the best go, so that the second snapshot reaches deeper
        gone = [(str(price), "0") for price, _ in truth.best_bids()[:60]]
        moved = [(str(random.randrange(10_000)), "2") for _ in range(5)]
        event = delta((2, 3, 1), gone + moved)
        mine.apply(event)
        truth.apply(event.bids, event.asks)
    other.load(best_of(truth))
    edge = mine.bids.edge
    assert mine.matches(other)
    mine.extend(other)
    for side, true_side in ((mine.bids, truth.bids), (mine.asks, truth.asks)):
        held = {Decimal(price): Decimal(lots) for price, lots in side.levels()}
        assert held.items() <= true_side.items()
        assert {p for p in true_side if side.is_known(int(p))} <= held.keys()
    assert edge is not None
    assert mine.bids.edge is not None
    assert mine.bids.edge == other.bids.edge
    assert mine.bids.edge < edge


def best_of(truth: NaiveBook) -> DepthSnapshot:
    bids = [(str(p), str(q)) for p, q in truth.best_bids()[:FULL_SNAPSHOT_SIDE]]
    asks = [(str(p), str(q)) for p, q in truth.best_asks()[:FULL_SNAPSHOT_SIDE]]
    return snapshot(9, bids, asks)


def test_apply_prices_that_come_and_go_are_not_kept_for_ever() -> None:
    book = Book()
    for price in range(1, 10_001):
        text = str(price)
        book.apply(delta((1, 2, 0), [(text, "1")], []))
        book.apply(delta((1, 2, 0), [(text, "0")], []))
    assert len(book.bids.lots) == len(book.bids.prices) <= 1_002
    assert list(book.bids.levels()) == []
    assert book.bids.best() is None
    assert len(book.bids.prices) == 0
