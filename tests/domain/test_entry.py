"""Entries: limit, size and what is too small."""

import decimal
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from flows.domain.entry import EntryRules, plan_entry
from flows.domain.instrument import Instrument
from flows.domain.order import Order, OrderType, Purpose
from flows.domain.risk import RefusalReason, Refused
from flows.domain.side import Side
from flows.domain.signal import Signal
from flows.domain.units import EXACT
from tests.domain.scene import INSTRUMENT, RULES, START_NS, repeatable


def _signal(side: Side, bid: str | None, ask: str | None) -> Signal:
    return Signal(
        received_ns=START_NS,
        symbol="AAAUSDT",
        side=side,
        update_id=1,
        bid_volume=Decimal(1),
        ask_volume=Decimal(1),
        best_bid=None if bid is None else Decimal(bid),
        best_ask=None if ask is None else Decimal(ask),
    )


def _plan(
    signal: Signal, instrument: Instrument = INSTRUMENT, rules: EntryRules = RULES.entry
) -> Order | Refused:
    return plan_entry(signal, instrument, rules, "order-1")


def test_plan_entry_buy_takes_the_ask_plus_slippage() -> None:
    order = _plan(_signal(Side.BUY, "99.99", "100.00"))
    assert order == Order(
        received_ns=START_NS,
        symbol="AAAUSDT",
        client_order_id="order-1",
        side=Side.BUY,
        order_type=OrderType.LIMIT,
        purpose=Purpose.ENTRY,
        quantity=Decimal("9.995"),  # 1000 / 100.05 = 9.99500..., floored
        limit_price=Decimal("100.05"),
        is_reduce_only=False,
        notional=Decimal("999.99975"),
    )


def test_plan_entry_sell_takes_the_bid_less_slippage() -> None:
    order = _plan(_signal(Side.SELL, "100.00", "100.01"))
    assert isinstance(order, Order)
    assert order.side is Side.SELL
    assert order.limit_price == Decimal("99.95")
    assert order.quantity == Decimal("10.005")  # 1000 / 99.95 = 10.00500..., floored
    assert order.notional == Decimal("999.99975")


def test_plan_entry_coarse_tick_rounds_the_limit_towards_the_best_price() -> None:
    coarse = Instrument(Decimal("0.1"), Decimal("0.001"), Decimal(5))
    bought = _plan(_signal(Side.BUY, "333.2", "333.3"), coarse)  # 333.46665
    sold = _plan(_signal(Side.SELL, "333.3", "333.4"), coarse)  # 333.13335
    assert isinstance(bought, Order)
    assert isinstance(sold, Order)
    assert (bought.limit_price, sold.limit_price) == (
        Decimal("333.4"),
        Decimal("333.2"),
    )


@pytest.mark.parametrize(
    ("side", "bid", "ask"), [(Side.BUY, "100", None), (Side.SELL, None, "100")]
)
def test_plan_entry_empty_side_refuses_for_liquidity(
    side: Side, bid: str | None, ask: str | None
) -> None:
    refused = _plan(_signal(side, bid, ask))
    assert isinstance(refused, Refused)
    assert (refused.reason, refused.side) == (RefusalReason.NO_LIQUIDITY, side)
    assert (refused.value, refused.limit) == (None, None)


def test_plan_entry_limit_below_one_tick_refuses_for_liquidity() -> None:
    coarse = Instrument(Decimal(200), Decimal("0.001"), Decimal(5))
    refused = _plan(_signal(Side.BUY, "99", "100"), coarse)
    assert isinstance(refused, Refused)
    assert refused.reason is RefusalReason.NO_LIQUIDITY
    assert (refused.value, refused.limit) == (Decimal(0), Decimal(0))


@pytest.mark.parametrize(
    ("minimum", "is_order"), [("999.99975", True), ("999.99976", False)]
)
def test_plan_entry_minimum_notional_allows_exactly_the_minimum(
    minimum: str, is_order: bool
) -> None:
    instrument = Instrument(Decimal("0.01"), Decimal("0.001"), Decimal(minimum))
    planned = _plan(_signal(Side.BUY, "99.99", "100.00"), instrument)
    assert isinstance(planned, Order) is is_order
    if isinstance(planned, Refused):
        assert planned.reason is RefusalReason.MIN_NOTIONAL
        assert planned.value == Decimal("999.99975")
        assert planned.limit == Decimal(minimum)


def test_plan_entry_step_above_the_budget_refuses_even_without_a_minimum() -> None:
    whole = Instrument(Decimal("0.01"), Decimal(10), Decimal(0))
    refused = _plan(_signal(Side.BUY, "99.99", "100.00"), whole)
    assert isinstance(refused, Refused)
    assert refused.reason is RefusalReason.MIN_NOTIONAL
    assert refused.value == 0


@repeatable
@given(
    side=st.sampled_from(Side),
    cents=st.integers(1, 10_000_000),
    notional=st.integers(1, 100_000),
    slippage_bps=st.integers(0, 9_999),
    filters=st.tuples(
        st.sampled_from(["0.01", "0.05", "0.1", "1", "25"]),
        st.sampled_from(["0.001", "0.03", "1", "7"]),
    ),
)
def test_plan_entry_any_signal_stays_within_budget_tick_and_step(
    side: Side, cents: int, notional: int, slippage_bps: int, filters: tuple[str, str]
) -> None:
    tick, step = map(Decimal, filters)
    instrument = Instrument(tick, step, Decimal(5))
    rules = EntryRules(Decimal(notional), Decimal(slippage_bps))
    best = Decimal(cents).scaleb(-2)
    with decimal.localcontext(EXACT):
        order = _plan(_signal(side, str(best), str(best)), instrument, rules)
        if isinstance(order, Refused):
            return
        assert order.limit_price is not None
        assert order.limit_price % instrument.tick_size == 0
        assert order.quantity % instrument.step_size == 0
        assert order.notional == order.quantity * order.limit_price
        assert instrument.min_notional <= order.notional <= rules.order_notional
        spare = rules.order_notional - order.notional
        assert spare < instrument.step_size * order.limit_price
        furthest = best * slippage_bps / 10_000
        assert abs(order.limit_price - best) <= max(furthest, instrument.tick_size)
