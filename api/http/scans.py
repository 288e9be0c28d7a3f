"""Scans that were asked for here: processes of their own, one at a time.

Each has a directory in `scans`, which the archive loads, and beside it what was asked
for, its process, and the log. All of it is there for the next API, too, which can end
the scan: a scan holds the lock of its directory for as long as its process lives.
"""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Sequence
from contextlib import closing, suppress
from http import HTTPStatus
from pathlib import Path
from threading import Lock

import msgspec

from api.http.apart import last_words, start_apart
from api.http.link import Json
from api.http.problem import Refusal
from connectors.certificate import read_certificate
from connectors.files import whole_file
from connectors.journal import JournalReader, held_runs
from connectors.output import JOURNAL, RECORDING, SCANS, is_engine_in
from flows.domain.errors import StoreError

LIVE, RECORDED = "live", "recorded"

_SCAN = (sys.executable, "-m", "api.cli.main", "scan")
_S = 1_000_000_000
_NOT_OURS = frozenset({"--symbols", "--mode"})


class ScanAsked(msgspec.Struct, frozen=True):
    """What somebody wants to have scanned."""

    symbols: tuple[str, ...]
    """None for those of the engine; recorded, for all."""
    source: str = LIVE
    """`live`, or `recorded`: the segments that the engine has finished."""
    duration_s: int = 600
    """Of a live scan."""


class ScanTold(msgspec.Struct, frozen=True):
    """A scan and how it stands."""

    scan_id: str
    asked: ScanAsked
    started_ns: int
    is_running: bool
    elapsed_s: int
    """So far; of one that has ended, nothing is known: 0."""
    problem: str = ""
    """Why it ended without a result."""


class _Order(msgspec.Struct, frozen=True):
    asked: ScanAsked
    started_ns: int
    pid: int = 0
    """Of its process; 0 until it has been started."""


class Scans:
    """Starts, stops and reads scans beside an engine."""

    def __init__(self, data: Path, *, command: Sequence[str] = _SCAN) -> None:
        self._data = data
        self._directory = data / SCANS
        self._command = command
        self._child: subprocess.Popen[bytes] | None = None
        self._child_id = ""
        self._stopped_id = ""
        self._lock = Lock()

    def start(self, asked: ScanAsked, plan: Sequence[str]) -> ScanTold:
        """Start a scan of the exchange and settings that an engine is started with.

        Raises Refusal where one runs, or there is nothing to scan.
        """
        with self._lock:
            newest = self.newest()
            if newest is not None and newest.is_running:
                raise _conflict(f"The scan {newest.scan_id} is still running")
            now_ns = time.time_ns()
            scan_id = time.strftime("%Y%m%d-%H%M%S", time.gmtime(now_ns // _S))
            if self._order_of(scan_id) is not None:
                raise _conflict("A scan was started in this very second")
            arguments = [*self._command, *self._what(asked, plan), *_settings_in(plan)]
            arguments += ["--out", str(self._directory / scan_id)]
            arguments += ["--no-clickhouse", "--plain", "--json"]
            try:
                self._directory.mkdir(exist_ok=True)
                self._write(scan_id, _Order(asked, now_ns))
                self._child = start_apart(arguments, self._log(scan_id))
                self._child_id = scan_id
                self._write(scan_id, _Order(asked, now_ns, self._child.pid))
            except OSError as error:
                if self._child is not None and self._child_id == scan_id:
                    self._child.terminate()  # nobody could end it later
                msg = f"{self._directory}: no scan can be started: {error.strerror}"
                raise StoreError(msg) from error
        return self._told(scan_id, _Order(asked, now_ns))

    def stop(self) -> None:
        """Let the scan end with what it has seen, also one of an API that is gone.

        Raises Refusal where none runs.
        """
        with self._lock:
            newest = self.newest()
            if newest is None or not newest.is_running:
                raise _conflict("No scan that was started here is running")
            self._stopped_id = newest.scan_id
            if self._child is not None and self._child_id == newest.scan_id:
                self._child.terminate()
            else:
                self._end_adopted(newest.scan_id)

    def newest(self) -> ScanTold | None:
        """The scan that was started last."""
        return next(iter(self.all(1)), None)

    def all(self, limit: int) -> list[ScanTold]:
        """Scans, newest first."""
        ids = sorted(
            (path.stem for path in self._directory.glob("*.json")), reverse=True
        )
        orders = ((scan_id, self._order_of(scan_id)) for scan_id in ids[:limit])
        return [self._told(scan_id, order) for scan_id, order in orders if order]

    def results(self, scan_id: str) -> list[Json]:
        """What a scan has found, by symbol. Raises Refusal, StoreError."""
        if self._order_of(scan_id) is None:
            msg = f"No scan {scan_id!r} was started here"
            raise Refusal(HTTPStatus.NOT_FOUND, msg)
        path = self._directory / scan_id / JOURNAL
        found = []
        for run_id in held_runs(path) if path.exists() else ():
            with closing(JournalReader(path)) as reader:
                rows = reader.events(run_id, 0, reader.last_sequence(run_id))
            found += [
                msgspec.json.decode(row.body) for row in rows if row.kind == "scanned"
            ]
        return found

    def _end_adopted(self, scan_id: str) -> None:
        """Its directory is locked, so its process lives: no other has the number."""
        order = self._order_of(scan_id)
        if order is None or not order.pid:
            raise _conflict(f"The process of the scan {scan_id} is not known")
        with suppress(ProcessLookupError):  # it has just ended by itself
            os.kill(order.pid, signal.SIGTERM)

    def _what(self, asked: ScanAsked, plan: Sequence[str]) -> list[str]:
        symbols = ["--symbols", ",".join(asked.symbols)] if asked.symbols else []
        if asked.source == LIVE:
            symbols = symbols or _symbols_in(plan)
            return [*symbols, "--duration", str(asked.duration_s)]
        segments = sorted((self._data / RECORDING).glob("*.jsonl.zst"))
        finished = [str(one) for one in segments if _is_finished(one)]
        if not finished:
            raise _conflict("The engine has not finished a recording yet")
        return [*finished, *symbols]

    def _told(self, scan_id: str, order: _Order) -> ScanTold:
        directory = self._directory / scan_id
        child = self._child if self._child_id == scan_id else None
        is_running = child is not None and child.poll() is None
        is_running = is_running or is_engine_in(directory)
        problem = ""
        if not is_running and not (directory / JOURNAL).exists():
            if self._stopped_id == scan_id:
                problem = "It was ended before it had seen the market"
            else:
                problem = last_words(self._log(scan_id))
        elapsed_ns = time.time_ns() - order.started_ns if is_running else 0
        return ScanTold(
            scan_id,
            order.asked,
            order.started_ns,
            is_running,
            elapsed_ns // _S,
            problem,
        )

    def _write(self, scan_id: str, order: _Order) -> None:
        with whole_file(self._order_path(scan_id)) as file:
            file.write(msgspec.json.encode(order))

    def _order_of(self, scan_id: str) -> _Order | None:
        try:
            return msgspec.json.decode(
                self._order_path(scan_id).read_bytes(), type=_Order
            )
        except (OSError, msgspec.DecodeError):
            return None

    def _order_path(self, scan_id: str) -> Path:
        return self._directory / f"{scan_id}.json"

    def _log(self, scan_id: str) -> Path:
        return self._directory / f"{scan_id}.log"


def _conflict(detail: str) -> Refusal:
    return Refusal(HTTPStatus.CONFLICT, detail)


def _is_finished(segment: Path) -> bool:
    certificate = read_certificate(segment)
    return certificate is not None and certificate.complete


def _symbols_in(plan: Sequence[str]) -> list[str]:
    """What the engine trades; none where nobody has said."""
    pairs = zip(plan[::2], plan[1::2], strict=False)
    return [word for pair in pairs if pair[0] == "--symbols" for word in pair]


def _settings_in(plan: Sequence[str]) -> list[str]:
    """Exchange and settings among an engine's arguments: names with a value each."""
    pairs = zip(plan[::2], plan[1::2], strict=False)
    return [word for pair in pairs if pair[0] not in _NOT_OURS for word in pair]
