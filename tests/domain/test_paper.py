"""The paper venue: latency, walking the book, fees, refusals."""

import decimal
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from flows.domain.errors import OrderRejected
from flows.domain.order import Fill, Order, OrderReport, OrderStatus, OrderType
from flows.domain.paper import PaperVenue
from flows.domain.side import Side
from flows.domain.units import EXACT, NS_PER_MS
from flows.domain.view import BookView
from tests.domain.scene import (
    PAPER,
    START_NS,
    approved,
    entry_order,
    exit_order,
    repeatable,
    view_of,
)

LATENCY_NS = 20 * NS_PER_MS
ARRIVAL_NS = START_NS + LATENCY_NS
ASKS = [("99.98", "0.5"), ("100.00", "1"), ("100.01", "1")]


def _venue(*orders: Order) -> PaperVenue:
    venue = PaperVenue(PAPER)
    for order in orders:
        venue.submit(approved(order))
    return venue


def _view(received_ns: int = ARRIVAL_NS, symbol: str = "AAAUSDT") -> BookView:
    return view_of(symbol, received_ns, [("99.90", "1"), ("99.80", "5")], ASKS)


def _fills(outcomes: list[Fill | OrderReport]) -> list[tuple[str, str, str]]:
    return [
        (str(fill.price), str(fill.quantity), str(fill.fee.normalize()))
        for fill in outcomes
        if isinstance(fill, Fill)
    ]


def _report(outcomes: list[Fill | OrderReport]) -> tuple[OrderStatus, Decimal]:
    report = outcomes[-1]
    assert isinstance(report, OrderReport)
    return report.status, report.filled_quantity


def test_meet_before_the_latency_is_over_does_nothing() -> None:
    venue = _venue(entry_order())
    assert venue.meet(_view(ARRIVAL_NS - 1)) == []
    assert venue.meet(_view(ARRIVAL_NS, "BBBUSDT")) == []
    assert len(venue.meet(_view(ARRIVAL_NS))) == 3


def test_meet_limit_order_walks_to_its_limit_and_the_rest_expires() -> None:
    outcomes = _venue(entry_order()).meet(_view())
    assert _fills(outcomes) == [
        ("99.98", "0.500", "0.024995"),  # 99.98 x 0.5 x 5 / 10000
        ("100.00", "1.000", "0.05"),
    ]
    assert _report(outcomes) == (OrderStatus.EXPIRED, Decimal("1.5"))


def test_meet_market_order_walks_all_levels_it_needs() -> None:
    outcomes = _venue(exit_order()).meet(_view())
    assert _fills(outcomes) == [
        ("99.90", "1.000", "0.04995"),
        ("99.80", "1.000", "0.0499"),
    ]
    assert _report(outcomes) == (OrderStatus.FILLED, Decimal(2))


def test_meet_sell_limit_takes_bids_down_to_its_limit() -> None:
    order = entry_order(side=Side.SELL, limit_price=Decimal("99.90"))
    outcomes = _venue(order).meet(_view())
    assert _fills(outcomes) == [("99.90", "1.000", "0.04995")]
    assert _report(outcomes) == (OrderStatus.EXPIRED, Decimal(1))


def test_meet_fill_tells_everything_about_itself() -> None:
    fill = _venue(entry_order(quantity=Decimal("0.5"))).meet(_view())[0]
    assert fill == Fill(
        received_ns=ARRIVAL_NS,
        symbol="AAAUSDT",
        client_order_id="order-1",
        trade_id="order-1.1",
        side=Side.BUY,
        price=Decimal("99.98"),
        quantity=Decimal("0.5"),
        fee=Decimal("0.024995"),
        is_maker=False,
    )


def test_meet_empty_side_expires_unfilled() -> None:
    view = view_of("AAAUSDT", ARRIVAL_NS, [("99.90", "1")], [])
    outcomes = _venue(entry_order()).meet(view)
    assert len(outcomes) == 1
    assert _report(outcomes) == (OrderStatus.EXPIRED, Decimal(0))


def test_meet_once_executed_leaves_nothing_and_depletes_nothing() -> None:
    venue = _venue(exit_order())
    first = venue.meet(_view())
    assert venue.meet(_view()) == []
    venue.submit(approved(exit_order(client_order_id="order-3")))
    again = venue.meet(_view())
    assert _fills(again) == _fills(first)
    trades = [fill.trade_id for fill in (*first, *again) if isinstance(fill, Fill)]
    assert trades == ["order-2.1", "order-2.2", "order-3.3", "order-3.4"]


def test_cancel_in_flight_withdraws_at_once() -> None:
    venue = _venue(entry_order())
    report = venue.cancel(entry_order(), START_NS + 1)
    assert report is not None
    assert (report.status, report.received_ns) == (OrderStatus.CANCELED, START_NS + 1)
    assert venue.meet(_view()) == []


def test_cancel_of_what_is_not_in_flight_answers_none() -> None:
    venue = _venue(entry_order())
    assert venue.cancel(exit_order(), START_NS) is None
    assert venue.cancel(entry_order(symbol="BBBUSDT"), START_NS) is None
    assert len(venue.meet(_view())) == 3


def test_end_with_orders_in_flight_reports_each_unfilled_once() -> None:
    venue = _venue(
        entry_order(), entry_order(symbol="BBBUSDT", client_order_id="order-2")
    )
    reports = venue.end(ARRIVAL_NS)
    assert [(r.symbol, r.status, r.filled_quantity) for r in reports] == [
        ("AAAUSDT", OrderStatus.UNFILLED, Decimal(0)),
        ("BBBUSDT", OrderStatus.UNFILLED, Decimal(0)),
    ]
    assert venue.end(ARRIVAL_NS) == []


@pytest.mark.parametrize(
    ("changes", "fault"),
    [
        ({"quantity": Decimal(0)}, "expected a positive quantity, was 0"),
        ({"quantity": Decimal(-1)}, "expected a positive quantity, was -1"),
        ({"limit_price": None}, "LIMIT at price None"),
        ({"limit_price": Decimal(0)}, "LIMIT at price 0"),
        ({"order_type": OrderType.MARKET}, "MARKET at price 100"),
    ],
)
def test_submit_malformed_order_is_rejected_and_not_held(
    changes: dict[str, object], fault: str
) -> None:
    venue = _venue()
    with pytest.raises(OrderRejected, match=f"order-1 rejected: {fault}"):
        venue.submit(approved(entry_order(**changes)))
    assert venue.end(START_NS) == []


@pytest.mark.parametrize(
    ("second", "fault"),
    [
        (exit_order(), "an order of AAAUSDT is in flight"),
        (entry_order(symbol="BBBUSDT"), "its client order id is in flight"),
    ],
)
def test_submit_beside_an_order_in_flight_rejects_symbol_and_id(
    second: Order, fault: str
) -> None:
    venue = _venue(entry_order())
    with pytest.raises(OrderRejected, match=fault):
        venue.submit(approved(second))
    assert [report.client_order_id for report in venue.end(START_NS)] == ["order-1"]


levels = st.lists(
    st.tuples(st.integers(1, 10**9), st.integers(1, 10**9)),
    max_size=5,
    unique_by=lambda level: level[0],
)


@repeatable
@given(
    asks=levels,
    thousandths=st.integers(1, 10**9),
    limit=st.one_of(st.none(), st.integers(1, 10**9)),
)
def test_meet_any_book_fills_best_first_within_limit_with_exact_fees(
    asks: list[tuple[int, int]], thousandths: int, limit: int | None
) -> None:
    view = BookView(
        symbol="AAAUSDT",
        received_ns=ARRIVAL_NS,
        update_id=1,
        bids=(),
        asks=tuple(sorted(asks)),
        bid_lots=0,
        ask_lots=0,
        price_decimals=8,
        quantity_decimals=3,
        is_beyond_horizon=False,
        is_traded=True,
    )
    order = entry_order(
        order_type=OrderType.MARKET if limit is None else OrderType.LIMIT,
        quantity=Decimal(thousandths).scaleb(-3),
        limit_price=None if limit is None else Decimal(limit).scaleb(-8),
    )
    with decimal.localcontext(EXACT):
        outcomes = _venue(order).meet(view)
    fills = [outcome for outcome in outcomes if isinstance(outcome, Fill)]
    on_offer = sum(lots for ticks, lots in asks if limit is None or ticks <= limit)
    status, filled = _report(outcomes)
    assert filled.scaleb(3) == min(on_offer, thousandths)
    assert filled == sum((fill.quantity for fill in fills), Decimal(0))
    assert (status is OrderStatus.FILLED) is (on_offer >= thousandths)
    assert [fill.price for fill in fills] == sorted(fill.price for fill in fills)
    for fill in fills:
        ticks, lots = int(fill.price.scaleb(8)), int(fill.quantity.scaleb(3))
        assert (
            fill.fee.as_integer_ratio()
            == Decimal(f"{ticks * lots * 5}e-15").as_integer_ratio()
        )
