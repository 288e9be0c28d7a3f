"""Working orders: what may follow what."""

from decimal import Decimal

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from flows.domain.errors import OrderError
from flows.domain.order import Fill, OrderReport, OrderStatus, WorkingOrder
from flows.domain.side import Side
from tests.domain.scene import entry_order, fill_of, repeatable

ORDER = entry_order()


def _fill(quantity: str) -> Fill:
    return fill_of(ORDER, "100", quantity)


def _report(status: OrderStatus, filled: str) -> OrderReport:
    return OrderReport(
        received_ns=0,
        symbol=ORDER.symbol,
        client_order_id=ORDER.client_order_id,
        status=status,
        filled_quantity=Decimal(filled),
    )


def _working(*quantities: str) -> WorkingOrder:
    working = WorkingOrder(ORDER)
    for quantity in quantities:
        working.fill(_fill(quantity))
    return working


def test_fill_parts_of_an_order_count_up_to_filled() -> None:
    working = _working("0.5")
    assert (working.status, working.remaining) == (
        OrderStatus.PARTIALLY_FILLED,
        Decimal("1.5"),
    )
    working.fill(_fill("1.5"))
    assert (working.status, working.remaining) == (OrderStatus.FILLED, Decimal(0))


@pytest.mark.parametrize("quantity", ["0", "-1", "1.51"])
def test_fill_impossible_quantity_raises_and_counts_nothing(quantity: str) -> None:
    working = _working("0.5")
    with pytest.raises(OrderError, match="order-1 cannot take a fill of"):
        working.fill(_fill(quantity))
    assert working.filled == Decimal("0.5")


def test_fill_after_the_end_raises() -> None:
    working = _working("2")
    with pytest.raises(OrderError, match="a fill after FILLED"):
        working.fill(_fill("1"))
    assert working.filled == Decimal(2)


@pytest.mark.parametrize(
    ("name", "value", "message"),
    [
        ("side", Side.SELL, "a SELL fill"),
        ("client_order_id", "order-9", "the news of order order-9"),
    ],
)
def test_fill_of_another_order_raises(name: str, value: object, message: str) -> None:
    working = _working()
    with pytest.raises(OrderError, match=message):
        working.fill(msgspec.structs.replace(_fill("1"), **{name: value}))
    assert working.filled == 0


@pytest.mark.parametrize(
    ("fills", "status", "is_possible"),
    [
        ((), OrderStatus.NEW, True),
        ((), OrderStatus.PARTIALLY_FILLED, False),
        ((), OrderStatus.FILLED, False),
        ((), OrderStatus.CANCELED, True),
        ((), OrderStatus.EXPIRED, True),
        ((), OrderStatus.REJECTED, True),
        ((), OrderStatus.UNKNOWN, True),
        ((), OrderStatus.UNFILLED, True),
        (("1",), OrderStatus.NEW, False),
        (("1",), OrderStatus.PARTIALLY_FILLED, True),
        (("1",), OrderStatus.FILLED, False),
        (("1",), OrderStatus.CANCELED, True),
        (("1",), OrderStatus.EXPIRED, True),
        (("1",), OrderStatus.REJECTED, False),
        (("1",), OrderStatus.UNKNOWN, True),
        (("1",), OrderStatus.UNFILLED, False),
        (("2",), OrderStatus.FILLED, True),
        (("2",), OrderStatus.EXPIRED, False),
    ],
)
def test_report_status_after_fills_is_taken_or_raises(
    fills: tuple[str, ...], status: OrderStatus, is_possible: bool
) -> None:
    working = _working(*fills)
    before = working.status
    report = _report(status, str(working.filled))
    if is_possible:
        working.report(report)
        assert working.status is status
        return
    with pytest.raises(OrderError, match=status.value):
        working.report(report)
    assert working.status is before


def test_report_contradicting_the_fills_raises_with_both_numbers() -> None:
    working = _working("1")
    with pytest.raises(OrderError, match="2 filled by report, 1 by fills"):
        working.report(_report(OrderStatus.EXPIRED, "2"))
    assert working.status is OrderStatus.PARTIALLY_FILLED


def test_report_repeated_final_status_is_taken_again() -> None:
    working = _working()
    working.report(_report(OrderStatus.CANCELED, "0"))
    working.report(_report(OrderStatus.CANCELED, "0"))
    assert working.status is OrderStatus.CANCELED


def test_report_other_status_after_the_end_raises() -> None:
    working = _working()
    working.report(_report(OrderStatus.CANCELED, "0"))
    with pytest.raises(OrderError, match="EXPIRED after CANCELED"):
        working.report(_report(OrderStatus.EXPIRED, "0"))
    assert working.status is OrderStatus.CANCELED


def test_report_of_another_order_raises() -> None:
    working = _working()
    other = msgspec.structs.replace(
        _report(OrderStatus.CANCELED, "0"), client_order_id="order-9"
    )
    with pytest.raises(OrderError, match="the news of order order-9"):
        working.report(other)
    assert working.status is OrderStatus.NEW


@repeatable
@given(parts=st.lists(st.integers(1, 700), max_size=8))
def test_fill_any_parts_never_pass_the_quantity(parts: list[int]) -> None:
    working = _working()
    taken = Decimal(0)
    for part in parts:
        quantity = Decimal(part).scaleb(-3)
        if taken + quantity <= ORDER.quantity:
            working.fill(_fill(str(quantity)))
            taken += quantity
            continue
        with pytest.raises(OrderError, match="cannot take a fill"):
            working.fill(_fill(str(quantity)))
    assert working.filled == taken
    assert working.remaining == ORDER.quantity - taken
    assert working.status.is_final is (taken == ORDER.quantity)
