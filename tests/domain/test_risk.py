"""The risk gate: limits at their boundaries, reservations, order rate."""

from decimal import Decimal

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from flows.domain.errors import OrderError, RiskLimitBreached
from flows.domain.order import Order
from flows.domain.position import Position
from flows.domain.risk import Approved, RefusalReason, Refused, RiskGate
from flows.domain.side import Side
from flows.domain.units import NS_PER_S
from tests.domain.scene import (
    LIMITS,
    START_NS,
    entry_order,
    exit_order,
    fill_of,
    repeatable,
)


def _order(number: int, notional: str, symbol: str = "AAAUSDT") -> Order:
    return entry_order(
        client_order_id=f"order-{number}", symbol=symbol, notional=Decimal(notional)
    )


def _held() -> Position:
    position = Position("AAAUSDT", Side.BUY, START_NS)
    position.apply(fill_of(entry_order(), "100", "2"))
    return position


def _refused(judged: Approved | Refused) -> tuple[RefusalReason, object, object]:
    assert isinstance(judged, Refused)
    return judged.reason, judged.value, judged.limit


def test_approve_entry_within_limits_approves_and_reserves() -> None:
    gate, order = RiskGate(LIMITS), _order(1, "2500")
    assert gate.approve_entry(order, {}) == Approved(
        received_ns=START_NS, symbol="AAAUSDT", order=order
    )
    assert gate.exposure_of("AAAUSDT", {}) == Decimal(2500)
    assert gate.exposure_of("BBBUSDT", {}) == Decimal(0)
    assert gate.gross_exposure({"BBBUSDT": Decimal(1)}) == Decimal(2501)


def test_approve_entry_past_the_position_limit_refuses_with_numbers() -> None:
    limits = msgspec.structs.replace(LIMITS, max_position_notional=Decimal(100))
    gate = RiskGate(limits)
    held = {"AAAUSDT": Decimal(40)}
    assert isinstance(gate.approve_entry(_order(1, "60"), held), Approved)
    assert RiskGate(limits).approve_entry(_order(1, "60.01"), held) == Refused(
        received_ns=START_NS,
        symbol="AAAUSDT",
        side=Side.BUY,
        reason=RefusalReason.POSITION_NOTIONAL,
        value=Decimal("100.01"),
        limit=Decimal(100),
    )


def test_approve_entry_of_exactly_the_position_limit_passes() -> None:
    limits = msgspec.structs.replace(LIMITS, max_position_notional=Decimal(100))
    assert isinstance(RiskGate(limits).approve_entry(_order(1, "100"), {}), Approved)


def test_approve_entry_past_the_instrument_share_refuses_and_reserves_nothing() -> None:
    gate = RiskGate(LIMITS)
    held = {"AAAUSDT": Decimal(1500)}
    assert _refused(gate.approve_entry(_order(1, "1000.01"), held)) == (
        RefusalReason.INSTRUMENT_EXPOSURE,
        Decimal("2500.01"),
        Decimal(2500),
    )
    assert gate.gross_exposure({}) == 0
    assert isinstance(gate.approve_entry(_order(1, "1000"), held), Approved)


def test_approve_entry_second_of_a_burst_sees_what_the_first_reserved() -> None:
    gate = RiskGate(LIMITS)
    assert isinstance(gate.approve_entry(_order(1, "1500"), {}), Approved)
    assert _refused(gate.approve_entry(_order(2, "1500"), {})) == (
        RefusalReason.INSTRUMENT_EXPOSURE,
        Decimal(3000),
        Decimal(2500),
    )


def test_approve_entry_past_the_capital_refuses_by_gross_exposure() -> None:
    gate = RiskGate(LIMITS)
    for number in range(4):
        order = _order(number, "2500", f"{number}USDT")
        assert isinstance(gate.approve_entry(order, {}), Approved)
    assert _refused(gate.approve_entry(_order(9, "0.01"), {})) == (
        RefusalReason.GROSS_EXPOSURE,
        Decimal("10000.01"),
        Decimal(10_000),
    )


def test_approve_entry_past_the_order_rate_refuses_last_of_all() -> None:
    gate = RiskGate(msgspec.structs.replace(LIMITS, max_orders_per_minute=1))
    assert isinstance(gate.approve_entry(_order(1, "10"), {}), Approved)
    assert _refused(gate.approve_entry(_order(2, "10"), {})) == (
        RefusalReason.ORDER_RATE,
        Decimal(2),
        Decimal(1),
    )
    too_big = _refused(gate.approve_entry(_order(3, "9999"), {}))
    assert too_big[0] is RefusalReason.INSTRUMENT_EXPOSURE


def test_approve_entry_repeated_order_raises_and_keeps_one_reservation() -> None:
    gate = RiskGate(LIMITS)
    gate.approve_entry(_order(1, "10"), {})
    with pytest.raises(OrderError, match="order-1 has been approved before"):
        gate.approve_entry(_order(1, "20"), {})
    assert gate.gross_exposure({}) == Decimal(10)


def test_approve_exit_of_the_whole_position_passes_and_reserves_nothing() -> None:
    gate, order = RiskGate(LIMITS), exit_order()
    assert gate.approve_exit(order, _held()).order is order
    assert gate.gross_exposure({}) == 0
    assert gate.orders_in_last_minute(START_NS) == 1


@pytest.mark.parametrize(
    "order",
    [
        exit_order(is_reduce_only=False),
        exit_order(symbol="BBBUSDT"),
        exit_order(side=Side.BUY),
        exit_order(quantity=Decimal("2.001")),
    ],
    ids=["not reduce-only", "other symbol", "same side", "too much"],
)
def test_approve_exit_that_could_add_risk_raises(order: Order) -> None:
    gate = RiskGate(LIMITS)
    with pytest.raises(RiskLimitBreached, match="order-2 does more than leave"):
        gate.approve_exit(order, _held())
    assert gate.orders_in_last_minute(START_NS) == 0


def test_release_in_parts_gives_back_what_filled_then_the_rest() -> None:
    gate = RiskGate(LIMITS)
    gate.approve_entry(_order(1, "100"), {})
    gate.release("order-1", Decimal(30))
    assert gate.gross_exposure({}) == Decimal(70)
    gate.release("order-1", None)
    assert gate.gross_exposure({}) == Decimal(0)


@pytest.mark.parametrize("filled", ["100", "100.01"])
def test_release_of_all_or_more_never_goes_below_zero(filled: str) -> None:
    gate = RiskGate(LIMITS)
    gate.approve_entry(_order(1, "100"), {})
    gate.release("order-1", Decimal(filled))
    assert gate.gross_exposure({}) == Decimal(0)
    gate.release("order-1", Decimal(1))
    assert gate.gross_exposure({}) == Decimal(0)


@pytest.mark.parametrize(
    ("age_ns", "sent"), [(60 * NS_PER_S - 1, 1), (60 * NS_PER_S, 0)]
)
def test_orders_in_last_minute_counts_less_than_sixty_seconds(
    age_ns: int, sent: int
) -> None:
    gate = RiskGate(msgspec.structs.replace(LIMITS, max_orders_per_minute=1))
    gate.approve_entry(_order(1, "1"), {})
    assert gate.count_recent(START_NS + age_ns) == sent
    assert gate.count_recent(START_NS) == 1  # which has forgotten nothing
    assert gate.orders_in_last_minute(START_NS + age_ns) == sent
    assert gate.is_rate_exhausted(START_NS + age_ns) is bool(sent)


@pytest.mark.parametrize(
    ("day_pnl", "is_lost"), [("-499.99", False), ("-500", True), ("-501", True)]
)
def test_is_day_lost_at_the_limit_is_true(day_pnl: str, is_lost: bool) -> None:
    assert LIMITS.is_day_lost(Decimal(day_pnl)) is is_lost


@pytest.mark.parametrize(
    ("drawdown", "is_down"), [("999.99", False), ("1000", True), ("1001", True)]
)
def test_is_drawn_down_at_the_limit_is_true(drawdown: str, is_down: bool) -> None:
    assert LIMITS.is_drawn_down(Decimal(drawdown)) is is_down


asked = st.tuples(
    st.sampled_from(["AAAUSDT", "BBBUSDT", "CCCUSDT", "DDDUSDT", "EEEUSDT"]),
    st.integers(1, 3000),
    st.integers(0, 3000),
    st.booleans(),
)


@repeatable
@given(burst=st.lists(asked, max_size=30))
def test_approve_entry_any_burst_stays_within_every_limit(
    burst: list[tuple[str, int, int, bool]],
) -> None:
    gate = RiskGate(LIMITS)
    reserved: dict[str, Decimal] = {}
    for number, (symbol, notional, filled, is_final) in enumerate(burst):
        judged = gate.approve_entry(_order(number, str(notional), symbol), {})
        if isinstance(judged, Refused):
            continue
        left = Decimal(0) if is_final else max(Decimal(notional - filled), Decimal(0))
        assert gate.exposure_of(symbol, {}) <= Decimal(2500)
        assert gate.gross_exposure({}) <= Decimal(10_000)
        gate.release(f"order-{number}", None if is_final else Decimal(filled))
        reserved[symbol] = reserved.get(symbol, Decimal(0)) + left
        assert gate.exposure_of(symbol, {}) == reserved[symbol]
    assert gate.gross_exposure({}) == sum(reserved.values(), Decimal(0))
