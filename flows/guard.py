"""An engine's side of its watchdog: started, beaten for, and started again.

The watchdog is `python -m flows.watchdog`. It gets the keys by the environment, where
nobody but the same user can read them.
"""

import os
import subprocess
import sys
from collections.abc import Callable, Collection
from contextlib import suppress

import structlog

from connectors.binance.signing import Credentials, environment_of
from connectors.output import DataDirectory
from flows.domain.units import NS_PER_S
from flows.flatten import Access
from flows.heartbeat import Heartbeat, Introduction

_LOOK_EVERY_NS = NS_PER_S
_ENDS_WITHIN_S = 0.5
"""How long an engine that ends waits for its watchdog to end before it."""
_COMMAND = (sys.executable, "-m", "flows.watchdog")

_log = structlog.get_logger()


class NoGuard:
    """On paper nothing is held outside, so nothing needs a watchdog."""

    alarm = ""

    def watch(self, now_ns: int) -> None:
        """Do nothing."""


class Guard:
    """Keeps one watchdog running beside the engine; nothing raises out of it."""

    def __init__(
        self,
        data: DataDirectory,
        access: Access,
        credentials: Credentials,
        entering: Callable[[], Collection[str]],
    ) -> None:
        self._log_path = data.watchdog_log
        self._introduction = Introduction(
            str(data.path.resolve()), access.mode.value, access.rest
        )
        self._environment = {**os.environ, **environment_of(credentials)}
        self._entering = entering
        self._process: subprocess.Popen[bytes] | None = None
        self._heartbeat: Heartbeat | None = None
        self._look_due_ns = 0
        self.alarm = ""
        """Why no watchdog runs; empty where one does."""

    def watch(self, now_ns: int) -> None:
        """Beat, and see to it that somebody hears it."""
        if now_ns >= self._look_due_ns:
            self._look_due_ns = now_ns + _LOOK_EVERY_NS
            self._look()
        if self._heartbeat is not None:
            self._heartbeat.beat(now_ns, self._entering())

    def close(self, *, is_farewell: bool) -> None:
        """The engine ends; without a farewell the watchdog will kill the account."""
        process, heartbeat = self._process, self._heartbeat
        self._process = self._heartbeat = None
        if heartbeat is not None:
            heartbeat.close(is_farewell=is_farewell)
        if process is not None and is_farewell:
            with suppress(subprocess.TimeoutExpired):
                process.wait(_ENDS_WITHIN_S)

    def _look(self) -> None:
        process, heartbeat = self._process, self._heartbeat
        if process is not None and heartbeat is not None:
            if process.poll() is None and heartbeat.is_heard:
                self.alarm = ""
                return
            process.kill()  # one that hears nothing is of no use
            self.alarm = f"the watchdog has ended with status {process.wait()}"
            _log.error("watchdog_lost", reason=self.alarm)
            heartbeat.close(is_farewell=True)
            self._process = self._heartbeat = None
        try:
            self._start()
        except OSError as error:
            self.alarm = f"no watchdog can be started: {error.strerror}"
            _log.error("watchdog_lost", reason=self.alarm)

    def _start(self) -> None:
        theirs, ours = os.pipe()
        try:
            with self._log_path.open("ab") as log:
                self._process = subprocess.Popen(  # noqa: S603 - this program itself
                    _COMMAND,
                    stdin=theirs,
                    stdout=subprocess.DEVNULL,
                    stderr=log,
                    env=self._environment,
                    start_new_session=True,
                )
        except OSError:
            os.close(ours)
            raise
        finally:
            os.close(theirs)
        self._heartbeat = Heartbeat(ours)
        self._heartbeat.introduce(self._introduction)
