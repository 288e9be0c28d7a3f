"""The kill latch follows the kill switch, and the kill switch a latch put there."""

from pathlib import Path

import msgspec
import pytest

from connectors.kill_latch import KillLatch, Latch, Mark, read_latch, write_latch
from flows.domain.errors import StoreError
from flows.domain.event import AccountOpening
from flows.domain.kill import KillReason, KillReset, KillSwitch, KillTripped
from flows.domain.opening import Opening
from flows.domain.run import AccountOpened, Journalled
from flows.domain.units import NS_PER_MS, NS_PER_S
from flows.kill_keeper import KillKeeper, latched_opening
from tests.domain.scene import START_NS, Scene

TRIPPED = KillTripped(
    received_ns=START_NS, symbol="", reason=KillReason.DRAWDOWN, detail="too deep"
)
RESET = KillReset(
    received_ns=START_NS, symbol="", operator="ann", reason="ok", is_peak_rebased=True
)
OURS = Latch(START_NS, KillReason.DRAWDOWN, "too deep")
THEIRS = Latch(START_NS + 1, KillReason.COMMAND, "stop it", "bob")
KILLED = Opening(killed_ns=START_NS, kill_reason="drawdown", kill_detail="too deep")


class Disk:
    """Writes latches, or refuses."""

    def __init__(self) -> None:
        self.is_broken = False

    def __call__(self, path: Path, latch: Latch) -> Mark:
        if self.is_broken:
            msg = f"{path}: broken"
            raise StoreError(msg)
        return write_latch(path, latch)


class Bench:
    """A keeper with its latch and switch, and the kills that it told."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.disk = Disk()
        self.latch = KillLatch(path, self.disk, within_s=30)
        self.switch = KillSwitch()
        self.told: list[tuple[str, str]] = []
        self.keeper = KillKeeper(self.latch, self.switch, self.tell)

    def tell(self, *, operator: str, reason: str) -> None:
        self.told.append((operator, reason))

    def held(self) -> Latch | None:
        return read_latch(self.path, 0)


@pytest.fixture
def bench(tmp_path: Path) -> Bench:
    return Bench(tmp_path / "KILLED")


def test_before_a_trip_writes_the_latch_and_after_a_reset_it_is_gone(
    bench: Bench,
) -> None:
    bench.keeper.before([TRIPPED])
    assert bench.held() == OURS
    bench.keeper.after([TRIPPED])
    assert bench.held() == OURS
    bench.keeper.before([RESET])
    assert bench.held() == OURS  # the journal does not hold the reset yet
    bench.keeper.after([RESET])
    assert bench.held() is None
    assert bench.keeper.alarm == ""


@pytest.mark.parametrize(
    ("facts", "is_latched"),
    [
        ([TRIPPED, RESET], False),
        ([RESET, TRIPPED], True),
        ([TRIPPED, RESET, TRIPPED], True),
        ([], False),
    ],
)
def test_after_several_turns_in_one_batch_the_last_one_counts(
    bench: Bench, facts: list[Journalled], is_latched: bool
) -> None:
    bench.keeper.before(facts)
    bench.keeper.after(facts)
    assert (bench.held() is not None) is is_latched


@pytest.mark.parametrize(("opening", "held"), [(Opening(), None), (KILLED, OURS)])
def test_before_a_run_that_begins_killed_writes_a_missing_latch(
    bench: Bench, opening: Opening, held: Latch | None
) -> None:
    opened = AccountOpened(received_ns=START_NS + 5, symbol="", opening=opening)
    bench.keeper.before([opened])
    assert bench.held() == held


def test_before_a_run_that_begins_killed_leaves_the_latch_that_is_there(
    bench: Bench,
) -> None:
    write_latch(bench.path, THEIRS)
    again = Bench(bench.path)
    opened = AccountOpened(received_ns=START_NS + 5, symbol="", opening=KILLED)
    again.keeper.before([opened])
    assert again.held() == THEIRS


def test_watch_latch_put_there_tells_a_kill_once(bench: Bench) -> None:
    bench.keeper.watch(START_NS)
    write_latch(bench.path, THEIRS)
    bench.keeper.watch(START_NS + 19 * NS_PER_MS)  # looks every 20 ms
    assert bench.told == []
    for elapsed_ms in (20, 40, 2_000):
        bench.keeper.watch(START_NS + elapsed_ms * NS_PER_MS)
    assert bench.told == [("bob", "stop it")]


def test_watch_empty_file_tells_a_kill(bench: Bench) -> None:
    bench.path.touch()
    bench.keeper.watch(START_NS)
    [(operator, reason)] = bench.told
    assert operator == ""
    assert "cannot be read" in reason


def test_watch_failed_latch_alarms_and_is_written_again_each_second(
    bench: Bench,
) -> None:
    bench.disk.is_broken = True
    bench.switch.trip(TRIPPED.reason, TRIPPED.detail, TRIPPED.received_ns)
    bench.keeper.before([TRIPPED])
    assert "broken" in bench.keeper.alarm
    bench.keeper.watch(START_NS)
    bench.disk.is_broken = False
    bench.keeper.watch(START_NS + NS_PER_S - 1)
    assert bench.held() is None
    bench.keeper.watch(START_NS + NS_PER_S + 20 * NS_PER_MS)
    assert bench.held() == OURS
    assert bench.keeper.alarm == ""
    assert bench.told == []


def test_watch_latch_removed_by_hand_is_written_again_while_killed(
    bench: Bench,
) -> None:
    bench.switch.trip(TRIPPED.reason, TRIPPED.detail, TRIPPED.received_ns)
    bench.keeper.before([TRIPPED])
    bench.path.unlink()
    bench.keeper.watch(START_NS)
    assert bench.held() == OURS


def test_watch_nothing_killed_writes_nothing(bench: Bench) -> None:
    bench.keeper.watch(START_NS)
    bench.keeper.watch(START_NS + 5 * NS_PER_S)
    assert bench.held() is None
    assert bench.told == []


def test_after_reset_that_cannot_remove_the_latch_alarms(bench: Bench) -> None:
    bench.path.mkdir()
    stuck = Bench(bench.path)
    stuck.keeper.after([RESET])
    assert "next start is killed" in stuck.keeper.alarm


@pytest.mark.parametrize(
    ("latch", "detail"),
    [
        (THEIRS, "stop it (bob)"),
        (Latch(START_NS + 1, KillReason.COMMAND, "stop it"), "stop it"),
        (Latch(START_NS + 1, KillReason.COMMAND, "", "bob"), "(bob)"),
    ],
)
def test_latched_opening_of_a_free_account_is_killed_before_any_entry(
    latch: Latch, detail: str
) -> None:
    opening = latched_opening(Opening(is_paused=True), latch)
    expected = Opening(
        killed_ns=START_NS + 1,
        kill_reason="command",
        kill_detail=detail,
        is_paused=True,
    )
    assert opening == expected
    scene = Scene()
    scene.feed(AccountOpening(START_NS, opening))
    scene.enter()
    tripped = scene.account.kill_switch.tripped
    assert tripped is not None
    assert (tripped.reason, tripped.detail) == (KillReason.COMMAND, detail)
    assert scene.positions == {}


def test_latched_opening_earlier_kill_stands_and_none_changes_nothing() -> None:
    assert latched_opening(KILLED, THEIRS) == KILLED
    assert latched_opening(KILLED, None) == KILLED
    free = msgspec.structs.replace(Opening(), is_paused=True)
    assert latched_opening(free, None) == free
