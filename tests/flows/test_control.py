"""Commands into the one order, and what the journal holds of them back."""

from collections.abc import Sequence
from pathlib import Path
from types import SimpleNamespace
from typing import cast

import msgspec
import pytest

from connectors.binance.outbox import Outbox
from connectors.binance.source import Live, Stop
from connectors.binance.wire import decode
from connectors.control.protocol import Handled, Request
from connectors.kill_latch import KillLatch
from flows.control import ControlDesk, WatchedJournal
from flows.domain.errors import StoreError
from flows.domain.event import Command, Verb
from flows.domain.run import CommandHandled, JournalEntry
from flows.kill_keeper import KillKeeper
from flows.telemetry import FactCounts, Telemetry
from tests.domain.scene import START_NS, Scene
from tests.flows.telemetry_samples import observer_of


class Paper:
    """Where journal entries go, and whether the latch stood there before them."""

    def __init__(self, latch: Path) -> None:
        self.latch = latch
        self.entries: list[JournalEntry] = []
        self.was_latched = False
        self.is_full = False

    def append(self, entries: Sequence[JournalEntry]) -> None:
        self.was_latched = self.latch.exists()
        if self.is_full:
            msg = "journal.sqlite: full"
            raise StoreError(msg)
        self.entries += entries


def telemetry() -> Telemetry:
    return observer_of(Scene()).look(START_NS)


class Desk:
    """An account behind a control desk, its journal and its latch."""

    def __init__(self, data: Path) -> None:
        self.scene = Scene()
        self.latch = KillLatch(data / "KILLED", within_s=30)
        self.paper = Paper(self.latch.path)
        self.answers: list[tuple[int, Handled]] = []
        self.stop = Stop()
        self.outbox = Outbox()
        self.wakes = 0
        live = SimpleNamespace(
            feed=SimpleNamespace(outbox=self.outbox),
            transport=SimpleNamespace(wake=self.wake),
            clock=lambda: START_NS,
            stop=self.stop,
        )
        self.desk = ControlDesk(cast("Live", live), telemetry)
        self.keeper = KillKeeper(
            self.latch, self.scene.account.kill_switch, self.desk.tell_kill
        )
        self.counts = FactCounts()
        self.journal = WatchedJournal(self.paper, self.keeper, self.counts, self.answer)

    def answer(self, place: int, handled: Handled) -> None:
        self.answers.append((place, handled))

    def wake(self) -> None:
        self.wakes += 1

    def deliver(self) -> list[Command]:
        """Take the frames told so far through the account, as one batch."""
        commands = [decode(frame) for frame in self.outbox.take_frames()]
        assert all(isinstance(command, Command) for command in commands)
        self.journal.append(self.scene.account.apply(cast("list[Command]", commands)))
        return cast("list[Command]", commands)


@pytest.fixture
def desk(tmp_path: Path) -> Desk:
    return Desk(tmp_path)


def test_tell_command_has_its_place_and_all_it_said(desk: Desk) -> None:
    first = desk.desk.tell(Verb.RESET, Request("reset", "ann", "fixed", True))
    second = desk.desk.tell(Verb.PAUSE, Request("pause"))
    assert desk.wakes == 2
    assert desk.deliver() == [
        Command(first, Verb.RESET, "fixed", "ann", rebase_peak=True),
        Command(second, Verb.PAUSE),
    ]
    assert (first, second) == (START_NS, START_NS + 1)
    assert desk.stop.reason == ""


def test_tell_stop_ends_the_engine_and_is_not_told_twice(desk: Desk) -> None:
    desk.desk.tell(Verb.STOP, Request("stop", "ann"))
    assert (desk.stop.reason, desk.stop.is_told) == ("stop by ann", True)
    desk.stop.request("signal 15")
    assert (desk.stop.reason, desk.stop.is_told) == ("stop by ann", True)


def test_status_is_the_state_as_json(desk: Desk) -> None:
    told = msgspec.json.decode(desk.desk.status(), type=Telemetry)
    assert told == telemetry()


def test_append_commands_of_one_batch_are_answered_each_at_its_place(
    desk: Desk,
) -> None:
    pause = desk.desk.tell(Verb.PAUSE, Request("pause"))
    reset = desk.desk.tell(Verb.RESET, Request("reset", reason="fixed"))
    assert desk.answers == []
    desk.deliver()
    assert desk.answers == [
        (pause, Handled(Verb.PAUSE, pause, True)),
        (reset, Handled(Verb.RESET, reset, False, "the kill switch is not latched")),
    ]


def test_append_kill_is_latched_before_it_is_journalled_and_reset_after(
    desk: Desk,
) -> None:
    desk.desk.tell(Verb.KILL, Request("kill", "ann", "odd fills"))
    desk.deliver()
    assert desk.paper.was_latched
    assert desk.latch.path.exists()
    desk.desk.tell(Verb.RESET, Request("reset", "ann", "fixed"))
    desk.deliver()
    assert desk.paper.was_latched
    assert not desk.latch.path.exists()
    assert [handled.is_accepted for _, handled in desk.answers] == [True, True]


def test_append_latch_put_there_by_hand_kills_the_account(desk: Desk) -> None:
    desk.latch.path.touch()
    desk.keeper.watch(START_NS)
    [command] = desk.deliver()
    assert command.verb is Verb.KILL
    assert desk.scene.account.kill_switch.is_latched


def test_append_kill_that_could_not_be_latched_is_answered_with_an_alarm(
    desk: Desk,
) -> None:
    desk.latch.path.mkdir()
    desk.desk.tell(Verb.KILL, Request("kill"))
    desk.desk.tell(Verb.PAUSE, Request("pause"))
    desk.deliver()
    (_, killed), (_, paused) = desk.answers
    assert killed.is_accepted
    assert "the kill latch cannot be written" in killed.alarm
    assert paused.alarm == ""
    assert desk.scene.account.kill_switch.is_latched


def test_append_full_disk_latches_and_answers_nobody(desk: Desk) -> None:
    desk.paper.is_full = True
    desk.desk.tell(Verb.KILL, Request("kill"))
    with pytest.raises(StoreError, match="full"):
        desk.deliver()
    assert desk.latch.path.exists()
    assert desk.answers == []


def test_append_without_commands_only_keeps_and_counts(desk: Desk) -> None:
    facts = desk.scene.enter()
    assert facts
    desk.journal.append(desk.scene.entries)
    assert desk.paper.entries == desk.scene.entries
    assert not any(
        isinstance(entry.fact, CommandHandled) for entry in desk.paper.entries
    )
    assert desk.counts.told().signals == 1
    assert desk.answers == []
