"""Zones without division, and ratios for people."""

import decimal
from decimal import Decimal

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from flows.domain.imbalance import ImbalanceRule, Zone, ratio, strength
from flows.domain.units import EXACT
from flows.domain.view import BookView

RULE = ImbalanceRule(buy_above=Decimal("3.0"), sell_below=Decimal("0.33"))
lots = st.integers(0, 10**40)


@pytest.mark.parametrize(
    ("bid_lots", "ask_lots", "zone"),
    [
        (300, 100, Zone.NEUTRAL),
        (301, 100, Zone.BUY),
        (33, 100, Zone.NEUTRAL),
        (32, 100, Zone.SELL),
        (100, 100, Zone.NEUTRAL),
        (1, 0, Zone.BUY),
        (0, 1, Zone.SELL),
        (0, 0, Zone.NEUTRAL),
        (3 * 10**60 + 1, 10**60, Zone.BUY),
        (33 * 10**60 - 1, 10**62, Zone.SELL),
    ],
)
def test_zone_volumes_at_the_limits_are_strict(
    bid_lots: int, ask_lots: int, zone: Zone
) -> None:
    assert RULE.zone(bid_lots, ask_lots) is zone


@settings(deadline=None, max_examples=200)
@given(lots, lots)
def test_zone_any_volumes_agrees_with_exact_products(bids: int, asks: int) -> None:
    expected = Zone.NEUTRAL
    if 100 * bids > 300 * asks:
        expected = Zone.BUY
    elif 100 * bids < 33 * asks:
        expected = Zone.SELL
    assert RULE.zone(bids, asks) is expected


def test_judge_view_carries_it_with_its_zone() -> None:
    view = BookView(
        symbol="BTCUSDT",
        received_ns=1,
        update_id=2,
        bids=((100, 31),),
        asks=((101, 10),),
        bid_lots=31,
        ask_lots=10,
        price_decimals=1,
        quantity_decimals=3,
        is_beyond_horizon=False,
        is_traded=True,
    )
    judged = RULE.judge(view)
    assert (judged.view, judged.zone) == (view, Zone.BUY)
    assert (view.best_bid, view.best_ask) == (Decimal("10.0"), Decimal("10.1"))
    assert (view.bid_volume, view.ask_volume) == (Decimal("0.031"), Decimal("0.010"))


def test_ratio_empty_sides_give_infinity_and_one() -> None:
    assert ratio(Decimal(2), Decimal(0)) == Decimal("Infinity")
    assert ratio(Decimal(0), Decimal(0)) == 1
    assert ratio(Decimal(0), Decimal(2)) == 0
    assert ratio(Decimal(1), Decimal(4)) == Decimal("0.25")


def test_strength_sides_give_zero_to_one() -> None:
    assert strength(Decimal(0), Decimal(0)) == 0
    assert strength(Decimal(3), Decimal(3)) == 0
    assert strength(Decimal(3), Decimal(0)) == 1
    assert strength(Decimal(1), Decimal(3)) == Decimal("0.5")


def test_ratio_and_strength_under_exact_context_still_round_for_people() -> None:
    with decimal.localcontext(EXACT):
        third = ratio(Decimal(1), Decimal(3))
        sixth = strength(Decimal(5), Decimal(7))
    assert third == Decimal("0." + "3" * 28)
    assert sixth == Decimal("0.1" + "6" * 26 + "7")
