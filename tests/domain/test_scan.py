"""Scans: what is measured of a market known by heart, and what is said of it."""

from decimal import Decimal

import msgspec
import pytest

from flows.domain.books import Books
from flows.domain.event import DepthDelta, DepthSnapshot, Event, Levels
from flows.domain.imbalance import ImbalanceRule
from flows.domain.instrument import Instrument, Instruments
from flows.domain.market import Market
from flows.domain.scan import Samples, Scanner
from flows.domain.suitability import Scanned, ScanTerms, judge
from flows.domain.units import NS_PER_S
from tests.domain.scene import START_NS

A = "AAAUSDT"
TERMS = ScanTerms(
    order_notional=Decimal(1_000),
    target_bps=Decimal(20),
    stop_bps=Decimal(15),
    hold_s=3,
    fee_bps=Decimal(5),
)
TICK = Instrument(Decimal("0.01"), Decimal("0.1"), Decimal(5))
BIDS = [("99.99", "4.0"), ("99.95", "10.0"), ("99.00", "50.0")]
ASKS = [("100.01", "8.0"), ("100.05", "10.0"), ("101.00", "50.0")]


class Watch:
    """A scanner and the market that it watches."""

    def __init__(self) -> None:
        books = Books(depth=5, stale_after_ms=3_000)
        rule = ImbalanceRule(buy_above=Decimal(3), sell_below=Decimal("0.33"))
        self.scanner = Scanner(books, rule, TERMS, Instruments({A: TICK}))
        self.second = 0
        self.update_id = 10

    def feed(self, *events: Event) -> None:
        for event in events:
            self.scanner.apply(event)

    def begin(self, bids: Levels | None = None, asks: Levels | None = None) -> None:
        """A true book at second 0."""
        self.feed(
            DepthSnapshot(A, START_NS, 10, bids or BIDS, asks or ASKS),
            self.delta([], []),
        )

    def delta(self, bids: Levels, asks: Levels) -> DepthDelta:
        """The next depth event, at the present second."""
        self.update_id += 1
        last = self.update_id - 1
        now_ns = START_NS + self.second * NS_PER_S
        now_id = self.update_id
        return DepthDelta(
            A, now_ns, Market.USD_M, now_id, now_id, last, bids, asks, "a@depth"
        )

    def pass_seconds(self, count: int) -> None:
        """A depth event that changes nothing, each second."""
        for _ in range(count):
            self.second += 1
            self.feed(self.delta([], []))

    def result(self) -> Scanned:
        (found,) = self.scanner.results()
        return found


def test_scanner_known_book_measures_spread_depth_and_cost() -> None:
    watch = Watch()
    watch.begin()
    watch.pass_seconds(10)
    found = watch.result()
    assert found.seconds == 10
    assert found.synced_share == 1
    assert found.updates_per_s == Decimal("1.1")
    assert found.mid == 100
    assert found.tick_bps == 1
    assert found.spread_bps == found.spread_p90_bps == 2
    assert found.depth_5bps == found.depth_10bps == Decimal("1399.46")
    assert found.imbalance_p50 == Decimal("-0.030")
    assert found.fill_share == 1
    assert found.impact_bps == Decimal("3.2")  # 1000.18 paid, 999.66 got, on 1000
    assert found.cost_bps == Decimal("15.2")
    assert found.break_even_win_rate == Decimal("0.863")  # (15 + 15.2) / 35


def test_scanner_zones_are_weighted_by_time_and_entries_counted() -> None:
    watch = Watch()
    watch.begin()
    watch.pass_seconds(2)
    watch.feed(watch.delta([("99.90", "400")], []))
    watch.pass_seconds(3)
    watch.feed(watch.delta([("99.90", "0")], [("100.10", "400")]))
    watch.pass_seconds(5)
    found = watch.result()
    assert (found.buy_share, found.sell_share) == (Decimal("0.3"), Decimal("0.5"))
    assert found.signals_per_hour == 2 * 360


def test_scanner_price_that_moves_by_the_target_is_reached_from_before_only() -> None:
    watch = Watch()
    watch.begin()
    watch.pass_seconds(5)
    watch.feed(watch.delta([("100.40", "1")], [("100.01", "0"), ("100.05", "0")]))
    watch.feed(watch.delta([], [("100.42", "1")]))
    watch.pass_seconds(5)
    found = watch.result()
    assert found.mid == Decimal("100.41")
    assert found.reach_share == Decimal("0.429")  # from 3 of 7 moments
    assert found.volatility_bps == Decimal("26.840")  # 41 bps thrice, else 0


def test_scanner_order_larger_than_the_book_finds_no_room() -> None:
    watch = Watch()
    watch.begin([("99.99", "4.0")], ASKS)
    watch.pass_seconds(4)
    found = watch.result()
    assert found.fill_share == 0
    assert found.impact_bps is found.cost_bps is None
    assert found.sentence == (
        "Unsuitable: 100.0 % of the time its book has no room for an order of 1000."
    )


def test_scanner_seconds_without_a_true_book_are_not_measured() -> None:
    watch = Watch()
    watch.begin()
    watch.pass_seconds(2)
    watch.update_id += 5  # lost
    watch.pass_seconds(2)
    found = watch.result()
    assert (found.seconds, found.synced_share) == (4, Decimal("0.75"))
    assert found.reach_share is None


def test_scanner_without_any_event_has_no_result() -> None:
    assert not list(Watch().scanner.results())


@pytest.mark.parametrize(
    ("per_mille", "expected"), [(1, "1"), (500, "2"), (501, "3"), (1_000, "4")]
)
def test_quantile_of_four_is_the_nearest_rank(per_mille: int, expected: str) -> None:
    samples = Samples()
    for value in (4, 2, 1, 3):
        samples.add(Decimal(value))
    assert samples.quantile(per_mille) == Decimal(expected)


def test_quantile_of_nothing_is_none() -> None:
    assert Samples().quantile(500) is None
    assert Samples().root_mean_square() is None


def measured(**changes: object) -> Scanned:
    """An instrument with which nothing is wrong."""
    watch = Watch()
    watch.begin()
    watch.pass_seconds(1)
    fine: dict[str, object] = {
        "seconds": 3_600,
        "synced_share": Decimal(1),
        "signals_per_hour": Decimal(40),
        "reach_share": Decimal("0.3"),
        "cost_bps": Decimal(4),
        "break_even_win_rate": Decimal("0.543"),
    }
    return msgspec.structs.replace(watch.result(), **fine | changes)


def test_judge_nothing_wrong_is_suitable_and_says_what_it_costs() -> None:
    assert judge(measured(), TERMS, TICK, is_traded=True) == (
        "suitable",
        ("a round trip costs 4.00 bps, and 54.3 % of trades must win to pay for it",),
    )


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"seconds": 599}, "only 599 s were seen"),
        ({"seconds": 59, "fill_share": None}, "only 59 s were seen"),
        ({"break_even_win_rate": Decimal("0.651")}, "65.1 % of trades must win"),
        ({"reach_share": Decimal("0.049")}, "from only 4.9 % of all moments"),
        ({"tick_bps": Decimal("5.1")}, "one tick is 5.10 bps"),
        ({"synced_share": Decimal("0.989")}, "true for 98.9 % of the time"),
        ({"signals_per_hour": Decimal(0)}, "it gave no signal"),
    ],
)
def test_judge_what_speaks_against_it_makes_it_doubtful(
    changes: dict[str, object], words: str
) -> None:
    verdict, (reason,) = judge(measured(**changes), TERMS, TICK, is_traded=True)
    assert verdict == "doubtful"
    assert words in reason


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"fill_share": Decimal("0.989")}, "1.1 % of the time its book has no room"),
        ({"fill_share": None}, "its book was never true in 3600 s"),
        ({"fill_share": None, "seconds": 60}, "its book was never true in 60 s"),
        ({"cost_bps": Decimal(20)}, "a round trip costs 20.00 bps, and the target is"),
    ],
)
def test_judge_what_forbids_it_makes_it_unsuitable(
    changes: dict[str, object], words: str
) -> None:
    verdict, (reason,) = judge(measured(**changes), TERMS, TICK, is_traded=True)
    assert verdict == "unsuitable"
    assert words in reason


@pytest.mark.parametrize(
    ("instrument", "is_traded", "words"),
    [
        (TICK, False, "it is no USD-M future"),
        (msgspec.structs.replace(TICK, is_trading=False), True, "has halted it"),
        (
            msgspec.structs.replace(TICK, min_notional=Decimal(1_001)),
            True,
            "its least order is 1001, more than the 1000 of an entry",
        ),
    ],
)
def test_judge_what_the_exchange_forbids_makes_it_unsuitable(
    instrument: Instrument, is_traded: bool, words: str
) -> None:
    verdict, (reason,) = judge(measured(), TERMS, instrument, is_traded=is_traded)
    assert verdict == "unsuitable"
    assert words in reason
