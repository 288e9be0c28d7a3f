"""Scans: what is measured of a market known by heart, and what is said of it."""

from decimal import Decimal

import msgspec
import pytest

from flows.domain.books import Books
from flows.domain.event import ClockTick, DepthDelta, DepthSnapshot, Event, Levels
from flows.domain.imbalance import ImbalanceRule
from flows.domain.instrument import Instrument, Instruments
from flows.domain.market import Market
from flows.domain.samples import Samples
from flows.domain.scan import Scanner
from flows.domain.suitability import Scanned, ScanTerms, judge
from flows.domain.units import NS_PER_S
from tests.domain.scene import START_NS

A = "AAAUSDT"
TERMS = ScanTerms(
    order_notional=Decimal(1_000),
    max_slippage_bps=Decimal(5),
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

    def __init__(
        self,
        *,
        terms: ScanTerms = TERMS,
        instrument: Instrument = TICK,
        market: Market = Market.USD_M,
        is_live: bool = False,
    ) -> None:
        books = Books(depth=5, stale_after_ms=3_000)
        rule = ImbalanceRule(buy_above=Decimal(3), sell_below=Decimal("0.33"))
        known = Instruments({A: instrument})
        self.scanner = Scanner(books, rule, terms, known, is_live=is_live)
        self.market = market
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
            A, now_ns, self.market, now_id, now_id, last, bids, asks, "a@depth"
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
    assert found.imbalance_p50 == Decimal("-0.03030")
    assert found.fill_share == 1
    assert found.entry_notional == Decimal("990.594")  # 9.9 at 100.06, a sale 999.5


def test_scanner_known_book_breaks_even_without_the_spread_counted_twice() -> None:
    watch = Watch()
    watch.begin()
    watch.pass_seconds(2)
    found = watch.result()
    # Long of 9.9 (1000 at most 100.06): in for 990.175, out at 989.665, at the best bid
    # it would be 989.901. Short of 10.0: in at 999.66, out for 1000.18, at best 1000.1.
    assert found.exit_impact_bps == Decimal("1.59184")  # 2.38342 and 0.80027
    assert found.impact_bps == Decimal("3.17602")  # and 0.76754, 2.40082 to enter
    assert found.cost_bps == Decimal("15.17618")  # 5.15060 and 5.20177, and the fees
    assert found.break_even_win_rate == Decimal("0.75977")  # (15 + 10 + 1.59184) / 35
    assert found.fee_win_rate == Decimal("0.71429")  # (15 + 10) / 35
    # The bid is to come from 99.99 to 990.175 / 9.9 x 1.002, the ask from 100.01 to
    # 99.966 x 0.998: 22.77121 and 24.39320 bps of 100.
    assert found.target_move_bps == Decimal("23.58220")


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
    assert found.reach_share == Decimal("0.42857")  # from 3 of 7 moments
    assert found.volatility_bps == Decimal("26.84080")  # 41 bps thrice, else 0


def test_scanner_price_that_moves_by_less_than_target_and_spread_is_not_reached() -> (
    None
):
    watch = Watch()
    watch.begin()
    watch.pass_seconds(5)
    gone = [("100.01", "0"), ("100.05", "0"), ("100.22", "9")]
    watch.feed(watch.delta([("100.20", "9")], gone))  # 21 bps, and 22.8 are needed
    watch.pass_seconds(5)
    found = watch.result()
    assert found.mid == Decimal("100.21")
    assert found.reach_share == 0


def test_scanner_order_larger_than_the_book_costs_what_its_fills_cost() -> None:
    watch = Watch()
    watch.begin([("99.99", "4.0")], [("100.01", "4.0")])
    watch.pass_seconds(4)
    found = watch.result()
    assert found.fill_share == 0
    assert found.impact_bps == 0
    assert found.cost_bps == Decimal("12.00000")
    assert found.sentence == (
        "Unsuitable: 100.0 % of the time its book has no room for an order of 1000 "
        "within 5 bps of the best price."
    )


def test_scanner_seconds_without_one_side_are_left_out() -> None:
    watch = Watch()
    watch.begin()
    watch.pass_seconds(2)
    watch.feed(watch.delta([], [(price, "0") for price, _ in ASKS]))
    watch.pass_seconds(3)
    found = watch.result()
    assert found.seconds == 5
    assert found.mid == 100
    assert found.spread_bps == 2
    assert found.fill_share == 1


@pytest.mark.parametrize(("step", "is_cut"), [("0.00005", True), ("0.0002", False)])
def test_scanner_depth_beyond_the_known_levels_is_told_as_cut(
    step: str, *, is_cut: bool
) -> None:
    asks = [(str(Decimal("100.01") + i * Decimal(step)), "1.0") for i in range(1_000)]
    watch = Watch()
    watch.begin(BIDS, asks)
    watch.pass_seconds(2)
    assert watch.result().is_depth_cut is is_cut  # 10 bps reach to 100.1


def test_scanner_room_beyond_the_slippage_limit_is_none() -> None:
    watch = Watch()
    watch.begin(BIDS, [("100.01", "8.0"), ("100.07", "50.0")])
    watch.pass_seconds(4)
    assert watch.result().fill_share == 0


def test_scanner_position_that_cannot_be_left_has_no_cost() -> None:
    watch = Watch()
    watch.begin([("99.99", "1.0")], ASKS)
    watch.pass_seconds(4)
    found = watch.result()
    assert found.fill_share == 0
    assert found.cost_bps is found.break_even_win_rate is None


@pytest.mark.parametrize(
    ("step", "least", "comes_to"),
    [("0.1", "995", "990.594"), ("7", "995", "699.65"), ("11", "5", "0.00")],
)
def test_scanner_entry_that_whole_steps_leave_too_small_is_unsuitable(
    step: str, least: str, comes_to: str
) -> None:
    instrument = Instrument(Decimal("0.01"), Decimal(step), Decimal(least))
    watch = Watch(instrument=instrument)
    watch.begin()
    watch.pass_seconds(2)
    found = watch.result()
    assert found.verdict == "unsuitable"
    expected = f"its least order is {least}, and an entry of 1000 comes to {comes_to}"
    assert found.reasons[0] == expected


def test_scanner_contracts_are_not_taken_for_money() -> None:
    watch = Watch(market=Market.COIN_M)
    watch.begin()
    watch.pass_seconds(5)
    found = watch.result()
    assert found.depth_5bps is found.depth_10bps is found.cost_bps is None
    assert found.fill_share is found.entry_notional is None
    assert found.spread_bps == 2
    assert found.reach_share == 0
    assert found.reasons == (
        "it is no USD-M future",
        "its quantities are contracts: depth and cost are not known in money",
    )


def test_scanner_pause_between_recordings_is_not_watched() -> None:
    watch = Watch()
    watch.begin([("99.99", "400.0")], ASKS)
    watch.pass_seconds(10)
    watch.second += 3_600
    watch.pass_seconds(10)
    found = watch.result()
    assert found.seconds == 19
    assert found.synced_share == 1
    assert found.updates_per_s == Decimal("1.10526")  # 21 in 19 s
    assert found.signals_per_hour == Decimal("378.94737")  # 2 in 19 s
    assert found.buy_share == 1


def test_scanner_silence_of_a_minute_is_watched_and_a_longer_one_is_not() -> None:
    watch = Watch()
    watch.begin()
    for silence_s, seconds in ((60, 60), (61, 60), (1, 61)):
        watch.second += silence_s
        watch.feed(watch.delta([], []))
        assert watch.result().seconds == seconds


def test_scanner_live_silence_is_watched_as_long_as_the_clock_ticks() -> None:
    watch = Watch(is_live=True)
    watch.begin()
    for second in range(1, 101):
        watch.feed(ClockTick(START_NS + second * NS_PER_S))
    found = watch.result()
    assert (found.seconds, found.synced_share) == (100, Decimal("0.03"))


def test_scanner_recorded_silence_is_not_proven_by_a_clock() -> None:
    watch = Watch()
    watch.begin()
    for second in range(1, 101):
        watch.feed(ClockTick(START_NS + second * NS_PER_S))
    assert watch.result().seconds == 0


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


def test_median_of_basis_points_keeps_five_decimals() -> None:
    samples = Samples()
    samples.add(Decimal("0.0166666"))
    assert samples.median() == Decimal("0.01666")


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
        "cost_bps": Decimal("10.21"),
        "exit_impact_bps": Decimal("0.10"),
        "break_even_win_rate": Decimal("0.71714"),
    }
    return msgspec.structs.replace(watch.result(), **fine | changes)


def test_scanned_of_an_earlier_journal_has_unknown_what_was_not_measured() -> None:
    body = msgspec.to_builtins(measured())
    for later in ("target_move_bps", "entry_notional", "exit_impact_bps"):
        del body[later]
    del body["fee_source"], body["fee_win_rate"]
    found = msgspec.convert(body, Scanned)
    assert found.spread_bps == 2
    assert found.target_move_bps is found.fee_win_rate is None


def test_judge_nothing_wrong_is_suitable_beside_the_floor_of_the_fees() -> None:
    verdict, (reason,) = judge(measured(), TERMS, TICK, is_traded=True)
    assert verdict == "suitable"
    assert reason == (
        "fees alone ask for 71.4 % of trades to win, and this market for 71.7 %; its "
        "spread and impact cost 0.21 bps a round trip"
    )


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"seconds": 539}, "only 539 s were seen"),
        ({"seconds": 59, "mid": None}, "only 59 s were seen"),
        ({"cost_bps": Decimal("11.76")}, "spread and impact cost 1.76 bps a round"),
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
        ({"mid": None}, "its book was never true in 3600 s"),
        ({"mid": None, "seconds": 60}, "its book was never true in 60 s"),
        ({"exit_impact_bps": Decimal(10)}, "take 20.00 bps, and the target is 20"),
        ({"target_move_bps": Decimal(35)}, "take 15.00 bps, and the stop is 15"),
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
    ],
)
def test_judge_what_the_exchange_forbids_makes_it_unsuitable(
    instrument: Instrument, is_traded: bool, words: str
) -> None:
    verdict, (reason,) = judge(measured(), TERMS, instrument, is_traded=is_traded)
    assert verdict == "unsuitable"
    assert words in reason


def test_judge_entry_not_yet_looked_at_is_taken_as_it_is_set() -> None:
    found = measured(entry_notional=None)
    greedy = msgspec.structs.replace(TICK, min_notional=Decimal(1_001))
    assert judge(found, TERMS, TICK, is_traded=True)[0] == "suitable"
    assert judge(found, TERMS, greedy, is_traded=True)[1] == (
        "its least order is 1001, and an entry of 1000 comes to 1000",
    )
