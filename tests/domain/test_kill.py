"""The kill switch: latches once, and who may reset it."""

import msgspec
import pytest

from flows.domain.event import Command, Verb
from flows.domain.kill import KillReason, KillSwitch, KillTripped, Standing
from flows.domain.units import NS_PER_DAY
from tests.domain.scene import START_NS

MIDNIGHT = (START_NS // NS_PER_DAY + 1) * NS_PER_DAY
SOUND = Standing(
    is_flat=True, is_reconciled=True, is_day_lost=False, is_drawn_down=False
)


def _tripped(reason: KillReason) -> KillSwitch:
    switch = KillSwitch()
    switch.trip(reason, "why", START_NS)
    return switch


def _reset(
    received_ns: int = START_NS, reason: str = "looked", *, rebase_peak: bool = False
) -> Command:
    return Command(received_ns, Verb.RESET, reason, "ann", rebase_peak=rebase_peak)


def test_trip_first_time_latches_with_reason_and_detail() -> None:
    switch = KillSwitch()
    assert not switch.is_latched
    tripped = switch.trip(KillReason.DRAWDOWN, "too deep", START_NS)
    assert tripped == KillTripped(
        received_ns=START_NS, symbol="", reason=KillReason.DRAWDOWN, detail="too deep"
    )
    assert switch.is_latched


def test_trip_while_latched_keeps_the_first_reason() -> None:
    switch = _tripped(KillReason.DAILY_LOSS)
    assert switch.trip(KillReason.COMMAND, "again", START_NS + 1) is None
    assert switch.tripped is not None
    assert switch.tripped.reason is KillReason.DAILY_LOSS


def test_reset_after_a_trip_lets_it_trip_again() -> None:
    switch = _tripped(KillReason.COMMAND)
    switch.reset()
    assert not switch.is_latched
    assert switch.trip(KillReason.COMMAND, "again", START_NS) is not None


@pytest.mark.parametrize("reason", list(KillReason))
def test_why_not_reset_next_day_with_rebase_is_allowed_after_any_kill(
    reason: KillReason,
) -> None:
    command = _reset(MIDNIGHT, rebase_peak=True)
    assert _tripped(reason).why_not_reset(command, SOUND) is None


def test_why_not_reset_without_a_latch_says_so() -> None:
    why = KillSwitch().why_not_reset(_reset(), SOUND)
    assert why == "the kill switch is not latched"


@pytest.mark.parametrize(
    ("changes", "reason", "why"),
    [
        ({}, "", "a reset needs a reason"),
        ({}, " \t", "a reset needs a reason"),
        ({"is_reconciled": False}, "ok", "the account is not reconciled"),
        ({"is_flat": False}, "ok", "positions or orders are still open"),
        (
            {"is_day_lost": True},
            "ok",
            "after a daily-loss kill a reset waits for the next UTC day",
        ),
        (
            {"is_drawn_down": True},
            "ok",
            "after a drawdown kill a reset must rebase the peak",
        ),
    ],
)
def test_why_not_reset_in_no_state_for_it_names_the_obstacle(
    changes: dict[str, bool], reason: str, why: str
) -> None:
    standing = msgspec.structs.replace(SOUND, **changes)
    switch = _tripped(KillReason.COMMAND)
    assert switch.why_not_reset(_reset(reason=reason), standing) == why


@pytest.mark.parametrize(
    ("received_ns", "why"),
    [
        (MIDNIGHT - 1, "after a daily-loss kill a reset waits for the next UTC day"),
        (MIDNIGHT, None),
    ],
)
def test_why_not_reset_after_a_daily_loss_waits_for_midnight(
    received_ns: int, why: str | None
) -> None:
    switch = _tripped(KillReason.DAILY_LOSS)
    assert switch.why_not_reset(_reset(received_ns), SOUND) == why


@pytest.mark.parametrize(
    ("rebase_peak", "why"),
    [(False, "after a drawdown kill a reset must rebase the peak"), (True, None)],
)
def test_why_not_reset_after_a_drawdown_needs_the_peak_rebased(
    rebase_peak: bool, why: str | None
) -> None:
    switch = _tripped(KillReason.DRAWDOWN)
    command = _reset(rebase_peak=rebase_peak)
    assert switch.why_not_reset(command, SOUND) == why
