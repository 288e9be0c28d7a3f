"""The archive beside the engine: kept running, and asked about what has been.

It is a process of its own, because an embedded store belongs to one process; everything
here asks it over ClickHouse's HTTP interface, as a server would be asked.
"""

import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from threading import Lock
from typing import Any

import structlog

from api.http.apart import start_apart
from connectors.clickhouse import READER, ClickHouse
from connectors.output import ARCHIVE_TOKEN, ARCHIVE_URL, is_archive_in
from flows.domain.errors import StoreError, StoreUnreachable

LOG = "archive.log"

_BEHIND = ("nice", "-n", "10")
"""Before a command: the engine goes first where processors are few."""
_ARCHIVE = (*_BEHIND, sys.executable, "-m", "api.cli.main", "archive")
_FIRST_WAIT_S = 1.0
_LONGEST_WAIT_S = 60.0
_WELL_AFTER_S = 60.0
_END_WITHIN_S = 10.0
_ANSWERS_WITHIN_S = 5
_AGAIN_S = 2.0

_LOADED = """
SELECT if(count() = 0, 0, max(last) + 1) FROM archive_blocks
WHERE run_id = {run:String} AND source = 'journal' AND state = 'loaded'
"""

_log = structlog.get_logger()


class ArchiveKeeper:
    """Keeps an archive running in a directory, from `begin` to `end`."""

    def __init__(
        self,
        data: Path,
        *,
        command: Sequence[str] = _ARCHIVE,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._data = data
        self._command = command
        self._clock = clock
        self._child: subprocess.Popen[bytes] | None = None
        self._port = 0
        self._started_s = self._due_s = 0.0
        self._failures = 0
        self.is_wanted = False
        """Whether one is kept here."""
        self.losses = 0
        """Times that one which was kept here has ended by itself."""

    def begin(self, port: int = 0) -> None:
        """Keep one running from now on, answering at a port; 0: at a free one."""
        self.is_wanted, self._port = True, port

    def end(self) -> None:
        """Let the one that was started here finish; one of somebody else goes on."""
        self.is_wanted = False
        child, self._child = self._child, None
        if child is None:
            return
        child.terminate()
        try:
            child.wait(_END_WITHIN_S)
        except subprocess.TimeoutExpired:
            child.kill()
            child.wait()

    def watch(self) -> None:
        """Look after it; to be called now and then."""
        child = self._child
        if child is not None and (status := child.poll()) is not None:
            self._child = None
            lived_s = self._clock() - self._started_s
            self._failures = 0 if lived_s >= _WELL_AFTER_S else self._failures + 1
            wait_s = min(_FIRST_WAIT_S * 2 ** min(self._failures, 9), _LONGEST_WAIT_S)
            self._due_s = self._clock() + wait_s
            self.losses += 1
            _log.error("archive_lost", status=status)
        if not self.is_wanted or self._child is not None or is_archive_in(self._data):
            return
        if self._clock() >= self._due_s:
            self._start()

    def _start(self) -> None:
        self._started_s = self._clock()
        arguments = [*self._command, "--data", str(self._data)]
        arguments += ["--serve", str(self._port), "--plain"]
        try:
            self._child = start_apart(arguments, self._data / LOG)
        except OSError as error:
            self._due_s = self._clock() + _LONGEST_WAIT_S
            _log.error("archive_lost", status=error.strerror)


class History:
    """Questions to a directory's archive; one connection, opened when it is needed.

    One that does not answer is asked again after a while only, so that nobody waits for
    it in a queue.
    """

    def __init__(
        self,
        data: Path,
        *,
        answers_within_s: int = _ANSWERS_WITHIN_S,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._data = data
        self._answers_within_s = answers_within_s
        self._clock = clock
        self._ask_again_s = 0.0
        self._problem = ""
        self._lock = Lock()
        self._url = ""
        self._store: ClickHouse | None = None
        self.errors = 0
        """Questions that were not answered."""

    def query(
        self, sql: str, parameters: Mapping[str, object] | None = None
    ) -> list[tuple[Any, ...]]:
        """The rows of a question. Raises StoreUnreachable, StoreError."""
        if not self._lock.acquire(timeout=self._answers_within_s):
            raise StoreUnreachable("The archive is busy with other questions")
        try:
            return self._answer(sql, parameters)
        except StoreError:
            self.errors += 1
            raise
        finally:
            self._lock.release()

    def loaded_entries(self, run_id: str) -> int | None:
        """How many journal entries of a run are loaded; None where it cannot say."""
        if not (self._data / ARCHIVE_URL).exists():
            return None
        try:
            [(loaded,)] = self.query(_LOADED, {"run": run_id})
        except StoreError:
            return None
        return int(loaded)

    def close(self) -> None:
        """Hang up."""
        store, self._store = self._store, None
        if store is not None:
            store.close()

    def _answer(
        self, sql: str, parameters: Mapping[str, object] | None
    ) -> list[tuple[Any, ...]]:
        if self._clock() < self._ask_again_s:
            raise StoreUnreachable(self._problem)
        try:
            return self._connected().query(sql, parameters)
        except StoreUnreachable as error:
            self._problem = str(error)
            self._ask_again_s = self._clock() + _AGAIN_S
            self.close()
            raise

    def _connected(self) -> ClickHouse:
        try:
            url = (self._data / ARCHIVE_URL).read_text().strip()
            token = (self._data / ARCHIVE_TOKEN).read_text().strip()
        except OSError as error:
            msg = "The archive is not running; mft up, or mft archive --serve 0"
            raise StoreUnreachable(msg) from error
        if self._store is None or url != self._url:
            self.close()
            scheme, _, place = url.partition("://")
            try:
                self._store = ClickHouse.open_url(
                    f"{scheme}://{READER}:{token}@{place}",
                    answers_within_s=self._answers_within_s,
                )
            except StoreError as error:
                raise StoreUnreachable(str(error)) from error
            self._url = url
        return self._store
