"""A restart forgets nothing: what a journal says, the next run begins with."""

import decimal
from decimal import Decimal

import msgspec
import pytest

from flows.domain.equity import EquityMarked
from flows.domain.errors import StoreError
from flows.domain.event import AccountOpening, InstrumentsTold, Verb
from flows.domain.kill import KillReason
from flows.domain.opening import LostOrder, Opening
from flows.domain.order import Fill, OrderReport, OrderStatus, Purpose
from flows.domain.position import TradeClosed
from flows.domain.rebuild import opening_after
from flows.domain.risk import Approved, RefusalReason, Refused
from flows.domain.run import AccountOpened, Journalled
from flows.domain.side import Side
from flows.domain.symbol_book import BookState
from flows.domain.units import EXACT, NS_PER_DAY
from tests.domain.scene import (
    INSTRUMENT,
    START_NS,
    Scene,
    approved,
    entry_order,
    fill_of,
    only,
)

A = "AAAUSDT"


def opened(scene: Scene, opening: Opening) -> list[object]:
    return scene.feed(AccountOpening(scene.now_ns, opening))


def first_run(**changes: object) -> Scene:
    """A run that began with a fresh account."""
    scene = Scene(**changes)
    opened(scene, Opening())
    return scene


def facts_of(scene: Scene) -> list[Journalled]:
    return [entry.fact for entry in scene.entries]


def rebuilt(scene: Scene) -> Opening:
    opening = opening_after(facts_of(scene))
    assert opening is not None
    return opening


def next_run(scene: Scene, later_ms: int = 2_000, **changes: object) -> Scene:
    """The run after: begun where the journal says the last one stood."""
    after = Scene(**changes)
    after.now_ns = scene.now_ns
    after.wait(later_ms)
    opened(after, rebuilt(scene))
    return after


def test_opening_after_no_beginning_is_none() -> None:
    assert opening_after([]) is None
    assert opening_after(facts_of(Scene())) is None


def test_opening_after_a_run_that_did_nothing_is_a_fresh_account() -> None:
    assert rebuilt(first_run()) == Opening(day_end_ns=START_NS + NS_PER_DAY // 2)


def test_opening_after_a_position_gives_the_same_position() -> None:
    scene = first_run()
    scene.enter(Side.BUY)
    scene.wait(100).tick()
    after = next_run(scene)
    before_position = scene.account.ledger.positions[A]
    position = after.account.ledger.positions[A]
    for name, value in vars(before_position).items():
        assert getattr(position, name) == value, name
    assert after.account.ledger.curve.peak == scene.account.ledger.curve.peak
    marked = only(EquityMarked, [entry.fact for entry in after.entries])[-1]
    assert marked.fees == Decimal("0.49975")


def test_opening_after_a_position_leaves_it_by_time_and_counts_the_whole_trade() -> (
    None
):
    scene = first_run()
    scene.enter(Side.BUY)
    scene.wait(100).tick()
    after = next_run(scene, later_ms=60_000)
    after.state(BookState.SYNCED)
    after.tight("100.00", "100.01")
    facts = after.wait(20).tight("100.00", "100.01")
    (trade,) = only(TradeClosed, facts)
    assert trade.exit_purpose is Purpose.TIME
    assert trade.entry_notional == Decimal("999.5")
    assert trade.opened_ns == scene.account.ledger.positions[A].opened_ns


def test_opening_after_an_unseen_position_waits_for_its_book_before_leaving() -> None:
    scene = first_run()
    scene.enter(Side.BUY)
    after = next_run(scene, mark_max_age_ms=5_000)
    assert after.wait(4_000).tick() == []
    sent = after.wait(1_000).tick()
    assert "Approved" in [type(fact).__name__ for fact in sent]


def test_opening_after_a_close_keeps_the_cooldown() -> None:
    scene = first_run(cooldown_ms=30_000)
    scene.enter(Side.BUY)
    scene.wait(1_000).tight("100.50", "100.51")
    scene.wait(20).tight("100.50", "100.51")
    assert not scene.account.ledger.positions
    after = next_run(scene, later_ms=20_000, cooldown_ms=30_000)
    after.state(BookState.SYNCED)
    after.tight("99.99", "100.00")
    (refused,) = only(Refused, after.signal(Side.BUY))
    assert refused.reason is RefusalReason.COOLDOWN


def test_opening_after_a_kill_stays_killed_and_closes_what_is_open() -> None:
    scene = first_run()
    scene.enter(Side.BUY)
    scene.state(BookState.STALE)
    scene.command(Verb.KILL, "enough")
    after = next_run(scene)
    switch = after.account.kill_switch.tripped
    assert switch is not None
    assert (switch.reason, switch.detail) == (KillReason.COMMAND, "enough")
    after.state(BookState.SYNCED)
    after.tight("100.00", "100.01")
    after.wait(20).tight("100.00", "100.01")
    assert not after.account.ledger.positions
    (refused,) = only(Refused, after.wait(5_000).signal(Side.BUY))
    assert refused.reason is RefusalReason.KILLED


def test_opening_after_a_reset_is_not_killed_and_keeps_the_rebased_peak() -> None:
    scene = first_run()
    scene.enter(Side.BUY)
    scene.command(Verb.KILL)
    scene.wait(20).tight("99.00", "99.01")
    scene.wait(20).tight("99.00", "99.01")
    scene.command(Verb.RESET, "looked into it", rebase_peak=True)
    scene.command(Verb.RESET, "again")
    opening = rebuilt(scene)
    assert opening.killed_ns is None
    assert opening.peak_pnl == opening.pnl
    scene.tick()
    assert rebuilt(scene).peak_pnl == rebuilt(scene).pnl < 0


@pytest.mark.parametrize(
    ("verbs", "is_paused"),
    [
        ([Verb.PAUSE], True),
        ([Verb.FLATTEN], True),
        ([Verb.PAUSE, Verb.RESUME], False),
        ([Verb.STOP], False),
        ([Verb.RESET], False),
    ],
)
def test_opening_after_commands_remembers_a_pause_but_not_a_stop(
    verbs: list[Verb], is_paused: bool
) -> None:
    scene = first_run()
    for verb in verbs:
        scene.command(verb)
    assert rebuilt(scene).is_paused is is_paused
    after = next_run(scene)
    after.state(BookState.SYNCED)
    after.tight("99.99", "100.00")
    refused = only(Refused, after.signal(Side.BUY))
    expected = [RefusalReason.PAUSED] if is_paused else []
    assert [fact.reason for fact in refused] == expected


def test_opening_after_a_day_s_loss_trips_where_the_limit_is_reached_today() -> None:
    scene = first_run(max_daily_loss=Decimal(8))
    scene.enter(Side.BUY)
    scene.wait(10).tight("99.40", "99.41")
    scene.wait(20).tight("99.40", "99.41")
    scene.tick()
    assert not scene.account.kill_switch.is_latched
    after = next_run(scene, max_daily_loss=Decimal(8))
    assert after.account.ledger.curve.day_pnl == scene.account.ledger.curve.day_pnl < -6
    after.wait(5_000).enter(Side.BUY)
    after.wait(10).tight("99.70", "99.71")
    tripped = after.account.kill_switch.tripped
    assert tripped is not None
    assert tripped.reason is KillReason.DAILY_LOSS


def test_opening_after_midnight_begins_a_new_day_and_keeps_the_peak() -> None:
    scene = first_run()
    scene.enter(Side.BUY)
    scene.wait(10).tight("99.40", "99.41")
    scene.wait(20).tight("99.40", "99.41")
    scene.tick()
    after = next_run(scene, later_ms=13 * 3_600_000)
    assert after.account.ledger.curve.day_pnl == 0
    assert after.account.ledger.curve.drawdown == scene.account.ledger.curve.drawdown


def test_opening_after_many_orders_keeps_the_order_rate_of_the_last_minute() -> None:
    scene = first_run(max_orders_per_minute=2)
    scene.enter(Side.BUY)
    scene.wait(1_000).tight("100.50", "100.51")
    scene.wait(20).tight("100.50", "100.51")
    after = next_run(scene, max_orders_per_minute=2)
    assert after.gate.orders_in_last_minute(after.now_ns) == 2
    later = next_run(scene, later_ms=61_000, max_orders_per_minute=2)
    assert later.gate.orders_in_last_minute(later.now_ns) == 0


def test_opening_after_an_order_in_flight_reports_its_end() -> None:
    scene = first_run()
    scene.state(BookState.SYNCED)
    scene.tight("99.99", "100.00")
    scene.signal(Side.BUY)
    opening = rebuilt(scene)
    [sent] = only(Approved, [entry.fact for entry in scene.entries])
    assert opening.lost_orders == (LostOrder(sent.order, Decimal(0)),)
    after = next_run(scene)
    (report,) = only(OrderReport, [entry.fact for entry in after.entries])
    assert report.status is OrderStatus.UNFILLED
    assert report.client_order_id == "456789abcdef-1"
    assert rebuilt(after).lost_orders == ()


def test_opening_after_an_exit_in_flight_goes_on_leaving_for_its_reason() -> None:
    scene = first_run()
    scene.enter(Side.BUY)
    scene.wait(1_000).tight("100.50", "100.51")  # the target's order is on its way
    (held,) = rebuilt(scene).positions
    assert held.closing is Purpose.TARGET


def test_opening_after_a_fill_of_no_order_refuses_to_guess() -> None:
    opened_fact = AccountOpened(received_ns=1, symbol="", opening=Opening())
    fill: Fill = fill_of(entry_order(), "100", "1")
    with pytest.raises(StoreError, match="order-1, which was never sent"):
        opening_after([opened_fact, fill])


def test_apply_second_opening_settles_first_and_replaces_everything() -> None:
    scene = first_run()
    scene.enter(Side.BUY)
    scene.command(Verb.PAUSE)
    scene.wait(1_000).tight("100.50", "100.51")
    facts = opened(scene, Opening())
    assert [fact.status for fact in only(OrderReport, facts)] == [OrderStatus.UNFILLED]
    assert not scene.account.ledger.positions
    assert scene.account.ledger.curve.equity == 10_000
    scene.wait(100).tight("99.99", "100.00")
    assert only(Refused, scene.signal(Side.BUY)) == []


def test_apply_opening_survives_its_own_text() -> None:
    scene = first_run()
    scene.enter(Side.BUY)
    scene.command(Verb.KILL, "why not")
    opening = rebuilt(scene)
    text = msgspec.json.encode(opening)
    assert msgspec.json.decode(text, type=Opening) == opening


def test_apply_other_capital_keeps_the_money_made() -> None:
    scene = first_run()
    scene.enter(Side.BUY)
    scene.wait(1_000).tight("100.50", "100.51")
    scene.wait(20).tight("100.50", "100.51")
    scene.tick()
    made = scene.account.ledger.curve.equity - 10_000
    after = next_run(scene, capital=Decimal(5_000))
    with decimal.localcontext(EXACT):
        assert after.account.ledger.curve.equity == 5_000 + made


def test_apply_halted_instrument_gets_no_entry_until_it_trades_again() -> None:
    scene = first_run()
    scene.state(BookState.SYNCED)
    scene.tight("99.99", "100.00")
    halted = msgspec.structs.replace(INSTRUMENT, is_trading=False)
    scene.feed(InstrumentsTold(scene.now_ns, {A: halted}))
    (refused,) = only(Refused, scene.signal(Side.BUY))
    assert refused.reason is RefusalReason.NOT_TRADED
    scene.feed(InstrumentsTold(scene.now_ns, {A: INSTRUMENT}))
    assert only(Refused, scene.signal(Side.BUY)) == []


def test_opening_after_an_unknown_order_counts_it_as_lost_until_its_end() -> None:
    order = entry_order(received_ns=START_NS)
    unknown = OrderReport(
        received_ns=START_NS,
        symbol=A,
        client_order_id=order.client_order_id,
        status=OrderStatus.UNKNOWN,
        filled_quantity=Decimal(0),
    )
    begun = AccountOpened(received_ns=1, symbol="", opening=Opening())
    opening = opening_after([begun, approved(order), unknown])
    assert opening is not None
    assert [lost.order.client_order_id for lost in opening.lost_orders] == ["order-1"]
    ended = msgspec.structs.replace(unknown, status=OrderStatus.EXPIRED)
    opening = opening_after([begun, approved(order), unknown, ended])
    assert opening is not None
    assert opening.lost_orders == ()
