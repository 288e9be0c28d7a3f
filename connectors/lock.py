"""One process at a time in a directory: a lock file, held for as long as it is used."""

import fcntl
import os
import time
from pathlib import Path
from typing import IO

from flows.domain.errors import ConfigurationError

_TRIES = 20
_AGAIN_S = 0.01


def lock_directory(directory: Path, name: str, *, use: str, refusal: str) -> IO[str]:
    """The directory's lock file, held; the directory is made where it is missing.

    Raises ConfigurationError: "cannot be used `use`", or the `refusal` where another
    process holds it.
    """
    path = directory / name
    for again in range(_TRIES):
        time.sleep(_AGAIN_S if again else 0)
        try:
            directory.mkdir(parents=True, exist_ok=True)
            lock = path.open("w")
        except OSError as error:
            msg = f"{directory}: cannot be used {use}: {error.strerror}"
            raise ConfigurationError(msg) from error
        if _is_taken(lock, path):
            return lock
        lock.close()  # who looks whether it is held holds it for that moment, too
    raise ConfigurationError(f"{directory}: {refusal}")


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
