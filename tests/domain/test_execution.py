"""Execution: what is sent, what is booked, what is given back."""

from decimal import Decimal

import msgspec
import pytest

from flows.domain.control import Controls
from flows.domain.errors import OrderError, OrderRejected, RiskLimitBreached
from flows.domain.execution import Execution
from flows.domain.kill import KillReason
from flows.domain.ledger import Ledger
from flows.domain.order import Fill, Order, OrderReport, OrderStatus, Purpose
from flows.domain.paper import PaperVenue
from flows.domain.risk import Refused, RiskGate
from flows.domain.run import Transcript
from tests.domain.scene import (
    LIMITS,
    PAPER,
    START_NS,
    STARTED,
    approved,
    entry_order,
    exit_order,
    fill_of,
    kinds,
    only,
    orders,
    reports,
)


class Desk:
    """An execution with everything it works on."""

    def __init__(self, max_orders_per_minute: int = 60) -> None:
        self.transcript = Transcript(STARTED)
        self.transcript.at(START_NS)
        self.transcript.take()
        self.ledger = Ledger(LIMITS.capital)
        limits = msgspec.structs.replace(
            LIMITS, max_orders_per_minute=max_orders_per_minute
        )
        self.gate = RiskGate(limits)
        self.controls = Controls(self.transcript, self.ledger.curve, limits)
        self.venue = PaperVenue(PAPER)
        self.execution = Execution(
            self.transcript,
            self.controls,
            self.ledger,
            self.gate,
            self.venue,
            order_prefix="run",
        )

    def taken(self) -> list[object]:
        """The facts since the last look."""
        return [entry.fact for entry in self.transcript.take()]

    def report(self, order: Order, status: OrderStatus, filled: str) -> OrderReport:
        """A report of `order`."""
        return OrderReport(
            received_ns=START_NS,
            symbol=order.symbol,
            client_order_id=order.client_order_id,
            status=status,
            filled_quantity=Decimal(filled),
        )

    def hold(self) -> None:
        """Hold 2 at 100 by order-1."""
        self.execution.enter(entry_order())
        self.venue.cancel(entry_order(), START_NS)
        self.execution.book(fill_of(entry_order(), "100", "2", "0.1"))
        self.execution.book(self.report(entry_order(), OrderStatus.FILLED, "2"))
        self.taken()


def test_enter_approved_order_is_journalled_reserved_and_in_flight() -> None:
    desk = Desk()
    assert desk.execution.next_order_id == "run-1"
    desk.execution.enter(entry_order())
    assert kinds(desk.taken()) == ["Approved"]
    assert desk.gate.gross_exposure({}) == Decimal(200)
    assert desk.execution.working["AAAUSDT"].order == entry_order()
    assert desk.execution.next_order_id == "run-2"


def test_enter_refused_order_is_journalled_and_uses_no_id() -> None:
    desk = Desk()
    desk.execution.enter(entry_order(notional=Decimal(2501)))
    assert kinds(desk.taken()) == ["Refused"]
    assert desk.execution.working == {}
    assert desk.execution.next_order_id == "run-1"
    assert not desk.controls.kill_switch.is_latched


def test_enter_past_the_order_rate_trips_before_it_refuses() -> None:
    desk = Desk(max_orders_per_minute=1)
    desk.execution.enter(entry_order())
    desk.taken()
    desk.execution.enter(entry_order(client_order_id="order-2", symbol="BBBUSDT"))
    facts = desk.taken()
    assert kinds(facts) == ["KillTripped", "Refused"]
    (refused,) = only(Refused, facts)
    assert (refused.value, refused.limit) == (Decimal(2), Decimal(1))
    tripped = desk.controls.kill_switch.tripped
    assert tripped is not None
    assert tripped.reason is KillReason.ORDER_RATE
    assert tripped.detail == "one more order would pass 1 a minute"


def test_leave_held_position_sends_one_reduce_only_market_order() -> None:
    desk = Desk()
    desk.hold()
    position = desk.ledger.positions["AAAUSDT"]
    desk.execution.leave(position, Purpose.STOP)
    desk.execution.leave(position, Purpose.KILL)
    assert orders(desk.taken()) == [
        exit_order(
            client_order_id="run-2",
            purpose=Purpose.STOP,
            notional=Decimal(200),
        )
    ]
    assert position.closing is Purpose.STOP


def test_leave_past_the_order_rate_trips_and_is_sent_all_the_same() -> None:
    desk = Desk(max_orders_per_minute=1)
    desk.hold()
    desk.execution.leave(desk.ledger.positions["AAAUSDT"], Purpose.TARGET)
    facts = desk.taken()
    assert kinds(facts) == ["KillTripped", "Approved"]
    assert orders(facts)[0].purpose is Purpose.TARGET


def test_send_entry_while_stopped_raises_and_gives_its_reservation_back() -> None:
    desk = Desk()
    judged = desk.gate.approve_entry(entry_order(), {})
    assert not isinstance(judged, Refused)
    desk.controls.is_paused = True
    with pytest.raises(RiskLimitBreached, match="order-1 would increase risk"):
        desk.execution.send(judged)
    assert desk.taken() == []
    assert desk.gate.gross_exposure({}) == Decimal(0)
    assert desk.venue.end(START_NS) == []


def test_send_second_order_of_a_symbol_raises_and_keeps_the_first() -> None:
    desk = Desk()
    desk.execution.enter(entry_order())
    with pytest.raises(RiskLimitBreached, match="order-9 would be the second of AAA"):
        desk.execution.enter(entry_order(client_order_id="order-9"))
    assert kinds(desk.taken()) == ["Approved"]
    assert desk.execution.working["AAAUSDT"].order == entry_order()
    assert desk.gate.gross_exposure({}) == Decimal(200)


def test_send_rejected_by_the_venue_is_booked_and_raises() -> None:
    desk = Desk()
    with pytest.raises(OrderRejected, match="expected a positive quantity"):
        desk.execution.enter(entry_order(quantity=Decimal(0)))
    facts = desk.taken()
    assert kinds(facts) == ["Approved", "OrderReport"]
    (report,) = only(OrderReport, facts)
    assert report.status is OrderStatus.REJECTED
    assert report.reason == (
        "OrderRejected: Order order-1 rejected: expected a positive quantity, was 0"
    )
    assert desk.execution.working == {}
    assert desk.gate.gross_exposure({}) == Decimal(0)


def test_withdraw_in_flight_cancels_and_gives_back() -> None:
    desk = Desk()
    desk.execution.enter(entry_order())
    desk.execution.withdraw(desk.execution.working["AAAUSDT"])
    assert reports(desk.taken()) == ["CANCELED"]
    assert desk.execution.working == {}
    assert desk.gate.gross_exposure({}) == Decimal(0)


def test_withdraw_of_what_the_venue_does_not_hold_waits_for_its_report() -> None:
    desk = Desk()
    desk.execution.enter(entry_order())
    desk.venue.end(START_NS)
    desk.taken()
    desk.execution.withdraw(desk.execution.working["AAAUSDT"])
    assert desk.taken() == []
    assert list(desk.execution.working) == ["AAAUSDT"]


def test_book_partial_fills_move_exposure_from_reserved_to_held() -> None:
    desk = Desk()
    desk.execution.enter(entry_order())
    desk.execution.book(fill_of(entry_order(), "99", "0.5"))
    assert desk.gate.gross_exposure({}) == Decimal(150)
    assert desk.ledger.exposures() == {"AAAUSDT": Decimal("49.5")}
    desk.execution.book(desk.report(entry_order(), OrderStatus.EXPIRED, "0.5"))
    assert desk.gate.gross_exposure({}) == Decimal(0)
    assert desk.ledger.exposures() == {"AAAUSDT": Decimal("49.5")}
    assert not desk.ledger.positions["AAAUSDT"].is_exit_expired


def test_book_interim_report_keeps_order_and_reservation() -> None:
    desk = Desk()
    desk.execution.enter(entry_order())
    for status in (OrderStatus.NEW, OrderStatus.UNKNOWN):
        desk.execution.book(desk.report(entry_order(), status, "0"))
        assert desk.execution.working["AAAUSDT"].status is status
    assert desk.gate.gross_exposure({}) == Decimal(200)


def test_book_closing_fill_tells_position_then_trade() -> None:
    desk = Desk()
    desk.hold()
    desk.execution.leave(desk.ledger.positions["AAAUSDT"], Purpose.TIME)
    order = desk.execution.working["AAAUSDT"].order
    desk.taken()
    desk.execution.book(fill_of(order, "101", "2", "0.101"))
    desk.execution.book(desk.report(order, OrderStatus.FILLED, "2"))
    assert kinds(desk.taken()) == [
        "Fill",
        "PositionChanged",
        "TradeClosed",
        "OrderReport",
    ]


def test_book_expired_exit_bars_another_until_the_next_view() -> None:
    desk = Desk()
    desk.hold()
    position = desk.ledger.positions["AAAUSDT"]
    desk.execution.leave(position, Purpose.STOP)
    order = desk.execution.working["AAAUSDT"].order
    desk.venue.end(START_NS)
    desk.execution.book(desk.report(order, OrderStatus.EXPIRED, "0"))
    desk.taken()
    desk.execution.leave(position, Purpose.STOP)
    assert desk.taken() == []
    position.is_exit_expired = False
    desk.execution.leave(position, Purpose.STOP)
    assert kinds(desk.taken()) == ["Approved"]


@pytest.mark.parametrize("outcome", ["fill", "report"])
def test_book_news_of_no_order_in_flight_journals_it_and_raises(outcome: str) -> None:
    desk = Desk()
    news: Fill | OrderReport = fill_of(entry_order(), "100", "1")
    if outcome == "report":
        news = desk.report(entry_order(), OrderStatus.FILLED, "2")
    with pytest.raises(OrderError, match="order-1 is not in flight"):
        desk.execution.book(news)
    assert desk.taken() == [news]
    assert desk.ledger.positions == {}


def test_book_contradictory_final_report_raises_and_still_frees_the_symbol() -> None:
    desk = Desk()
    desk.execution.enter(entry_order())
    with pytest.raises(OrderError, match="2 filled by report, 0 by fills"):
        desk.execution.book(desk.report(entry_order(), OrderStatus.FILLED, "2"))
    assert desk.execution.working == {}
    assert desk.gate.gross_exposure({}) == Decimal(0)


def test_book_final_report_of_another_order_raises_and_frees_nothing() -> None:
    desk = Desk()
    desk.execution.enter(entry_order())
    other = entry_order(client_order_id="order-9")
    with pytest.raises(OrderError, match="the news of order order-9"):
        desk.execution.book(desk.report(other, OrderStatus.CANCELED, "0"))
    assert list(desk.execution.working) == ["AAAUSDT"]
    assert desk.gate.gross_exposure({}) == Decimal(200)


def test_send_approved_exit_while_killed_is_sent() -> None:
    desk = Desk()
    desk.hold()
    desk.controls.trip(KillReason.COMMAND, "test")
    desk.execution.send(approved(exit_order()))
    assert kinds(desk.taken()) == ["KillTripped", "Approved"]
