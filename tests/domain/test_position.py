"""Positions: cash flows, exits at their boundaries, round trips."""

from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from flows.domain.errors import OrderError
from flows.domain.order import Fill, Purpose
from flows.domain.position import Direction, Position, PositionChanged, TradeClosed
from flows.domain.side import Side
from flows.domain.units import NS_PER_S
from tests.domain.scene import (
    RULES,
    START_NS,
    entry_order,
    fill_of,
    repeatable,
    view_of,
)

BUY, SELL = Side.BUY, Side.SELL
A_MINUTE = 60 * NS_PER_S


def _fill(side: Side, price: str, quantity: str, fee: str = "0") -> Fill:
    return fill_of(entry_order(side=side), price, quantity, fee)


def _position(side: Side, *fills: tuple[str, str]) -> Position:
    position = Position("AAAUSDT", side, START_NS)
    for price, quantity in fills:
        position.apply(_fill(side, price, quantity))
    return position


def test_changed_after_partial_exit_tells_what_is_open_and_what_it_cost() -> None:
    position = Position("AAAUSDT", BUY, START_NS)
    position.apply(_fill(BUY, "100", "2", "0.1"))
    position.apply(_fill(BUY, "101", "1", "0.05"))
    position.apply(_fill(SELL, "102", "1", "0.06"))
    assert position.changed(START_NS) == PositionChanged(
        received_ns=START_NS,
        symbol="AAAUSDT",
        direction=Direction.LONG,
        quantity=Decimal(2),
        entry_quantity=Decimal(3),
        entry_notional=Decimal(301),
        exit_notional=Decimal(102),
        fees=Decimal("0.21"),
    )


def test_direction_through_a_short_trip_goes_short_then_flat() -> None:
    position = Position("AAAUSDT", SELL, START_NS)
    seen = [position.direction]
    for side in (SELL, BUY):
        position.apply(_fill(side, "100", "1"))
        seen.append(position.direction)
    assert seen == [Direction.FLAT, Direction.SHORT, Direction.FLAT]


def test_apply_exit_beyond_flat_raises_and_changes_nothing() -> None:
    position = _position(BUY, ("100", "1"))
    before = position.changed(START_NS)
    with pytest.raises(OrderError, match=r"Expected at most 1 to close, was 1\.001"):
        position.apply(_fill(SELL, "100", "1.001", "9"))
    assert position.changed(START_NS) == before


@pytest.mark.parametrize(
    ("side", "gross", "direction"),
    [(BUY, "-3", Direction.LONG), (SELL, "3", Direction.SHORT)],
)
def test_closed_round_trip_nets_cash_flows_and_fees(
    side: Side, gross: str, direction: Direction
) -> None:
    position = Position("AAAUSDT", side, START_NS)
    position.apply(_fill(side, "100", "3", "0.15"))
    position.apply(_fill(side.opposite, "99", "3", "0.1485"))
    assert position.closed(START_NS + 5, Purpose.STOP) == TradeClosed(
        received_ns=START_NS + 5,
        symbol="AAAUSDT",
        direction=direction,
        opened_ns=START_NS,
        quantity=Decimal(3),
        entry_notional=Decimal(300),
        exit_notional=Decimal(297),
        gross=Decimal(gross),
        fees=Decimal("0.2985"),
        net=Decimal(gross) - Decimal("0.2985"),
        exit_purpose=Purpose.STOP,
    )


def test_closed_with_a_reason_on_record_keeps_that_reason() -> None:
    position = _position(BUY, ("100", "1"))
    position.closing = Purpose.TARGET
    position.apply(_fill(SELL, "100", "1"))
    assert position.closed(START_NS, Purpose.KILL).exit_purpose is Purpose.TARGET


def test_exit_price_of_a_view_is_the_side_one_could_get() -> None:
    view = view_of("AAAUSDT", START_NS, [("99.99", "1")], [("100.01", "1")])
    assert _position(BUY).exit_price(view) == Decimal("99.99")
    assert _position(SELL).exit_price(view) == Decimal("100.01")
    empty = view_of("AAAUSDT", START_NS, [], [])
    assert (_position(BUY).exit_price(empty), _position(SELL).exit_price(empty)) == (
        None,
        None,
    )


def test_open_value_of_a_short_is_negative() -> None:
    assert _position(BUY, ("100", "2")).open_value(Decimal(101)) == Decimal(202)
    assert _position(SELL, ("100", "2")).open_value(Decimal(101)) == Decimal(-202)


@pytest.mark.parametrize(
    ("side", "price", "due"),
    [
        (BUY, "100.19", None),
        (BUY, "100.20", Purpose.TARGET),
        (BUY, "99.86", None),
        (BUY, "99.85", Purpose.STOP),
        (SELL, "99.81", None),
        (SELL, "99.80", Purpose.TARGET),
        (SELL, "100.14", None),
        (SELL, "100.15", Purpose.STOP),
        (BUY, None, None),
    ],
)
def test_due_exit_at_a_price_fires_exactly_at_the_limit(
    side: Side, price: str | None, due: Purpose | None
) -> None:
    position = _position(side, ("99", "1"), ("101", "1"))  # 100 on average
    exit_price = None if price is None else Decimal(price)
    assert position.due_exit(exit_price, START_NS, RULES.exit) is due


def test_due_exit_after_a_partial_exit_still_measures_the_average_entry() -> None:
    position = _position(BUY, ("99", "1"), ("101", "1"))
    position.apply(_fill(SELL, "50", "1"))
    assert position.due_exit(Decimal("100.19"), START_NS, RULES.exit) is None
    due = position.due_exit(Decimal("100.20"), START_NS, RULES.exit)
    assert due is Purpose.TARGET


@pytest.mark.parametrize(
    ("elapsed_ns", "due"), [(A_MINUTE - 1, None), (A_MINUTE, Purpose.TIME)]
)
def test_due_exit_by_time_fires_exactly_at_the_hold_limit(
    elapsed_ns: int, due: Purpose | None
) -> None:
    position, now_ns = _position(BUY, ("100", "1")), START_NS + elapsed_ns
    assert position.due_exit(Decimal(100), now_ns, RULES.exit) is due
    assert position.due_exit(None, now_ns, RULES.exit) is due
    assert position.due_exit_unseen(now_ns, RULES.exit) is due


@pytest.mark.parametrize("purpose", [p for p in Purpose if p is not Purpose.ENTRY])
def test_due_exit_once_decided_stays_decided(purpose: Purpose) -> None:
    position = _position(BUY, ("100", "1"))
    position.closing = purpose
    assert position.due_exit(Decimal(100), START_NS, RULES.exit) is purpose


@pytest.mark.parametrize(
    ("closing", "due"),
    [
        (Purpose.TARGET, None),
        (Purpose.STOP, None),
        (Purpose.TIME, Purpose.TIME),
        (Purpose.FLATTEN, Purpose.FLATTEN),
        (Purpose.KILL, Purpose.KILL),
        (Purpose.MARK_LOST, Purpose.MARK_LOST),
    ],
)
def test_due_exit_unseen_repeats_only_what_needs_no_price(
    closing: Purpose, due: Purpose | None
) -> None:
    position = _position(BUY, ("100", "1"))
    position.closing = closing
    assert position.due_exit_unseen(START_NS, RULES.exit) is due
    later = START_NS + A_MINUTE
    assert position.due_exit_unseen(later, RULES.exit) is (due or Purpose.TIME)


levels = st.tuples(st.integers(1, 10**6), st.integers(1, 10**6))


@repeatable
@given(
    side=st.sampled_from(Side),
    entries=st.lists(levels, min_size=1, max_size=5),
    price=st.integers(1, 10**6),
)
def test_due_exit_any_price_agrees_with_the_average_by_fractions(
    side: Side, entries: list[tuple[int, int]], price: int
) -> None:
    position = _position(side, *((str(p), str(q)) for p, q in entries))
    cost, quantity = sum(p * q for p, q in entries), sum(q for _, q in entries)
    sign = 1 if side is BUY else -1
    gain_times_cost = sign * (price * quantity - cost) * 10_000
    due = position.due_exit(Decimal(price), START_NS, RULES.exit)
    assert (due is Purpose.TARGET) is (gain_times_cost >= 20 * cost)
    assert (due is Purpose.STOP) is (gain_times_cost <= -15 * cost)


@pytest.mark.parametrize(("side", "gross"), [(BUY, "9"), (SELL, "-9")])
def test_gross_at_a_price_counts_what_was_left_and_what_is_open(
    side: Side, gross: str
) -> None:
    position = _position(side, ("100", "3"))
    position.apply(_fill(side.opposite, "101", "1"))
    assert position.gross_at(Decimal(104)) == Decimal(gross)
