"""Engines as processes: started apart from us, found again, started again.

An engine has a session of its own, writes its log into its directory, and goes on when
the API ends. Whether one runs is told by the lock of the directory, whoever started it;
whether it ended as it should, by the last entry of its journal.
"""

import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from threading import RLock

import msgspec
import structlog

from api.http.apart import last_words, start_apart
from api.http.journal import newest_entry
from connectors.files import whole_file
from connectors.output import JOURNAL, KILL_LATCH, is_engine_in
from flows.domain.errors import CommandRefused, ConfigurationError, StoreError
from flows.restart import has_ended_in_order

PLAN = "engine.json"
LOG = "engine.log"
MOST_FAILURES = 5
"""Ends in a row, each soon after its start, after which nothing is started again."""
SOON_S = 30.0

_FIRST_WAIT_S = 0.5
_LONGEST_WAIT_S = 15.0
_ENGINE = (sys.executable, "-m", "api.cli.main", "trade")

_log = structlog.get_logger()


class Plan(msgspec.Struct, frozen=True):
    """What should run in a directory; kept there for whoever comes after us."""

    arguments: tuple[str, ...] = ()
    """Of `mft trade`, without `--data`."""
    is_wanted: bool = False


class Standing(msgspec.Struct, frozen=True):
    """How the engine's process stands."""

    is_running: bool
    is_wanted: bool
    restarts: int
    """Times it was started again since the API began, or since somebody started it."""
    problem: str = ""
    """Why it does not run although it is wanted, or why it ended."""


class Supervisor:
    """Keeps an engine running in a directory while one is wanted and not killed."""

    def __init__(
        self,
        data: Path,
        *,
        command: Sequence[str] = _ENGINE,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._data = data
        self._command = command
        self._clock = clock
        self._lock = RLock()
        self._plan = _read(data / PLAN)
        self._child: subprocess.Popen[bytes] | None = None
        self._started_s = self._due_s = 0.0
        self._is_running = is_engine_in(data)
        self._is_seen = self._was_seen = False
        """Whether an engine holds the directory, or has since the last start."""
        self._failures = 0
        self._restarts = -1
        self._problem = ""
        self._run_before = ""
        """The journal's last run when the engine was started."""

    @property
    def standing(self) -> Standing:
        """How the engine stood when it was last looked after; asks no disk."""
        return Standing(
            is_running=self._is_running,
            is_wanted=self._plan.is_wanted,
            restarts=max(self._restarts, 0),
            problem=self._problem,
        )

    @property
    def plan(self) -> Plan:
        """What is started here."""
        return self._plan

    def want(self, arguments: Sequence[str] | None = None) -> None:
        """Start an engine, by default as the last one, and keep it running.

        Raises CommandRefused where one runs already.
        """
        with self._lock:
            if is_engine_in(self._data):
                raise CommandRefused("The engine is running already")
            chosen = self._plan.arguments if arguments is None else tuple(arguments)
            self._keep(Plan(chosen, is_wanted=True))
            self._failures, self._restarts, self._problem = 0, -1, ""
            self._due_s = 0.0
            # the end of the one before, if nobody has looked since, is no end of this
            self._is_seen, self._was_seen = False, True

    def adopt(self, arguments: Sequence[str] | None = None) -> None:
        """An engine that runs is kept running from now on, as it was started.

        `arguments` are for one that was not started by an API: nobody else knows them.
        """
        with self._lock:
            chosen = self._plan.arguments or tuple(arguments or ())
            self._keep(Plan(chosen, is_wanted=True))
            self._restarts = 0  # the next start is one again

    def release(self) -> None:
        """Start nothing again: somebody wants it so, and knows of what was wrong."""
        with self._lock:
            self._problem = ""
            self._want_none()

    def terminate(self) -> bool:
        """Ask an engine that was started here to end; whether there is one.

        For one that is still starting, and hears no command yet.
        """
        with self._lock:
            if self._child is None or self._child.poll() is not None:
                return False
            self._child.terminate()
            return True

    def watch(self) -> None:
        """Look after the engine; to be called a few times a second."""
        with self._lock:
            self._look()

    def _look(self) -> None:
        self._reap()
        self._is_running = is_engine_in(self._data)
        if self._is_running:
            self._is_seen = self._was_seen = True
            return
        if self._is_seen:
            self._is_seen = False
            self._on_end()
        if self._child is not None or not self._plan.is_wanted:
            return
        if (self._data / KILL_LATCH).exists() and self._failures:
            self._give_up("killed: start it, and reset the kill")
        elif self._clock() >= self._due_s:
            self._start()

    def _reap(self) -> None:
        child = self._child
        if child is None or (status := child.poll()) is None:
            return
        self._child = None
        if self._was_seen or not self._plan.is_wanted:
            return
        why = f"ended with status {status}: {last_words(self._data / LOG)}"
        if self._failures:  # one has run like this: what is wrong may pass
            self._on_failure(why)
        else:  # it was refused, or is broken
            self._give_up(why)

    def _on_end(self) -> None:
        """An engine that ran runs no more."""
        is_of_it = self._last_run() != self._run_before
        if is_of_it and has_ended_in_order(self._data / JOURNAL):
            self.release()
            return
        self._on_failure(f"ended in the middle: {last_words(self._data / LOG)}")

    def _on_failure(self, why: str) -> None:
        lived_s = self._clock() - self._started_s
        self._failures = 1 if lived_s >= SOON_S else self._failures + 1
        if self._failures > 1:  # the first at once: its watchdog waits for two seconds
            wait_s = min(_FIRST_WAIT_S * 2**self._failures, _LONGEST_WAIT_S)
            self._due_s = self._clock() + wait_s
        self._problem = why
        _log.error("engine_ended", reason=self._problem)
        if self._failures > MOST_FAILURES:
            self._give_up(self._problem)

    def _give_up(self, why: str) -> None:
        self._problem = why
        self._want_none()

    def _want_none(self) -> None:
        self._keep(msgspec.structs.replace(self._plan, is_wanted=False))

    def _start(self) -> None:
        self._restarts += 1
        self._started_s, self._was_seen = self._clock(), False
        self._run_before = self._last_run()
        arguments = [*self._command, *self._plan.arguments]
        arguments += ["--plain", "--data", str(self._data)]
        try:
            self._child = start_apart(arguments, self._data / LOG, has_keys=True)
        except OSError as error:
            self._give_up(f"cannot be started: {error.strerror}")

    def _last_run(self) -> str:
        """The last run in the journal; empty where there is none that can be read."""
        try:
            entry = newest_entry(self._data)
        except StoreError:
            return ""
        return entry.run_id if entry else ""

    def _keep(self, plan: Plan) -> None:
        self._plan = plan
        try:
            with whole_file(self._data / PLAN) as file:
                file.write(msgspec.json.encode(plan))
        except OSError as error:  # it is kept until the API ends
            _log.warning("plan_not_kept", reason=error.strerror)


def _read(path: Path) -> Plan:
    try:
        return msgspec.json.decode(path.read_bytes(), type=Plan)
    except FileNotFoundError:
        return Plan()
    except (OSError, msgspec.DecodeError) as error:
        msg = f"{path}: does not say how to start an engine: {error}; remove it"
        raise ConfigurationError(msg) from error
