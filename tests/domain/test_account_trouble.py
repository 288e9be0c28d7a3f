"""The account: exceptions within it stop trading, never the closing."""

from collections.abc import Iterable
from decimal import Decimal

import pytest

from flows.domain.event import Verb
from flows.domain.kill import KillReason, KillTripped
from flows.domain.order import Fill, Order, OrderReport, Purpose
from flows.domain.paper import PaperVenue
from flows.domain.risk import Approved
from flows.domain.run import RunEnded
from flows.domain.side import Side
from flows.domain.symbol_book import BookState
from flows.domain.view import BookView
from tests.domain.scene import (
    PAPER,
    START_NS,
    Scene,
    kinds,
    only,
    orders,
    purposes,
    reports,
)

BUY = Side.BUY
A, B = "AAAUSDT", "BBBUSDT"


class BrokenVenue(PaperVenue):
    """Raises where it is told to."""

    def __init__(self) -> None:
        super().__init__(PAPER)
        self.broken: set[str] = set()
        """Methods, or symbols that no order reaches."""

    def _break(self, what: str) -> None:
        if what in self.broken:
            msg = f"broken {what}"
            raise ZeroDivisionError(msg)

    def submit(self, approved: Approved) -> None:
        """Break, or take the order."""
        self._break(approved.symbol)
        super().submit(approved)

    def cancel(self, order: Order, received_ns: int) -> OrderReport | None:
        """Break, or withdraw the order."""
        self._break("cancel")
        return super().cancel(order, received_ns)

    def meet(self, view: BookView) -> list[Fill | OrderReport]:
        """Break, or execute."""
        self._break("meet")
        return super().meet(view)

    def end(self, received_ns: int) -> list[OrderReport]:
        """Break, or end."""
        self._break("end")
        return super().end(received_ns)


def _troubled(symbols: Iterable[str] = (A,)) -> tuple[Scene, BrokenVenue]:
    venue = BrokenVenue()
    scene = Scene(venue)
    for symbol in symbols:
        scene.enter(symbol=symbol)
    return scene, venue


def test_apply_exception_within_latches_with_type_and_text() -> None:
    scene, venue = _troubled()
    venue.broken = {"meet"}
    facts = scene.wait(1).tight("99.99", "100.00")
    assert kinds(facts) == ["KillTripped", "Approved"]
    (tripped,) = scene.all(KillTripped)
    assert tripped.reason is KillReason.ACCOUNT_ERROR
    assert tripped.detail == "ZeroDivisionError: broken meet"
    assert scene.account.last_error == "ZeroDivisionError: broken meet"


def test_apply_unknown_event_latches_instead_of_raising() -> None:
    scene = Scene()
    facts = scene.account.apply([object()])  # type: ignore[list-item]  # on purpose
    told = kinds([entry.fact for entry in facts])
    assert told == ["RunStarted", "KillTripped", "KillCompleted"]
    assert scene.account.last_error.startswith("AttributeError: 'object' object")


def test_apply_event_of_no_known_kind_latches_instead_of_ignoring_it() -> None:
    scene = Scene()
    stranger = RunEnded(
        received_ns=START_NS, symbol="", equity=Decimal(0), max_drawdown=Decimal(0)
    )
    scene.feed(stranger)  # type: ignore[arg-type]  # on purpose
    assert scene.kill_reasons == [KillReason.ACCOUNT_ERROR]


def test_apply_exit_that_the_venue_refuses_is_tried_again_until_flat() -> None:
    scene, venue = _troubled()
    venue.broken = {A}
    facts = scene.command(Verb.KILL)
    assert kinds(facts) == ["KillTripped", "CommandHandled", "Approved", "OrderReport"]
    assert reports(facts) == ["REJECTED"]
    assert only(OrderReport, facts)[0].reason == "ZeroDivisionError: broken AAAUSDT"
    assert reports(scene.wait(1000).tick()) == ["REJECTED"]
    assert reports(scene.wait(1).tight("99.99", "100.00")) == ["REJECTED"]
    assert orders(scene.signal(BUY)) == []  # once a view, not once an event
    assert scene.kill_reasons == [KillReason.COMMAND]
    assert scene.account.last_error == "ZeroDivisionError: broken AAAUSDT"
    venue.broken = set()
    assert len(orders(scene.wait(1000).tick())) == 1
    assert reports(scene.wait(20).tight("99.99", "100.00")) == ["FILLED"]
    assert scene.positions == {}


def test_apply_exit_refused_in_one_symbol_does_not_hold_up_another() -> None:
    scene, venue = _troubled((A, B))
    venue.broken = {A}
    facts = scene.command(Verb.FLATTEN)
    assert [order.symbol for order in orders(facts)] == [A, B]
    assert reports(facts) == ["REJECTED"]
    assert scene.kill_reasons == [KillReason.ACCOUNT_ERROR]
    scene.wait(20).tight("99.99", "100.00", B)
    assert list(scene.positions) == [A]


def test_apply_withdrawal_that_breaks_holds_up_no_exit_and_is_tried_again() -> None:
    scene, venue = _troubled()
    scene.state(BookState.SYNCED, B)
    scene.tight("99.99", "100.00", B)
    scene.signal(BUY, B)
    venue.broken = {"cancel"}
    facts = scene.command(Verb.KILL)
    assert (reports(facts), purposes(facts)) == ([], [Purpose.KILL])
    venue.broken = set()
    assert reports(scene.wait(1).tick()) == ["CANCELED"]
    assert scene.gate.gross_exposure({}) == 0


def test_apply_reset_with_an_entry_still_in_flight_is_refused() -> None:
    scene, venue = _troubled(())
    scene.state(BookState.SYNCED)
    scene.tight("99.99", "100.00")
    scene.signal(BUY)
    venue.broken = {"cancel"}
    scene.command(Verb.KILL)
    assert kinds(scene.command(Verb.RESET)) == ["CommandHandled"]
    assert scene.account.kill_switch.is_latched
    venue.broken = set()
    scene.wait(1).tick()
    assert kinds(scene.command(Verb.RESET)) == ["KillReset", "CommandHandled"]


def test_apply_entry_that_the_venue_refuses_kills_and_leaks_nothing() -> None:
    scene, venue = _troubled(())
    venue.broken = {A}
    scene.state(BookState.SYNCED)
    scene.tight("99.99", "100.00")
    facts = scene.signal(BUY)
    told = ["Signal", "Approved", "OrderReport", "KillTripped", "KillCompleted"]
    assert kinds(facts) == told
    assert scene.gate.gross_exposure({}) == 0
    assert orders(scene.wait(1000).tick()) == []


def test_apply_equity_that_cannot_be_computed_kills_and_still_closes(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    scene, _ = _troubled()

    def broken(received_ns: int) -> None:
        raise ArithmeticError(received_ns)

    monkeypatch.setattr(scene.account.ledger, "revalue", broken)
    facts = scene.wait(1).tight("99.99", "100.00")
    assert kinds(facts) == ["KillTripped", "Approved"]
    scene.wait(20).tight("99.99", "100.00")
    assert scene.positions == {}
    assert scene.kill_reasons == [KillReason.ACCOUNT_ERROR]
    assert kinds(scene.end()) == ["RunEnded"]


def test_end_that_the_venue_breaks_still_ends_the_run() -> None:
    scene, venue = _troubled()
    venue.broken = {"end"}
    assert kinds(scene.end()) == ["KillTripped", "EquityMarked", "RunEnded"]
