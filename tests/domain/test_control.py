"""Controls: verbs in every state, resets against the present limits."""

from decimal import Decimal

import pytest

from flows.domain.control import Controls
from flows.domain.equity import EquityCurve
from flows.domain.event import Command, Verb
from flows.domain.kill import KillCompleted, KillReason, KillReset
from flows.domain.opening import HeldPosition, LostOrder, Opening
from flows.domain.order import Purpose
from flows.domain.run import CommandHandled, Transcript
from flows.domain.side import Side
from flows.domain.units import NS_PER_DAY
from tests.domain.scene import LIMITS, START_NS, STARTED, entry_order, kinds

ZERO = Decimal(0)
ONE = Decimal(1)
HELD = HeldPosition(
    symbol="AAAUSDT",
    side=Side.BUY,
    opened_ns=START_NS,
    quantity=ONE,
    entry_quantity=ONE,
    entry_notional=ONE,
    exit_notional=ZERO,
    fees=ZERO,
    mark=ONE,
)


class Desk:
    """Controls with their curve and transcript."""

    def __init__(self) -> None:
        self.curve = EquityCurve(LIMITS.capital)
        self.transcript = Transcript(STARTED)
        self.transcript.at(START_NS)
        self.transcript.take()
        self.controls = Controls(self.transcript, self.curve, LIMITS)

    def say(
        self,
        verb: Verb,
        received_ns: int = START_NS,
        *,
        rebase_peak: bool = False,
        is_flat: bool = True,
    ) -> list[object]:
        """Give a command; what was journalled."""
        command = Command(received_ns, verb, "because", "ann", rebase_peak=rebase_peak)
        self.controls.obey(command, is_flat=is_flat, is_reconciled=True)
        return [entry.fact for entry in self.transcript.take()]

    def standing(self) -> tuple[bool, bool, Purpose | None]:
        """Paused, killed, closing."""
        controls = self.controls
        killed = controls.kill_switch.is_latched
        return controls.is_paused, killed, controls.closing


def handled_of(verb: Verb, refusal: str = "") -> CommandHandled:
    """What the journal says of a command that `Desk.say` has given."""
    return CommandHandled(
        received_ns=START_NS,
        symbol="",
        verb=verb,
        operator="ann",
        reason="because",
        is_accepted=not refusal,
        detail=refusal,
    )


PAUSED = (True, False, None)
FLATTENING = (True, False, Purpose.FLATTEN)
KILLED = (False, True, Purpose.KILL)
FREE = (False, False, None)


@pytest.mark.parametrize(
    ("verb", "standing", "facts"),
    [
        (Verb.PAUSE, PAUSED, ["CommandHandled"]),
        (Verb.RESUME, FREE, ["CommandHandled"]),
        (Verb.FLATTEN, FLATTENING, ["CommandHandled"]),
        (Verb.STOP, FLATTENING, ["CommandHandled"]),
        (Verb.KILL, KILLED, ["KillTripped", "CommandHandled"]),
        (Verb.RESET, FREE, ["CommandHandled"]),
    ],
)
def test_obey_each_verb_twice_comes_to_the_same(
    verb: Verb, standing: tuple[bool, bool, Purpose | None], facts: list[str]
) -> None:
    desk = Desk()
    assert kinds(desk.say(verb)) == facts
    assert desk.standing() == standing
    assert kinds(desk.say(verb)) == ["CommandHandled"]
    assert desk.standing() == standing


@pytest.mark.parametrize("first", list(Verb))
@pytest.mark.parametrize("second", list(Verb))
def test_obey_any_two_verbs_refuses_none_but_a_reset(first: Verb, second: Verb) -> None:
    desk = Desk()
    for verb in (first, second):
        was_killed = desk.controls.kill_switch.is_latched
        handled = desk.say(verb)[-1]
        expected = verb is not Verb.RESET or was_killed
        assert getattr(handled, "is_accepted", None) is expected
    assert desk.controls.is_entry_allowed is (desk.standing() == FREE)


def test_obey_resume_after_flatten_frees_and_while_killed_frees_nothing() -> None:
    desk = Desk()
    desk.say(Verb.FLATTEN)
    desk.say(Verb.RESUME)
    assert desk.standing() == FREE
    desk.say(Verb.KILL)
    desk.say(Verb.RESUME)
    assert desk.standing() == KILLED
    assert not desk.controls.is_entry_allowed


def test_obey_refused_reset_says_why_and_stays_killed() -> None:
    desk = Desk()
    desk.say(Verb.KILL)
    assert desk.say(Verb.RESET, is_flat=False) == [
        handled_of(Verb.RESET, refusal="positions or orders are still open")
    ]
    assert desk.standing() == KILLED


def test_on_flat_after_a_kill_tells_once_how_long_it_took() -> None:
    desk = Desk()
    desk.controls.on_flat()
    desk.say(Verb.KILL)
    desk.transcript.at(START_NS + 7)
    desk.controls.on_flat()
    desk.controls.on_flat()
    completed = KillCompleted(received_ns=START_NS + 7, symbol="", after_ns=7)
    assert [entry.fact for entry in desk.transcript.take()] == [completed]
    assert desk.controls.flat_after_ns == 7


@pytest.mark.parametrize(
    ("opening", "flat_after_ns"),
    [
        (Opening(killed_ns=1, kill_reason="command"), 0),
        (Opening(killed_ns=1, kill_reason="command", positions=(HELD,)), None),
        (
            Opening(
                killed_ns=1,
                kill_reason="command",
                lost_orders=(LostOrder(entry_order(), ZERO),),
            ),
            None,
        ),
    ],
    ids=["flat", "position", "order"],
)
def test_restore_killed_waits_to_be_flat_only_where_something_is_open(
    opening: Opening, flat_after_ns: int | None
) -> None:
    desk = Desk()
    desk.controls.restore(opening)
    assert desk.standing() == KILLED
    assert desk.controls.flat_after_ns == flat_after_ns


def test_obey_reset_without_rebase_keeps_the_peak() -> None:
    desk = Desk()
    desk.curve.mark(Decimal(9900), START_NS)
    desk.say(Verb.KILL)
    assert kinds(desk.say(Verb.RESET)) == ["KillReset", "CommandHandled"]
    assert desk.curve.drawdown == Decimal(100)


def test_obey_reset_with_rebase_measures_drawdown_anew() -> None:
    desk = Desk()
    desk.curve.mark(Decimal(9900), START_NS)
    desk.say(Verb.KILL)
    assert desk.say(Verb.RESET, rebase_peak=True) == [
        KillReset(
            received_ns=START_NS,
            symbol="",
            operator="ann",
            reason="because",
            is_peak_rebased=True,
        ),
        handled_of(Verb.RESET),
    ]
    assert desk.curve.drawdown == Decimal(0)


def test_obey_reset_after_losses_while_closing_still_meets_the_limits() -> None:
    desk = Desk()
    desk.say(Verb.KILL)
    desk.curve.mark(Decimal(9000), START_NS)  # both limits, though a command killed
    handled = desk.say(Verb.RESET, rebase_peak=True)[-1]
    assert "next UTC day" in getattr(handled, "detail", "")
    tomorrow = START_NS + NS_PER_DAY
    handled = desk.say(Verb.RESET, tomorrow)[-1]
    assert "rebase the peak" in getattr(handled, "detail", "")
    assert desk.standing() == KILLED
    desk.say(Verb.RESET, tomorrow, rebase_peak=True)
    assert desk.standing() == FREE


@pytest.mark.parametrize(
    ("peak", "equity", "reason"),
    [
        ("10000", "9500.01", None),
        ("10000", "9500", KillReason.DAILY_LOSS),
        ("10600", "9600.01", None),
        ("10600", "9600", KillReason.DRAWDOWN),
    ],
)
def test_judge_equity_at_a_limit_trips_for_that_limit(
    peak: str, equity: str, reason: KillReason | None
) -> None:
    desk = Desk()
    desk.curve.mark(Decimal(peak), START_NS)
    desk.curve.mark(Decimal(equity), START_NS)
    desk.controls.judge_equity()
    tripped = desk.controls.kill_switch.tripped
    assert (tripped.reason if tripped else None) is reason
