"""The account: when a position is left, and that it is left for certain."""

from decimal import Decimal

import pytest

from flows.domain.event import Verb
from flows.domain.order import Purpose
from flows.domain.position import TradeClosed
from flows.domain.side import Side
from flows.domain.symbol_book import BookState
from tests.domain.scene import (
    Scene,
    kinds,
    only,
    orders,
    purposes,
    reports,
)

BUY, SELL = Side.BUY, Side.SELL
A, B = "AAAUSDT", "BBBUSDT"
THIN = [("99.99", "1")]
DEEP = [("100.00", "1000")]


@pytest.mark.parametrize(
    ("side", "bid", "ask", "expected"),
    [
        (BUY, "100.19", "100.30", []),
        (BUY, "100.20", "100.30", [Purpose.TARGET]),
        (BUY, "99.86", "100.30", []),
        (BUY, "99.85", "100.30", [Purpose.STOP]),
        (SELL, "99.00", "99.81", []),
        (SELL, "99.00", "99.80", [Purpose.TARGET]),
        (SELL, "99.00", "100.14", []),
        (SELL, "99.00", "100.15", [Purpose.STOP]),
    ],
)
def test_apply_view_of_a_held_symbol_exits_exactly_at_the_limit(
    side: Side, bid: str, ask: str, expected: list[Purpose]
) -> None:
    scene = Scene()
    scene.enter(side)
    assert purposes(scene.wait(1).tight(bid, ask)) == expected


@pytest.mark.parametrize(
    ("milliseconds", "expected"), [(59_999, []), (60_000, [Purpose.TIME])]
)
def test_apply_view_after_the_hold_time_exits_exactly_at_its_end(
    milliseconds: int, expected: list[Purpose]
) -> None:
    scene = Scene()
    scene.enter()
    facts = scene.wait(milliseconds).view(THIN, DEEP)
    assert purposes(facts) == expected


def test_apply_expired_exit_is_sent_again_on_the_next_view_until_flat() -> None:
    scene = Scene()
    scene.enter()
    assert purposes(scene.wait(1).tight("100.20", "100.21")) == [Purpose.TARGET]
    facts = scene.wait(20).view([("100.10", "4")], DEEP)
    assert reports(facts) == ["EXPIRED"]
    assert orders(facts) == []  # not at the view that let it expire
    again = orders(scene.wait(1).view([("100.00", "1000")], DEEP))
    assert [(o.purpose, o.quantity) for o in again] == [
        (Purpose.TARGET, Decimal("5.995"))  # though the price has left the target
    ]
    (trade,) = only(TradeClosed, scene.wait(20).view([("100.00", "1000")], DEEP))
    assert trade.exit_purpose is Purpose.TARGET
    assert trade.exit_notional == Decimal("999.9")  # 4 x 100.10 + 5.995 x 100.00


def test_apply_exit_in_flight_is_not_sent_twice() -> None:
    scene = Scene()
    scene.enter()
    scene.wait(1).tight("100.20", "100.21")
    assert orders(scene.wait(1).tight("100.30", "100.31")) == []
    assert orders(scene.tick()) == []
    assert orders(scene.command(Verb.KILL)) == []


def test_apply_tick_while_synced_leaves_the_time_stop_to_the_next_view() -> None:
    scene = Scene()
    scene.enter()
    for _ in range(15):
        scene.wait(4000).tight("99.99", "100.00")
    scene.wait(-1)
    assert orders(scene.tick()) == []
    fresh = Scene()
    fresh.enter()
    fresh.wait(58_000).view(THIN, DEEP)
    assert orders(fresh.wait(2000).tick()) == []
    assert purposes(fresh.wait(1).view(THIN, DEEP)) == [Purpose.TIME]


@pytest.mark.parametrize(
    ("milliseconds", "expected"), [(59_999, []), (60_000, [Purpose.TIME])]
)
def test_apply_tick_while_not_synced_fires_the_time_stop_at_its_end(
    milliseconds: int, expected: list[Purpose]
) -> None:
    scene = Scene(mark_max_age_ms=100_000)
    scene.enter()
    scene.state(BookState.GAP)
    assert purposes(scene.wait(milliseconds).tick()) == expected


def test_apply_view_while_not_synced_fills_marks_and_exits_nothing() -> None:
    scene = Scene()
    scene.enter()
    equity = scene.account.ledger.curve.equity
    scene.state(BookState.GAP)
    assert scene.wait(1).tight("100.20", "100.21") == []
    assert scene.account.ledger.curve.equity == equity
    scene.state(BookState.SYNCED)
    assert purposes(scene.wait(1).tight("100.20", "100.21")) == [Purpose.TARGET]


def test_apply_tick_while_not_synced_repeats_no_target_but_the_time_stop() -> None:
    scene = Scene(mark_max_age_ms=100_000)
    scene.enter()
    scene.wait(1).tight("100.20", "100.21")
    scene.wait(20).view([], DEEP)
    scene.state(BookState.GAP)
    assert orders(scene.wait(1000).tick()) == []
    assert purposes(scene.wait(59_000).tick()) == [Purpose.TARGET]  # why it began


def test_apply_exit_while_not_synced_meets_the_first_synced_view() -> None:
    scene = Scene(mark_max_age_ms=100_000)
    scene.enter()
    scene.state(BookState.STALE)
    assert purposes(scene.command(Verb.KILL)) == [Purpose.KILL]
    scene.wait(5000).tight("99.99", "100.00")
    assert scene.positions == {A: Decimal("9.995")}
    scene.state(BookState.SYNCED)
    assert reports(scene.tight("99.99", "100.00")) == ["FILLED"]
    assert scene.positions == {}


@pytest.mark.parametrize(
    ("milliseconds", "expected"), [(4999, []), (5000, [Purpose.MARK_LOST])]
)
def test_apply_tick_without_a_mark_leaves_exactly_at_the_age(
    milliseconds: int, expected: list[Purpose]
) -> None:
    scene = Scene()
    scene.enter()
    assert purposes(scene.wait(milliseconds).tick()) == expected


def test_apply_view_with_an_empty_exit_side_is_no_mark() -> None:
    scene = Scene()
    scene.enter()
    scene.wait(4000).view([], DEEP)
    assert purposes(scene.wait(1000).tick()) == [Purpose.MARK_LOST]


@pytest.mark.parametrize(
    ("verb", "purpose"),
    [
        (Verb.FLATTEN, Purpose.FLATTEN),
        (Verb.STOP, Purpose.FLATTEN),
        (Verb.KILL, Purpose.KILL),
    ],
)
def test_apply_closing_verb_withdraws_entries_and_leaves_positions(
    verb: Verb, purpose: Purpose
) -> None:
    scene = Scene()
    scene.enter()
    scene.state(BookState.SYNCED, B)
    scene.tight("99.99", "100.00", B)
    scene.signal(BUY, B)
    facts = scene.command(verb)
    assert (reports(facts), purposes(facts)) == (["CANCELED"], [purpose])
    assert scene.gate.gross_exposure({}) == 0
    scene.wait(20).tight("99.99", "100.00")
    scene.tight("99.99", "100.00", B)
    assert scene.positions == {}
    assert scene.all(TradeClosed)[0].exit_purpose is purpose


@pytest.mark.parametrize("verb", [Verb.FLATTEN, Verb.KILL])
def test_apply_tick_while_closing_repeats_until_flat(verb: Verb) -> None:
    scene = Scene()
    scene.enter()
    scene.command(verb)
    for taken in range(1, 10):
        assert reports(scene.wait(20).view(THIN, DEEP)) == ["EXPIRED"]
        (order,) = orders(scene.wait(1).tick())
        assert order.quantity == Decimal("9.995") - taken
    assert reports(scene.wait(20).view(THIN, DEEP)) == ["FILLED"]
    assert orders(scene.wait(1000).tick()) == []


def test_apply_command_while_closing_sends_an_expired_exit_again() -> None:
    scene = Scene()
    scene.enter()
    scene.command(Verb.KILL)
    scene.wait(20).view(THIN, DEEP)
    assert orders(scene.venue_status()) == []
    assert purposes(scene.command(Verb.PAUSE)) == [Purpose.KILL]


def test_apply_resume_after_flatten_finishes_the_exits_decided() -> None:
    scene = Scene()
    scene.enter()
    scene.command(Verb.FLATTEN)
    scene.wait(20).view(THIN, DEEP)
    scene.command(Verb.RESUME)
    assert purposes(scene.wait(1).tight("99.99", "100.00")) == [Purpose.FLATTEN]


def test_apply_pause_keeps_exits_and_the_entry_in_flight() -> None:
    scene = Scene()
    scene.state(BookState.SYNCED)
    scene.tight("99.99", "100.00")
    scene.signal(BUY)
    scene.command(Verb.PAUSE)
    scene.wait(20).tight("99.99", "100.00")
    assert scene.positions == {A: Decimal("9.995")}
    assert purposes(scene.wait(1).tight("100.20", "100.21")) == [Purpose.TARGET]


def test_apply_reset_between_an_expired_exit_and_the_next_is_refused() -> None:
    scene = Scene()
    scene.enter()
    scene.command(Verb.KILL)
    scene.wait(20).view(THIN, DEEP)
    assert "KillReset" not in kinds(scene.command(Verb.RESET))
    assert scene.account.kill_switch.is_latched


def test_apply_reset_while_in_flight_is_refused_and_when_flat_is_not() -> None:
    scene = Scene()
    scene.enter()
    scene.command(Verb.KILL)
    scene.command(Verb.RESET)
    assert scene.account.kill_switch.is_latched
    scene.wait(20).tight("99.99", "100.00")
    scene.venue_status(is_reconciled=False)
    scene.command(Verb.RESET)
    assert scene.account.kill_switch.is_latched
    scene.venue_status()
    assert kinds(scene.command(Verb.RESET)) == ["KillReset", "CommandHandled"]
    scene.wait(1000)
    assert len(orders(scene.signal(BUY))) == 1
