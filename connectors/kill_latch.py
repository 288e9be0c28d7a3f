"""The kill latch: a file that keeps an account killed, also while no engine runs.

That it is there is what kills, whatever it holds: `touch KILLED` is enough. Only a file
that is known to be missing kills nobody; one that cannot be looked at counts as there.
"""

import os
from collections.abc import Callable
from concurrent.futures import Future
from contextlib import suppress
from pathlib import Path
from threading import Thread

import msgspec

from connectors.files import sync_directory
from flows.domain.errors import StoreError
from flows.domain.kill import KillReason

WRITTEN_WITHIN_S = 0.2
"""How long an engine waits for the file before it goes on without it."""

_LARGEST = 65_536

Mark = tuple[int, int, int]
"""Which file it is: device, inode, time of its content in ns."""

_UNKNOWN: Mark = (-1, -1, -1)


class Latch(msgspec.Struct, frozen=True):
    """Why and since when an account is killed."""

    killed_ns: int
    """Nanoseconds since the epoch."""
    reason: KillReason
    detail: str
    operator: str = ""


_decode = msgspec.json.Decoder(Latch).decode


def read_latch(path: Path, now_ns: int) -> Latch | None:
    """What the latch says, None where there is none.

    One that cannot be read kills by command, as of `now_ns`.
    """
    try:
        with path.open("rb") as file:
            return _decode(file.read(_LARGEST))
    except FileNotFoundError:
        return None
    except OSError as error:
        problem = error.strerror or str(error)
    except (msgspec.DecodeError, ValueError) as error:
        problem = str(error)
    detail = f"the kill latch {path.name} is there and cannot be read: {problem}"
    return Latch(now_ns, KillReason.COMMAND, detail)


def write_latch(path: Path, latch: Latch) -> Mark:
    """Put the latch in place, durably, instead of any other; which file it then is.

    Where it cannot hold its content (full disk) it is left empty, which kills as well.
    Raises StoreError where it cannot be there.
    """
    partial = path.with_name(f"{path.name}.{os.getpid()}.partial")
    try:
        with partial.open("wb", buffering=0) as file:
            with suppress(OSError, ValueError):  # text that is no Unicode
                file.write(msgspec.json.encode(latch))
            os.fsync(file.fileno())
            mark = _mark(os.fstat(file.fileno()))
        partial.replace(path)
        sync_directory(path.parent)
    except OSError as error:
        with suppress(OSError):
            partial.unlink(missing_ok=True)
        msg = f"{path}: the kill latch cannot be written: {error.strerror}"
        raise StoreError(msg) from error
    return mark


def mark_of(path: Path) -> Mark | None:
    """Which file is there; None only where there is certainly none."""
    try:
        return _mark(path.stat())
    except FileNotFoundError:
        return None
    except OSError:
        return _UNKNOWN


def _mark(found: os.stat_result) -> Mark:
    return found.st_dev, found.st_ino, found.st_mtime_ns


class KillLatch:
    """The latch as the one engine of a directory keeps it.

    Anybody may put one there; only the engine that owns it takes it away, and only the
    one it knows of, so that a kill is never undone by a reset that did not see it.
    """

    def __init__(
        self,
        path: Path,
        write: Callable[[Path, Latch], Mark] = write_latch,
        *,
        within_s: float = WRITTEN_WITHIN_S,
    ) -> None:
        self.path = path
        self.problem = ""
        """Why the file is not what it should be; empty where it is."""
        self._write = write
        self._within_s = within_s
        self._known = mark_of(path)
        self._writing: Future[Mark] | None = None

    @property
    def is_set(self) -> bool:
        """Whether the file is known to be there, durably."""
        return self._known is not None and not self.problem

    @property
    def is_due(self) -> bool:
        """Whether it is missing or was not written well, and is not on its way."""
        if self._writing is not None:
            return False
        return bool(self.problem) or mark_of(self.path) is None

    def set(self, latch: Latch) -> None:
        """Write it, and wait for that no longer than `within_s`; `problem` tells.

        One that is still being written is not written again: that it is there counts.
        """
        self.collect()
        if self._writing is None:
            self._writing = Future()
            self._start(self._writing, latch)
            self.collect(self._within_s)

    def collect(self, within_s: float = 0) -> None:
        """See what became of a file that was still being written."""
        if self._writing is None:
            return
        try:
            self._known = self._writing.result(within_s)
            self.problem = ""
        except TimeoutError:
            self.problem = f"{self.path}: the kill latch is still being written"
            return
        except StoreError as error:
            self.problem = str(error)
        self._writing = None

    def release(self) -> None:
        """Take the file away, if it is the one that is known; `problem` tells.

        One still being written counts as set by somebody else once it appears.
        """
        self.collect(self._within_s)
        self._writing = None
        self.problem = ""
        if self._known is None or self._known != mark_of(self.path):
            self._known = None
            return
        try:
            self.path.unlink()
            sync_directory(self.path.parent)
        except OSError as error:
            told = f"{self.path}: the kill latch cannot be removed: {error.strerror}"
            self.problem = f"{told}; the next start is killed"
        else:
            self._known = None

    def take_foreign(self, now_ns: int) -> Latch | None:
        """A latch that somebody else has put there since this was last asked."""
        self.collect()
        found = mark_of(self.path)
        if found is None or found == self._known:
            return None
        self._known = found
        self.problem = ""
        return read_latch(self.path, now_ns)

    def _start(self, writing: Future[Mark], latch: Latch) -> None:
        def write() -> None:
            try:
                writing.set_result(self._write(self.path, latch))
            except StoreError as error:
                writing.set_exception(error)

        try:
            Thread(target=write, daemon=True).start()
        except RuntimeError as error:  # the system has no thread left
            told = f"{self.path}: the kill latch cannot be written: {error}"
            writing.set_exception(StoreError(told))
