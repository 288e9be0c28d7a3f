"""The equity curve: day, peak, drawdown."""

from decimal import Decimal

from hypothesis import given
from hypothesis import strategies as st

from flows.domain.equity import EquityCurve
from flows.domain.units import NS_PER_DAY
from tests.domain.scene import repeatable

NOON = 20_000 * NS_PER_DAY + NS_PER_DAY // 2
MIDNIGHT = 20_001 * NS_PER_DAY


def _curve(*equities: int) -> EquityCurve:
    curve = EquityCurve(Decimal(1000))
    for equity in equities:
        curve.mark(Decimal(equity), NOON)
    return curve


def test_mark_first_of_all_measures_the_day_from_the_capital() -> None:
    curve = _curve(900)
    assert (curve.day_pnl, curve.drawdown) == (Decimal(-100), Decimal(100))


def test_mark_after_a_peak_measures_drawdown_from_the_peak() -> None:
    curve = _curve(1100, 1050, 1080)
    assert (curve.peak, curve.drawdown) == (Decimal(1100), Decimal(20))
    assert curve.max_drawdown == Decimal(50)


def test_mark_before_midnight_stays_in_the_day() -> None:
    curve = _curve(900)
    curve.mark(Decimal(850), MIDNIGHT - 1)
    assert curve.day_pnl == Decimal(-150)


def test_mark_at_midnight_begins_a_day_from_the_equity_last_known() -> None:
    curve = _curve(900)
    curve.mark(Decimal(850), MIDNIGHT)
    assert (curve.day_start, curve.day_pnl) == (Decimal(900), Decimal(-50))
    assert curve.drawdown == Decimal(150)  # the peak outlives the day


def test_roll_day_twice_in_a_day_moves_the_start_once() -> None:
    curve = _curve(900)
    curve.roll_day(MIDNIGHT)
    assert curve.day_pnl == Decimal(0)
    curve.mark(Decimal(850), MIDNIGHT + 1)
    curve.roll_day(MIDNIGHT + NS_PER_DAY - 1)
    assert curve.day_pnl == Decimal(-50)


def test_count_fee_and_funding_leave_the_rest_of_the_day_to_gross() -> None:
    curve = _curve(1000)
    curve.count_fee(Decimal(3), NOON)
    curve.count_funding(Decimal(-2), NOON)
    curve.mark(Decimal(1015), NOON)
    assert (curve.day_pnl, curve.day_gross) == (Decimal(15), Decimal(20))
    assert (curve.day_fees, curve.day_funding) == (Decimal(3), Decimal(-2))


def test_count_fee_at_midnight_is_of_the_new_day_alone() -> None:
    curve = _curve(1000)
    curve.count_fee(Decimal(3), MIDNIGHT - 1)
    curve.mark(Decimal(997), MIDNIGHT - 1)
    curve.count_fee(Decimal(4), MIDNIGHT)
    assert (curve.day_start, curve.day_fees) == (Decimal(997), Decimal(4))
    curve.mark(Decimal(993), MIDNIGHT)
    assert (curve.day_pnl, curve.day_gross) == (Decimal(-4), Decimal(0))
    curve.count_funding(Decimal(1), MIDNIGHT + NS_PER_DAY)
    assert (curve.day_fees, curve.day_funding) == (Decimal(0), Decimal(1))


def test_rebase_peak_after_a_fall_forgets_the_drawdown_but_not_its_record() -> None:
    curve = _curve(1100, 1000)
    curve.rebase_peak()
    assert (curve.peak, curve.drawdown) == (Decimal(1000), Decimal(0))
    assert curve.max_drawdown == Decimal(100)


@repeatable
@given(equities=st.lists(st.integers(-5000, 5000), min_size=1))
def test_mark_any_curve_keeps_the_largest_fall_from_any_peak(
    equities: list[int],
) -> None:
    curve = _curve(*equities)
    path = [1000, *equities]
    falls = [high - low for i, high in enumerate(path) for low in path[i:]]
    assert curve.max_drawdown == max(falls)
    assert curve.drawdown == max(path) - path[-1]
    assert curve.day_pnl == equities[-1] - 1000
