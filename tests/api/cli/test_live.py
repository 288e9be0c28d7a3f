"""Status lines: they may be late or lost, the engine never waits for them."""

import subprocess
import sys
import threading
from collections.abc import Callable

import pytest

from api.cli.live import _Lines, status_lines


def test_show_writer_that_stands_still_is_not_waited_for() -> None:
    is_going, done = threading.Event(), threading.Event()
    written: list[str] = []

    def write(line: str) -> None:
        is_going.set()
        done.wait(30)
        written.append(line)

    with _Lines(write) as lines:
        lines.show("0")
        assert is_going.wait(30)
        for number in range(1, 1_000):
            lines.show(str(number))
        done.set()
    assert written[0] == "0"
    assert len(written) <= 2


def test_show_of_every_tenth_line_the_first_is_written() -> None:
    written: list[str] = []
    is_written = threading.Semaphore(0)

    def write(line: str) -> None:
        written.append(line)
        is_written.release()

    with _Lines(write, every=10) as lines:
        for number in range(20):
            lines.show(str(number))
            if number % 10 == 0:
                assert is_written.acquire(timeout=30)
    assert written == ["0", "10"]


def _fail(_line: str) -> None:
    raise BrokenPipeError


@pytest.mark.parametrize("write", [_fail])
def test_show_reader_that_is_gone_ends_nothing(write: Callable[[str], None]) -> None:
    with _Lines(write) as lines:
        lines.show("1")
        lines.show("2")
    assert not lines._thread.is_alive()


def test_status_lines_plain_go_to_standard_error(
    capsys: pytest.CaptureFixture[str],
) -> None:
    with status_lines(is_plain=True) as show:
        for number in range(9):
            show(f"line {number}")
    captured = capsys.readouterr()
    assert captured.err == "line 0\n"
    assert captured.out == ""


def test_status_lines_closed_pipe_ends_nothing() -> None:
    code = (
        "from api.cli.live import status_lines\n"
        "with status_lines(is_plain=True) as show:\n"
        "    [show('x') for _ in range(100)]\n"
        "print('done')\n"
    )
    command = f'{sys.executable} -c "$CODE" 2> >(exec true)'
    ended = subprocess.run(
        ["/bin/bash", "-c", command],
        env={"CODE": code, "PATH": "/usr/bin:/bin"},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert ended.stdout == "done\n"
