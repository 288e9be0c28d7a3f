"""Directories of runs: claimed once, resumable, never half-written."""

import csv
import io
import re
import shutil
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Self

from connectors.files import PARTIAL, whole_file
from connectors.lock import is_locked, lock_directory
from flows.domain.errors import ConfigurationError, StoreError, TradingError

REPORT = "report.json"
JOURNAL = "journal.sqlite"
CLICKHOUSE = "clickhouse"
RECORDING = "recording"
SCANS = "scans"
"""Scans of a live engine's operator: a directory each."""
CONTROL = "control.sock"
KILL_LATCH = "KILLED"
KILLS = "kills"
"""Evidence of the kills that no engine carried out."""
ACCESS = "access.json"
"""Where the engine's orders go."""
WATCHDOG_LOG = "watchdog.log"
ARCHIVE_URL = "archive.url"
"""Where the archive answers questions; there while it does."""
ARCHIVE_TOKEN = "archive.token"  # noqa: S105 - the name of a file
_LOCK = ".lock"
_ARCHIVE_LOCK = ".archive.lock"
_TABLES = ("views.csv", "signals.csv", "orders.csv", "fills.csv", "trades.csv")
_WRITTEN = (_LOCK, JOURNAL, REPORT, *_TABLES)
"""How the names of a run's files begin."""
_INPUT = re.compile(r"input\.[\w.-]+@[\w.-]+\.jsonl\.gz", re.ASCII)


def input_name(source: str, run_id: str) -> str:
    """The file that holds what a run was given: a run of a source, fetched."""
    return f"input.{source}@{run_id}.jsonl.gz"


@contextmanager
def input_directory(path: Path) -> Iterator[str | None]:
    """A directory held while a run's input is fetched into it; the input it has.

    It may be new, empty, or hold the input and the unfinished work of a run; anything
    else is refused with a ConfigurationError. Left empty, it is removed if it was new.
    """
    is_new = not path.exists()
    lock = _locked(path)
    try:
        _check_unfinished(path)
        held = None
        for entry in path.iterdir():
            if _INPUT.fullmatch(entry.name):
                held = entry.name
            elif _INPUT.fullmatch(entry.name.removesuffix(PARTIAL)):
                entry.unlink()  # a fetch that was killed
        if held is None:
            _check_empty(path)
        yield held
    finally:
        _release(path, lock)
        if is_new and not any(path.iterdir()):
            path.rmdir()


class OutputDirectory:
    """A directory that belongs to one run.

    It may be new, empty, or hold the unfinished work of the same run, which is then
    resumed; anything else is refused with a ConfigurationError. Beside the work may
    stand the run's input (`input_directory`), which is never removed.
    """

    def __init__(
        self, path: Path, run_id: str, held_runs: Callable[[Path], list[str]]
    ) -> None:
        self.path = path
        self._held_runs = held_runs
        self._is_new = not path.exists()
        self._lock = _locked(path)
        try:
            self._check(run_id)
        except TradingError:
            self.release()
            raise

    @property
    def journal(self) -> Path:
        """The run's journal."""
        return self.path / JOURNAL

    @property
    def clickhouse(self) -> Path:
        """The run's embedded database."""
        return self.path / CLICKHOUSE

    def _check(self, run_id: str) -> None:
        _check_unfinished(self.path)
        if self.journal.exists():
            self._check_journal(run_id)
        else:
            _check_empty(self.path)

    def _check_journal(self, run_id: str) -> None:
        others = [held for held in self._held_runs(self.journal) if held != run_id]
        if others:
            msg = (
                f"{self.path} holds run {others[0]}, of other input or settings; "
                "choose another --out"
            )
            raise ConfigurationError(msg)

    @contextmanager
    def file(self, name: str) -> Iterator[IO[str]]:
        """A text file that appears under its name whole, or not at all."""
        try:
            with whole_file(self.path / name) as whole:
                file = io.TextIOWrapper(whole, encoding="utf-8", newline="")
                try:
                    yield file
                finally:
                    file.detach()  # flushes it; it is closed by its owner
        except OSError as error:
            msg = f"{self.path / name}: cannot be written: {error.strerror}"
            raise StoreError(msg) from error

    def write_csv(
        self, name: str, header: Sequence[str], rows: Iterable[Sequence[object]]
    ) -> None:
        """Write a CSV file, whole or not at all."""
        with self.file(name) as file:
            writer = csv.writer(file, lineterminator="\n")
            writer.writerow(header)
            writer.writerows(rows)

    def discard(self) -> None:
        """Remove what the run wrote: its input cannot be replayed."""
        for entry in self.path.iterdir():
            if entry.name == CLICKHOUSE:
                shutil.rmtree(entry)
            elif entry.name.startswith(_WRITTEN):
                entry.unlink()
        if self._is_new and not any(self.path.iterdir()):
            self.path.rmdir()

    def release(self) -> None:
        """Let another process use the directory."""
        _release(self.path, self._lock)


def _check_unfinished(path: Path) -> None:
    if (path / REPORT).exists():
        msg = f"{path} holds a finished run; choose another --out"
        raise ConfigurationError(msg)


def _check_empty(path: Path) -> None:
    """Refuse what holds more than the lock and a fetched input."""
    names = sorted(p.name for p in path.iterdir() if not _INPUT.fullmatch(p.name))
    if left := [name for name in names if name != _LOCK]:
        msg = f"{path} is not empty ({left[0]}); choose another --out"
        raise ConfigurationError(msg)


class ArchivedDirectory:
    """The directory of a live engine, as its archive reads it; one archive at a time.

    Raises ConfigurationError where it is missing or another archive reads it.
    """

    def __init__(self, path: Path) -> None:
        if not path.is_dir():
            msg = f"{path}: no such directory; expected that of an `mft trade --data`"
            raise ConfigurationError(msg)
        self._lock_path = path / _ARCHIVE_LOCK
        self._lock = _locked(path, _ARCHIVE_LOCK, "another archive is reading here")
        self.journal = path / JOURNAL
        self.recording = path / RECORDING
        self.scans = path / SCANS
        self.clickhouse = path / CLICKHOUSE
        self.url = path / ARCHIVE_URL
        self.token = path / ARCHIVE_TOKEN

    def release(self) -> None:
        """Let another archive use the directory."""
        self._lock_path.unlink(missing_ok=True)
        self._lock.close()


class DataDirectory:
    """Where a live engine keeps its journal and recording; one engine at a time.

    Raises ConfigurationError where it cannot be used or another engine uses it.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._lock_path = path / _LOCK
        self._lock = _locked(path)
        self.journal = path / JOURNAL
        self.recording = path / RECORDING
        self.control = path / CONTROL
        self.kill_latch = path / KILL_LATCH
        self.access = path / ACCESS
        self.watchdog_log = path / WATCHDOG_LOG

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_error: object) -> None:
        self.release()

    def release(self) -> None:
        """Let another engine use the directory."""
        self._lock_path.unlink(missing_ok=True)
        self._lock.close()


def is_engine_in(path: Path) -> bool:
    """Whether a process holds an engine's directory."""
    return is_locked(path / _LOCK)


def is_archive_in(path: Path) -> bool:
    """Whether a process loads an engine's directory into ClickHouse."""
    return is_locked(path / _ARCHIVE_LOCK)


def _locked(
    directory: Path, name: str = _LOCK, refusal: str = "another process is writing here"
) -> IO[str]:
    return lock_directory(directory, name, use="as output", refusal=refusal)


def _release(directory: Path, lock: IO[str]) -> None:
    (directory / _LOCK).unlink(missing_ok=True)
    lock.close()
