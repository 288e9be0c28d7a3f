"""Everything the routes share: the directory, its engine, and who may ask."""

import asyncio
import time
from http import HTTPStatus
from pathlib import Path

import msgspec
import structlog
from starlette.requests import HTTPConnection

from api.http.archive import ArchiveKeeper, History
from api.http.audit import AUDIT, Audit
from api.http.credentials import Caller, EndedSessions, KeyRing, Role
from api.http.guard import Failures
from api.http.kill import KillDesk, KillProgress
from api.http.link import EngineLink, Json
from api.http.problem import Refusal
from api.http.scans import Scans
from api.http.supervisor import Standing, Supervisor
from api.http.telling import Telling
from connectors.control.protocol import Handled, Request
from flows import remote
from flows.domain.errors import TradingError
from flows.telemetry import Telemetry

COOKIE = "mft_session"
CSRF_HEADER = "X-CSRF-Token"
TOKENS = "api.tokens.json"
ENDED = "api.sessions.json"
"""Sessions that were logged out of."""

_SAFE_METHODS = frozenset({"GET", "HEAD", "OPTIONS"})
_WATCH_EVERY_S = 0.2
_LAG_WITHIN_S = 1

_log = structlog.get_logger()


class StatusTold(msgspec.Struct):
    """Everything that a page shows as it changes."""

    process: Standing
    kill: KillProgress | None
    engine: Telemetry | None
    age_ms: int | None = None
    """Since the engine was heard; None where none is. Not in the stream."""


class Desk:
    """One directory's engine and the people who look at it."""

    def __init__(self, data: Path, supervisor: Supervisor | None = None) -> None:
        self.data = data
        self.keys = KeyRing(data / TOKENS)
        self.ended = EndedSessions(data / ENDED)
        self.failures = Failures()
        self.supervisor = supervisor or Supervisor(data)
        self.archive = ArchiveKeeper(data)
        self.history = History(data)
        self.lag = History(data, answers_within_s=_LAG_WITHIN_S)
        """For metrics, which are asked for every few seconds, whatever hangs."""
        self.scans = Scans(data)
        self.telling = Telling(lambda: self.state)
        self.audit = Audit(data / AUDIT)
        self.kill = KillDesk(data, self.audit)
        self.link = EngineLink(data, on_state=self.kill.notice)
        self._tasks: list[asyncio.Task[None]] = []

    # -- life -------------------------------------------------------------------------

    def open(self) -> None:
        """Follow the engine from now on; on the running loop."""
        loop = asyncio.get_running_loop()
        self._tasks = [
            loop.create_task(self.link.run()),
            loop.create_task(self._watch()),
        ]

    async def close(self) -> None:
        """Let the engine go on by itself."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        self.kill.close()
        await asyncio.to_thread(self.archive.end)
        self.history.close()
        self.lag.close()

    async def _watch(self) -> None:
        standing = self.supervisor.standing
        while True:
            try:
                await asyncio.to_thread(self.supervisor.watch)
                await asyncio.to_thread(self.archive.watch)
            except Exception as error:  # noqa: BLE001 - it must go on looking
                told = f"{type(error).__name__}: {error}"
                _log.warning("supervision_failed", error=told)
            before, standing = standing, self.supervisor.standing
            if standing != before:
                await self.link.touch()
            await asyncio.sleep(_WATCH_EVERY_S)

    # -- who asks ---------------------------------------------------------------------

    def caller(self, asking: HTTPConnection) -> Caller:
        """Who asks. Raises Refusal: 401, 403 without the CSRF header, 429."""
        token = _bearer(asking)
        cookie = asking.cookies.get(COOKIE, "")
        if not token and not cookie:
            raise _unauthorized("Expected a token: Authorization: Bearer ...")
        if token:
            role = self.keys.role_of(token)
            caller = Caller(role) if role else None
        else:
            role = self._session_role(cookie)
            caller = Caller(role, cookie) if role else None
        if caller is None:
            raise self.wrong(asking, "The token or session is not valid")
        self._check_csrf(asking, caller)
        return caller

    def is_over(self, caller: Caller) -> bool:
        """Whether the caller's session has ended since; a token's never does."""
        return bool(caller.session) and self._session_role(caller.session) is None

    def _session_role(self, cookie: str) -> Role | None:
        if cookie in self.ended:
            return None
        return self.keys.session_role(cookie, int(time.time()))

    def wrong(self, asking: HTTPConnection, detail: str) -> Refusal:
        """What to answer who shows something wrong: 401, or 429 after many.

        Who shows the right thing is served all the same: nobody's guesses may keep an
        operator from the kill switch.
        """
        address = asking.client.host if asking.client else ""
        wait_s = self.failures.wait_s(address)
        if wait_s:
            return Refusal(
                HTTPStatus.TOO_MANY_REQUESTS,
                f"Too many wrong tokens; wait {wait_s} s",
                {"Retry-After": str(wait_s)},
            )
        self.failures.add(address)
        return _unauthorized(detail)

    def _check_csrf(self, asking: HTTPConnection, caller: Caller) -> None:
        method = asking.scope.get("method", "GET")
        if not caller.session or method in _SAFE_METHODS:
            return
        if asking.headers.get(CSRF_HEADER) != self.keys.csrf_of(caller.session):
            msg = f"Expected the header {CSRF_HEADER} of the page's session"
            raise Refusal(HTTPStatus.FORBIDDEN, msg)

    def operator(self, asking: HTTPConnection) -> Caller:
        """Who asks, if they may control. Raises Refusal: 403 for a viewer."""
        caller = self.caller(asking)
        if caller.role is not Role.OPERATOR:
            raise Refusal(HTTPStatus.FORBIDDEN, "Expected the operator's token")
        return caller

    # -- what is asked ----------------------------------------------------------------

    @property
    def state(self) -> Json:
        """Everything a page shows, as JSON values."""
        standing = msgspec.to_builtins(self.supervisor.standing)
        kill = msgspec.to_builtins(self.kill.progress)
        return {"process": standing, "kill": kill, "engine": self.link.engine}

    def command(
        self, verb: str, caller: Caller, reason: str, *, rebase: bool
    ) -> Handled:
        """Let the engine obey, and keep who asked. Raises TradingError."""
        request = Request(verb, caller.name, reason, rebase)
        try:
            handled = remote.command(self.data, request)
        except TradingError as error:
            self.audit.keep(verb, caller, reason, str(error))
            raise
        outcome = "accepted" if handled.is_accepted else f"refused: {handled.detail}"
        self.audit.keep(verb, caller, reason, outcome)
        return handled


def _bearer(asking: HTTPConnection) -> str:
    scheme, _, token = asking.headers.get("authorization", "").partition(" ")
    return token.strip() if scheme.lower() == "bearer" else ""


def _unauthorized(detail: str) -> Refusal:
    return Refusal(HTTPStatus.UNAUTHORIZED, detail, {"WWW-Authenticate": "Bearer"})
