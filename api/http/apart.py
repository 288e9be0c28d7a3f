"""Processes that go on when we end."""

import subprocess
from collections.abc import Sequence
from pathlib import Path


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
