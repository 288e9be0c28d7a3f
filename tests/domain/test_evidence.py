"""What trades prove, on figures worked out by hand or known from the literature."""

from decimal import Decimal

import pytest

from flows.domain.evidence import (
    break_even_win_rate,
    mean_band_95,
    sum_trades,
    weigh,
    wilson_band_95,
)
from flows.domain.order import Purpose
from flows.domain.position import Direction, TradeClosed

COSTS = {
    "target_bps": Decimal(20),
    "stop_bps": Decimal(15),
    "round_trip_fee_bps": Decimal(10),
}


def _trade(net: str, fees: str = "1") -> TradeClosed:
    gross = Decimal(net) + Decimal(fees)
    return TradeClosed(
        received_ns=2,
        symbol="BTCUSDT",
        direction=Direction.LONG,
        opened_ns=1,
        quantity=Decimal(1),
        entry_notional=Decimal(1000),
        exit_notional=1000 + gross,
        gross=gross,
        fees=Decimal(fees),
        net=Decimal(net),
        exit_purpose=Purpose.TARGET,
    )


def test_wilson_band_95_half_of_hundred_equals_the_known_band() -> None:
    low, high = wilson_band_95(50, 100) or (None, None)
    assert low is not None
    assert high is not None
    assert round(low, 4) == Decimal("0.4038")
    assert round(high, 4) == Decimal("0.5962")


@pytest.mark.parametrize(("wins", "edge"), [(0, 0), (10, 1)])
def test_wilson_band_95_extremes_stay_within_zero_and_one(wins: int, edge: int) -> None:
    low, high = wilson_band_95(wins, 10) or (Decimal(-1), Decimal(-1))
    assert Decimal(0) <= low < high <= Decimal(1)
    assert min(abs(low - edge), abs(high - edge)) < Decimal("1e-9")


def test_wilson_band_95_no_trial_is_none() -> None:
    assert wilson_band_95(0, 0) is None


def test_mean_band_95_three_trades_is_mean_and_spread() -> None:
    sums = sum_trades([_trade("1"), _trade("2"), _trade("3")])
    low, high = mean_band_95(sums) or (0, 0)
    assert low + high == 4
    assert round(high - low, 6) == Decimal("2.263171")


def test_mean_band_95_equal_trades_have_no_width() -> None:
    nets = [_trade("0.333333333333333333333333333")] * 7  # whose squares are rounded
    low, high = mean_band_95(sum_trades(nets)) or (0, 1)
    assert high - low < Decimal("1e-12")


def test_mean_band_95_one_trade_is_none() -> None:
    assert mean_band_95(sum_trades([_trade("1")])) is None


@pytest.mark.parametrize(
    ("fees", "rate"), [("10", "0.714"), ("7", "0.629"), ("0", "0.429"), ("99", "1")]
)
def test_break_even_win_rate_by_fees_equals_the_known_rate(
    fees: str, rate: str
) -> None:
    found = break_even_win_rate(Decimal(20), Decimal(15), Decimal(fees))
    assert round(found, 3) == Decimal(rate)


def test_sum_trades_keeps_gains_and_losses_apart() -> None:
    sums = sum_trades([_trade(net) for net in ("3", "-1", "-1.5", "0")])
    assert (sums.trades, sums.wins) == (4, 1)
    assert [sums.gains, sums.losses, sums.net] == [3, Decimal("2.5"), Decimal("0.5")]
    assert sums.net_squares == Decimal("12.25")
    assert [sums.fees, sums.entry_notional] == [4, 4_000]


def test_weigh_profit_factor_is_gains_over_losses() -> None:
    nets = [_trade(net) for net in ("3", "-1", "-1", "0")]
    assert weigh(sum_trades(nets), **COSTS).profit_factor == Decimal("1.5")
    assert weigh(sum_trades([_trade("3")]), **COSTS).profit_factor is None


def test_weigh_no_trade_leaves_every_figure_undefined() -> None:
    evidence = weigh(sum_trades([]), **COSTS)
    assert (evidence.trades, evidence.wins) == (0, 0)
    assert (evidence.win_rate, evidence.win_rate_band) == (None, None)
    assert (evidence.mean_net, evidence.mean_net_band) == (None, None)
    assert evidence.profit_factor is None
    assert round(evidence.break_even_win_rate, 3) == Decimal("0.714")
    assert evidence.verdict.startswith("Too few trades to tell: 0 of the 30")


def test_weigh_fees_paid_decide_the_break_even() -> None:
    evidence = weigh(sum_trades([_trade("1", fees="0.7")]), **COSTS)
    assert round(evidence.break_even_win_rate, 3) == Decimal("0.629")


def test_weigh_break_even_trade_is_no_win() -> None:
    evidence = weigh(sum_trades([_trade("0"), _trade("2")]), **COSTS)
    assert (evidence.wins, evidence.win_rate) == (1, Decimal("0.5"))
    assert evidence.mean_net == 1


@pytest.mark.parametrize(
    ("nets", "sentence"),
    [
        (["-1", "-2"] * 14 + ["-1"], "Too few trades to tell: 29 of the 30"),
        (["-1", "-2"] * 15, "There is no evidence of an edge after fees"),
        (["-9", "9"] * 15, "No edge is proven after fees"),
        (["1", "2"] * 15, "The mean net per trade is above zero"),
    ],
)
def test_weigh_verdict_follows_the_band_of_the_mean(
    nets: list[str], sentence: str
) -> None:
    evidence = weigh(sum_trades([_trade(net) for net in nets]), **COSTS)
    assert evidence.verdict.startswith(sentence)
