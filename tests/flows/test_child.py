"""A function in a process of its own."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from flows import child
from flows.domain.errors import MarketDataError, StoreError

WAITING_PARENT = """
import sys
from flows import child
from tests.flows.test_child import wait_forever
if __name__ == "__main__":
    child.call(wait_forever, lambda pid: print(pid, flush=True))
"""


def add(on_progress: child.Progress, left: int, *, right: int) -> int:
    on_progress(left)
    on_progress(right)
    return left + right


def fail(_on_progress: child.Progress) -> None:
    raise MarketDataError("a.jsonl:3: broken")


def vanish(_on_progress: child.Progress) -> None:
    os.kill(os.getpid(), signal.SIGKILL)


def wait_forever(on_progress: child.Progress) -> None:
    on_progress(os.getpid())
    signal.pause()


def test_call_function_that_ends_returns_result_and_progress() -> None:
    told: list[int] = []
    assert child.call(add, told.append, 2, right=3) == 5
    assert told == [2, 3]


def test_call_function_that_raises_raises_the_same_error() -> None:
    with pytest.raises(MarketDataError, match=r"^a\.jsonl:3: broken$"):
        child.call(fail, lambda _more: None)


def test_call_process_killed_raises_store_error_with_status() -> None:
    with pytest.raises(StoreError, match="vanish died with status -9"):
        child.call(vanish, lambda _more: None)


def test_call_parent_killed_takes_the_child_along(tmp_path: Path) -> None:
    script = tmp_path / "parent.py"
    script.write_text(WAITING_PARENT)
    root = Path(__file__).parents[2]
    with subprocess.Popen(
        [sys.executable, script],
        cwd=root,
        env={**os.environ, "PYTHONPATH": str(root)},
        stdout=subprocess.PIPE,
    ) as parent:
        assert parent.stdout is not None
        pid = int(parent.stdout.readline())
        parent.kill()
    deadline = time.monotonic() + 30
    while _is_running(pid) and time.monotonic() < deadline:
        time.sleep(0.01)
    assert not _is_running(pid)


def test_call_interrupt_during_the_start_is_raised_after_it() -> None:
    heard: list[int] = []
    before = signal.signal(signal.SIGINT, lambda number, _frame: heard.append(number))
    try:
        with child._deaf():
            signal.raise_signal(signal.SIGINT)  # to this thread, not to any
            assert heard == []
        assert heard == [signal.SIGINT]
    finally:
        signal.signal(signal.SIGINT, before)


def _is_running(pid: int) -> bool:
    try:
        state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except OSError:
        return False
    return state != "Z"
