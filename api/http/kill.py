"""The kill switch of the page: told to the engine, then followed until it is flat."""

import asyncio
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from threading import Thread

import msgspec

from api.cli.mode import credentials_of
from api.http.audit import Audit
from api.http.credentials import Caller
from api.http.link import Json
from api.killing import Killed, Taken, finish, kept_access, tell_engine
from connectors.control.protocol import Handled, Request
from flows import remote
from flows.domain.errors import (
    ConfigurationError,
    NoEngine,
    StoreError,
    TradingError,
)

KILL_WITHIN_S = 60.0
"""How long a kill tries the exchange itself."""


class KillProgress(msgspec.Struct):
    """A kill that was asked for here, as far as it has come."""

    steps: list[str]
    asked_ns: int
    """When it was asked for first, nanoseconds since the epoch by the API's clock."""
    is_done: bool = False
    after_ms: int | None = None
    """Until nothing was held; None as long as something is."""
    problem: str = ""


class KillDesk:
    """Kills the engine of a directory, whatever is broken."""

    def __init__(self, data: Path, audit: Audit) -> None:
        self._data = data
        self._audit = audit
        self._pool = ThreadPoolExecutor(1, "kill")
        """A thread that no other work can keep busy."""
        self._following: Thread | None = None
        self.progress: KillProgress | None = None
        """Of the last kill that was asked for here, until the switch is reset."""
        self._was_killed = self._is_reset = False

    def notice(self, engine: Json) -> None:
        """Take an engine's state: a switch that was latched and is not was reset."""
        is_killed = engine.get("killed") is not None
        is_reset = self._was_killed and not is_killed
        self._was_killed = is_killed
        if is_reset:
            self._forget()

    def _forget(self) -> None:
        """What was reset is past; one that is followed still, at its end."""
        self._is_reset = self.progress is not None and not self.progress.is_done
        if not self._is_reset:
            self.progress = None

    async def pull(
        self, caller: Caller, reason: str, on_step: Callable[[], None]
    ) -> KillProgress:
        """Kill; steps follow in `progress`, and `on_step` is called from a thread.

        A kill beside one that is still followed is told to the engine, too.
        """
        loop = asyncio.get_running_loop()
        return await loop.run_in_executor(
            self._pool, self._pull, caller, reason, on_step
        )

    def close(self) -> None:
        """Take no more; one that is followed goes on."""
        self._pool.shutdown(wait=False)

    def _pull(
        self, caller: Caller, reason: str, on_step: Callable[[], None]
    ) -> KillProgress:
        told = self.progress
        is_followed = self._following is not None and self._following.is_alive()
        if told is None or not is_followed:
            told = self.progress = KillProgress([], time.time_ns())
            self._is_reset = False
        told.steps.append(f"asked for by {caller.name}")
        taken = tell_engine(self._data, Request("kill", caller.name, reason))
        if not is_followed:
            self._following = Thread(
                target=self._finish, args=(taken, told, on_step), daemon=True
            )
            self._following.start()
        self._audit.keep("kill", caller, reason, _outcome_of(taken))
        return told

    def _finish(
        self, taken: Taken, told: KillProgress, on_step: Callable[[], None]
    ) -> None:
        def say(text: str) -> None:
            told.steps.append(text)
            on_step()

        try:
            killed = self._killed(taken, say)
        except TradingError as error:
            told.problem = str(error)
        except Exception as error:  # noqa: BLE001 - who looks must learn of it
            told.problem = f"{type(error).__name__}: {error}"
        else:
            told.after_ms = killed.after_ms
            told.problem = killed.alarm or "; ".join(killed.remaining)
        told.is_done = True
        if self._is_reset:
            self._forget()
        on_step()

    def _killed(self, taken: Taken, say: Callable[[str], None]) -> Killed:
        access, credentials = kept_access(self._data), None
        if access is not None:
            try:
                credentials = credentials_of(access.mode)
            except ConfigurationError as error:
                say(f"the exchange cannot be asked from here: {error}")
        if access is not None and credentials is not None:
            return finish(
                taken, self._data, access, credentials, within_s=KILL_WITHIN_S, say=say
            )
        if isinstance(taken, StoreError):
            raise taken
        if not isinstance(taken, Handled):
            say(f"{taken.why}; its kill latch is in place: {taken.path}")
            return Killed(None, "latch")
        say("the engine has taken the kill")
        after_ns = remote.flat_after_ns(self._data, within_s=KILL_WITHIN_S)
        if after_ns is None:
            return Killed(None, "engine", remaining=("positions are still open",))
        return Killed(after_ns // 1_000_000, "engine", taken.alarm)


def _outcome_of(taken: Taken) -> str:
    if isinstance(taken, Handled):
        return "the engine has taken it"
    if isinstance(taken, NoEngine | StoreError):
        return str(taken)
    return f"{taken.why}; latched"
