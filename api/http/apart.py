"""Processes that go on when we end."""

import os
import subprocess
from collections.abc import Sequence
from pathlib import Path

from connectors.binance.signing import KEY_FILE_VARIABLE, KEY_VARIABLE, SECRET_VARIABLE

SECRETS = (KEY_VARIABLE, SECRET_VARIABLE, KEY_FILE_VARIABLE)
_TAIL = 4_096


def start_apart(
    arguments: Sequence[str], log: Path, *, has_keys: bool = False
) -> subprocess.Popen[bytes]:
    """A process in a session of its own, which writes at the end of a log.

    Keys of an account are in its environment only where it `has_keys`. Raises OSError
    where it cannot be started, or the log not be written.
    """
    hidden = () if has_keys else SECRETS
    with log.open("ab") as output:
        return subprocess.Popen(  # noqa: S603 - this program itself
            arguments,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=output,
            env={name: os.environ[name] for name in os.environ if name not in hidden},
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
