"""One process at a time, whoever looks whether there is one."""

import fcntl
import threading
from pathlib import Path

import pytest

from connectors.lock import is_locked, lock_directory
from flows.domain.errors import ConfigurationError

HOW = {"use": "as output", "refusal": "another process is writing here"}


def test_lock_directory_while_somebody_looks_is_taken_all_the_same(
    tmp_path: Path,
) -> None:
    path = tmp_path / ".lock"
    with path.open("w") as looking:
        fcntl.flock(looking, fcntl.LOCK_SH)  # as is_locked does for a moment
        threading.Timer(0.03, fcntl.flock, (looking, fcntl.LOCK_UN)).start()
        with lock_directory(tmp_path, ".lock", **HOW):
            assert is_locked(path)
    assert not is_locked(path)


def test_lock_directory_held_is_refused(tmp_path: Path) -> None:
    with lock_directory(tmp_path, ".lock", **HOW):
        with pytest.raises(ConfigurationError, match="another process is writing"):
            lock_directory(tmp_path, ".lock", **HOW)
        assert is_locked(tmp_path / ".lock")


def test_lock_directory_removed_meanwhile_is_taken_anew(tmp_path: Path) -> None:
    path = tmp_path / ".lock"
    first = lock_directory(tmp_path, ".lock", **HOW)
    path.unlink()
    with lock_directory(tmp_path, ".lock", **HOW):
        first.close()
        assert is_locked(path)


def test_lock_directory_that_cannot_be_made_says_so(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(ConfigurationError, match="cannot be used as output: "):
        lock_directory(tmp_path / "file" / "data", ".lock", **HOW)
