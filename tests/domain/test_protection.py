"""The stop that a position wants at the exchange."""

import decimal
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from flows.domain.position import Position
from flows.domain.protection import StopTerms, stop_terms
from flows.domain.side import Side
from flows.domain.units import BPS, EXACT
from tests.domain.scene import START_NS, entry_order, fill_of, repeatable


def held(side: Side, *fills: tuple[str, str]) -> Position:
    position = Position("AAAUSDT", side, START_NS)
    for price, quantity in fills:
        position.apply(fill_of(entry_order(side=side), price, quantity))
    return position


@pytest.mark.parametrize(
    ("side", "trigger"), [(Side.BUY, "99.50"), (Side.SELL, "100.50")]
)
def test_stop_terms_whole_ticks_lie_so_far_from_the_entry(
    side: Side, trigger: str
) -> None:
    terms = stop_terms(held(side, ("100", "2")), Decimal(50), Decimal("0.01"))
    assert terms == StopTerms(side.opposite, Decimal(trigger))


@pytest.mark.parametrize(
    ("side", "trigger"), [(Side.BUY, "99.5"), (Side.SELL, "100.6")]
)
def test_stop_terms_between_ticks_are_rounded_away_from_the_entry(
    side: Side, trigger: str
) -> None:
    position = held(side, ("100", "1"), ("100.1", "2"))  # 100.0666... on average
    terms = stop_terms(position, Decimal(50), Decimal("0.1"))
    assert terms.trigger_price == Decimal(trigger)


def test_stop_terms_further_than_the_price_itself_stay_above_zero() -> None:
    terms = stop_terms(held(Side.BUY, ("100", "1")), Decimal(20_000), Decimal("0.1"))
    assert terms.trigger_price == Decimal("0.1")


@repeatable
@given(
    st.sampled_from(Side),
    st.lists(
        st.tuples(st.integers(1, 10**9), st.integers(1, 10**6)), min_size=1, max_size=4
    ),
    st.integers(1, 9_999),
    st.sampled_from(["0.1", "0.01", "0.05", "1"]),
)
def test_stop_terms_any_fills_are_at_least_so_far_and_less_than_a_tick_more(
    side: Side, fills: list[tuple[int, int]], distance: int, tick_text: str
) -> None:
    tick = Decimal(tick_text)
    with decimal.localcontext(EXACT):
        position = held(
            side, *((str(p * tick), str(q * Decimal("0.001"))) for p, q in fills)
        )
        terms = stop_terms(position, Decimal(distance), tick)
        away = -distance if side is Side.BUY else distance
        wanted = position.entry_notional * (BPS + away)
        got = terms.trigger_price * position.entry_quantity * BPS
        beyond = wanted - got if side is Side.BUY else got - wanted
        one_tick = tick * position.entry_quantity * BPS
        assert terms.trigger_price % tick == 0
        assert beyond < one_tick
        assert beyond >= 0 or terms.trigger_price == tick
