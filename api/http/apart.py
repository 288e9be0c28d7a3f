"""Processes that go on when we end."""

import os
import subprocess
from collections.abc import Sequence
from pathlib import Path

_TAIL = 4_096


def start_apart(arguments: Sequence[str], log: Path) -> subprocess.Popen[bytes]:
    """A process in a session of its own, which writes at the end of a log.

    Raises OSError where it cannot be started, or the log not be written.
    """
    with log.open("ab") as output:
        return subprocess.Popen(  # noqa: S603 - this program itself
            arguments,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=output,
            start_new_session=True,
        )


def last_words(log: Path) -> str:
    """The last line of a log, where a command says why it ended."""
    try:
        with log.open("rb") as file:
            file.seek(max(0, os.fstat(file.fileno()).st_size - _TAIL))
            lines = file.read().decode(errors="replace").splitlines()
    except OSError:
        return "its log cannot be read"
    return next((line for line in reversed(lines) if line.strip()), "no word")
