"""One process at a time in a directory: a lock file, held for as long as it is used."""

import fcntl
import os
from contextlib import ExitStack
from pathlib import Path
from typing import IO

from flows.domain.errors import ConfigurationError


def lock_directory(directory: Path, name: str, *, use: str, refusal: str) -> IO[str]:
    """The directory's lock file, held; the directory is made where it is missing.

    Raises ConfigurationError: "cannot be used `use`", or the `refusal` where another
    process holds it.
    """
    path = directory / name
    with ExitStack() as stack:
        try:
            directory.mkdir(parents=True, exist_ok=True)
            lock = stack.enter_context(path.open("w"))
        except OSError as error:
            msg = f"{directory}: cannot be used {use}: {error.strerror}"
            raise ConfigurationError(msg) from error
        if not _is_taken(lock, path):
            raise ConfigurationError(f"{directory}: {refusal}")
        stack.pop_all()
        return lock


def is_locked(path: Path) -> bool:
    """Whether a process holds a lock file."""
    try:
        with path.open() as lock:
            fcntl.flock(lock, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except FileNotFoundError:
        return False
    except OSError:
        return True
    return False


def _is_taken(lock: IO[str], path: Path) -> bool:
    """Take the lock, if it is free and still the one that others would take."""
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        return os.path.samestat(os.fstat(lock.fileno()), path.stat())
    except OSError:  # held, or removed by its owner in this moment
        return False
