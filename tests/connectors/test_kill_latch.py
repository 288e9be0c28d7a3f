"""The kill latch: that it is there is what kills."""

import os
import resource
import signal
from collections.abc import Iterator
from pathlib import Path
from threading import Event, Thread

import pytest

from connectors.kill_latch import (
    KillLatch,
    Latch,
    Mark,
    mark_of,
    read_latch,
    write_latch,
)
from flows.domain.errors import StoreError
from flows.domain.kill import KillReason

PATIENCE_S = 30.0
NOW_NS = 1_700_000_000_000_000_000
LATCH = Latch(NOW_NS - 5, KillReason.DRAWDOWN, "too deep", "ann")


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "KILLED"


@pytest.fixture
def full_disk() -> Iterator[None]:
    """No file may hold a byte."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    before = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (0, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
        signal.signal(signal.SIGXFSZ, before)


class SlowDisk:
    """Writes a latch once it is let go."""

    def __init__(self) -> None:
        self.go = Event()
        self.has_written = Event()

    def __call__(self, path: Path, latch: Latch) -> Mark:
        self.go.wait()
        try:
            return write_latch(path, latch)
        finally:
            self.has_written.set()

    def finish(self) -> None:
        self.go.set()
        assert self.has_written.wait(PATIENCE_S)


def broken_disk(path: Path, _latch: Latch) -> Mark:
    msg = f"{path}: broken"
    raise StoreError(msg)


def test_read_latch_missing_file_is_no_kill(path: Path) -> None:
    assert read_latch(path, NOW_NS) is None
    assert mark_of(path) is None


def test_write_latch_then_read_gives_the_same(path: Path) -> None:
    mark = write_latch(path, LATCH)
    assert read_latch(path, NOW_NS) == LATCH
    assert mark_of(path) == mark
    assert [entry.name for entry in path.parent.iterdir()] == ["KILLED"]


def test_write_latch_over_another_is_another_file(path: Path) -> None:
    assert write_latch(path, LATCH) != write_latch(path, LATCH)


@pytest.mark.parametrize(
    "content", [b"", b"{}", b"\xff", b"[" * 70_000, b'{"killed_ns":1,"reason":"why"}']
)
def test_read_latch_unreadable_content_kills_by_command_now(
    path: Path, content: bytes
) -> None:
    path.write_bytes(content)
    latch = read_latch(path, NOW_NS)
    assert latch is not None
    assert (latch.killed_ns, latch.reason) == (NOW_NS, KillReason.COMMAND)
    assert "KILLED is there and cannot be read" in latch.detail


def test_read_latch_directory_in_its_place_kills(path: Path) -> None:
    path.mkdir()
    latch = read_latch(path, NOW_NS)
    assert latch is not None
    assert latch.reason is KillReason.COMMAND
    assert "Is a directory" in latch.detail


def test_mark_of_what_cannot_be_looked_at_counts_as_there(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    assert mark_of(tmp_path / "file" / "KILLED") is not None
    assert read_latch(tmp_path / "file" / "KILLED", NOW_NS) is not None


@pytest.mark.usefixtures("full_disk")
def test_write_latch_full_disk_leaves_one_that_kills_as_well(path: Path) -> None:
    write_latch(path, LATCH)
    assert path.read_bytes() == b""
    assert read_latch(path, NOW_NS) is not None


def test_write_latch_text_that_is_no_unicode_kills_as_well(path: Path) -> None:
    write_latch(path, Latch(NOW_NS, KillReason.COMMAND, "\udcff"))
    assert read_latch(path, NOW_NS) is not None


def test_write_latch_missing_directory_raises(tmp_path: Path) -> None:
    with pytest.raises(StoreError, match="cannot be written: No such file"):
        write_latch(tmp_path / "gone" / "KILLED", LATCH)


def test_write_latch_directory_in_its_place_raises_and_leaves_nothing(
    path: Path,
) -> None:
    path.mkdir()
    with pytest.raises(StoreError, match="cannot be written: Is a directory"):
        write_latch(path, LATCH)
    assert [entry.name for entry in path.parent.iterdir()] == ["KILLED"]


def test_set_writes_and_release_removes(path: Path) -> None:
    latch = KillLatch(path, within_s=PATIENCE_S)
    assert (latch.is_set, latch.is_due) == (False, True)
    latch.set(LATCH)
    assert (latch.is_set, latch.is_due, latch.problem) == (True, False, "")
    assert read_latch(path, NOW_NS) == LATCH
    latch.release()
    assert (latch.is_set, latch.problem, path.exists()) == (False, "", False)


def test_set_slow_disk_goes_on_and_does_not_claim_it(path: Path) -> None:
    disk = SlowDisk()
    latch = KillLatch(path, disk, within_s=0.01)
    latch.set(LATCH)
    assert (latch.is_set, latch.is_due) == (False, False)
    assert "still being written" in latch.problem
    latch.set(LATCH)  # does not start a second one
    disk.finish()
    latch.collect(PATIENCE_S)
    assert (latch.is_set, latch.problem) == (True, "")
    assert latch.take_foreign(NOW_NS) is None


def test_set_broken_disk_says_so_and_is_due_again(path: Path) -> None:
    latch = KillLatch(path, broken_disk, within_s=PATIENCE_S)
    latch.set(LATCH)
    assert (latch.is_set, latch.is_due) == (False, True)
    assert latch.problem.endswith("broken")


def test_set_no_thread_left_says_so_and_is_due_again(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(_thread: Thread) -> None:
        msg = "can't start new thread"
        raise RuntimeError(msg)

    latch = KillLatch(path, within_s=PATIENCE_S)
    with monkeypatch.context() as without_threads:
        without_threads.setattr(Thread, "start", refuse)
        latch.set(LATCH)
    assert (latch.is_set, latch.is_due) == (False, True)
    assert "can't start new thread" in latch.problem
    latch.set(LATCH)
    assert latch.is_set


def test_release_of_one_that_somebody_else_replaced_leaves_it_to_kill(
    path: Path,
) -> None:
    latch = KillLatch(path, within_s=PATIENCE_S)
    latch.set(LATCH)
    theirs = Latch(NOW_NS, KillReason.COMMAND, "stop it", "bob")
    write_latch(path, theirs)
    latch.release()
    assert latch.take_foreign(NOW_NS) == theirs
    assert latch.take_foreign(NOW_NS) is None
    assert latch.is_set


def test_release_while_still_being_written_counts_as_foreign_later(path: Path) -> None:
    disk = SlowDisk()
    latch = KillLatch(path, disk, within_s=0.01)
    latch.set(LATCH)
    latch.release()
    assert latch.take_foreign(NOW_NS) is None
    disk.finish()
    assert latch.take_foreign(NOW_NS) == LATCH


def test_release_that_cannot_remove_says_that_the_next_start_is_killed(
    path: Path,
) -> None:
    path.mkdir()
    latch = KillLatch(path, within_s=PATIENCE_S)
    latch.release()
    assert path.exists()
    assert "cannot be removed" in latch.problem
    assert "next start is killed" in latch.problem
    assert latch.take_foreign(NOW_NS) is None


def test_take_foreign_file_of_before_is_known_and_a_touched_one_is_not(
    path: Path,
) -> None:
    write_latch(path, LATCH)
    latch = KillLatch(path, within_s=PATIENCE_S)
    assert latch.is_set
    assert latch.take_foreign(NOW_NS) is None
    os.utime(path, ns=(NOW_NS, NOW_NS))
    assert latch.take_foreign(NOW_NS) == LATCH
