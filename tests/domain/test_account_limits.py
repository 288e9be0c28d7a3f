"""The account: the limits that kill, exactly at their boundaries."""

from decimal import Decimal

import pytest

from flows.domain.equity import EquityMarked
from flows.domain.event import Verb
from flows.domain.kill import KillReason, KillTripped
from flows.domain.order import Purpose
from flows.domain.risk import RefusalReason
from flows.domain.side import Side
from flows.domain.symbol_book import BookState
from flows.domain.units import NS_PER_DAY, NS_PER_MS
from tests.domain.scene import (
    START_NS,
    Scene,
    kinds,
    only,
    orders,
    purposes,
    refusals,
    view_of,
)

BUY = Side.BUY
A, B = "AAAUSDT", "BBBUSDT"
DEEP = [("100.00", "1000")]


@pytest.mark.parametrize(
    ("limit", "reason"),
    [
        ("max_daily_loss", KillReason.DAILY_LOSS),
        ("max_drawdown", KillReason.DRAWDOWN),
    ],
)
def test_apply_view_at_a_loss_limit_kills_exactly_there(
    limit: str, reason: KillReason
) -> None:
    # 9.995 x (99.90 - 100) - 0.49975 = -1.49925
    scene = Scene(**{limit: Decimal("1.49925")})
    scene.enter()
    assert orders(scene.wait(1).tight("99.91", "100.00")) == []
    facts = scene.wait(1).tight("99.90", "100.00")
    assert kinds(facts) == ["KillTripped", "Approved"]
    assert (scene.kill_reasons, purposes(facts)) == ([reason], [Purpose.KILL])
    assert "1.49925" in scene.all(KillTripped)[0].detail


def test_apply_closing_fill_at_a_loss_limit_kills_with_nothing_held() -> None:
    scene = Scene(max_daily_loss=Decimal("2.498000375"))
    scene.enter()
    scene.wait(1).tight("99.85", "100.00")  # 1.49925 + 0.49975 lost: the stop
    facts = scene.wait(20).tight("99.85", "100.00")  # its fee: 0.499000375
    assert kinds(facts)[-2:] == ["KillTripped", "KillCompleted"]
    assert scene.positions == {}


def test_apply_midnight_begins_the_daily_loss_anew() -> None:
    midnight_ns = (START_NS // NS_PER_DAY + 1) * NS_PER_DAY
    scene = Scene(max_daily_loss=Decimal("1.49925"))
    scene.now_ns = midnight_ns - 1020 * NS_PER_MS
    scene.enter()
    scene.wait(999).tight("99.91", "100.00")  # a loss of 1.3993 on the day
    scene.wait(1)
    assert scene.now_ns == midnight_ns
    scene.tight("99.86", "100.00")  # 0.49975 more, on a new day
    assert scene.kill_reasons == []
    assert scene.account.ledger.curve.day_pnl == Decimal("-0.49975")


def test_apply_tick_in_a_new_day_tells_the_day_anew() -> None:
    scene = Scene()
    scene.enter()
    scene.command(Verb.FLATTEN)
    scene.wait(20).tight("99.99", "100.00")
    (before,) = only(EquityMarked, scene.tick())
    assert only(EquityMarked, scene.wait(1000).tick()) == []
    scene.now_ns += NS_PER_DAY
    (after,) = only(EquityMarked, scene.tick())
    assert after.equity == before.equity
    assert (before.day_pnl < 0, after.day_pnl) == (True, Decimal(0))


def test_apply_tick_checks_the_loss_limits_too() -> None:
    scene = Scene(max_daily_loss=Decimal("1.49925"))
    scene.enter()
    view = view_of(A, scene.now_ns, [("99.90", "1000")], DEEP)
    position = scene.account.ledger.positions[A]
    scene.account.ledger.take_mark(position, view)
    facts = scene.tick()
    assert kinds(facts) == ["KillTripped", "EquityMarked", "Approved"]
    assert scene.kill_reasons == [KillReason.DAILY_LOSS]


def test_apply_signal_past_the_order_rate_kills_and_closes() -> None:
    scene = Scene(max_orders_per_minute=1)
    scene.enter()
    scene.state(BookState.SYNCED, B)
    scene.tight("99.99", "100.00", B)
    facts = scene.signal(BUY, B)
    assert kinds(facts) == ["Signal", "KillTripped", "Refused", "Approved"]
    assert refusals(facts) == [RefusalReason.ORDER_RATE]
    assert (scene.kill_reasons, purposes(facts)) == (
        [KillReason.ORDER_RATE],
        [Purpose.KILL],
    )


def test_apply_exit_past_the_order_rate_kills_and_is_sent() -> None:
    scene = Scene(max_orders_per_minute=1)
    scene.enter()
    facts = scene.wait(1).tight("100.20", "100.21")
    assert kinds(facts) == ["KillTripped", "Approved"]
    assert purposes(facts) == [Purpose.TARGET]
    assert orders(facts)[0].is_reduce_only


def test_apply_entry_that_another_limit_refuses_does_not_kill() -> None:
    scene = Scene(max_orders_per_minute=1, capital=Decimal(2000))
    scene.state(BookState.SYNCED)
    scene.tight("99.99", "100.00")
    assert refusals(scene.signal(BUY)) == [RefusalReason.INSTRUMENT_EXPOSURE]
    assert scene.kill_reasons == []
