"""What every request meets first: the host it asked for, and headers for its answer.

A page of somebody else that reaches a loopback port by a name of its own (DNS
rebinding) names that host; only known ones are served. Source: OWASP "HTTP Security
Response Headers", "Cross-Site WebSocket Hijacking".
"""

import time
from collections import deque
from collections.abc import Callable, Collection
from http import HTTPStatus
from urllib.parse import urlsplit

from fastapi import HTTPException
from starlette.datastructures import Headers, MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from api.http.problem import problem

LOCAL_HOSTS = frozenset({"localhost", "127.0.0.1", "::1"})
MOST_FAILURES = 10
"""Wrong tokens or sessions of one address within FAILURES_S; then it must wait."""
FAILURES_S = 60.0

_MOST_ADDRESSES = 1_000
HEADERS = {
    "Content-Security-Policy": (
        "default-src 'none'; script-src 'self'; style-src 'self'; "
        "img-src 'self' data:; font-src 'self'; connect-src 'self'; "
        "manifest-src 'self'; base-uri 'none'; form-action 'none'; "
        "frame-ancestors 'none'"
    ),
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Permissions-Policy": "camera=(), geolocation=(), microphone=(), payment=()",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
}


MOST_BODY = 65_536
"""Bytes of a request's body; everything that may be asked is far smaller."""


class Guard:
    """ASGI middleware: refuses other hosts and origins, long bodies; sets headers."""

    def __init__(self, app: ASGIApp, hosts: Collection[str] = LOCAL_HOSTS) -> None:
        self._app = app
        self._hosts = frozenset(map(str.lower, hosts))

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one connection."""
        if scope["type"] not in {"http", "websocket"}:
            await self._app(scope, receive, send)
            return
        why = self._why_refuse(Headers(scope=scope))
        if not why:
            await self._app(scope, _bounded(receive), _with_headers(send))
        elif scope["type"] == "websocket":
            await send({"type": "websocket.close", "code": 1008, "reason": why})
        else:
            answer = problem(HTTPStatus.MISDIRECTED_REQUEST, why)
            await answer(scope, receive, _with_headers(send))

    def _why_refuse(self, headers: Headers) -> str:
        host = _host_of(f"//{headers.get('host', '')}")
        if host not in self._hosts:
            return f"This is not {host or 'a host without a name'}"
        origin = headers.get("origin")
        if origin is None or _place_of(origin) == headers.get("host"):
            return ""
        if origin == "null":
            return "Pages without an origin may not ask here"
        return f"Pages of {_place_of(origin) or 'nowhere'} may not ask here"


def _place_of(origin: str) -> str:
    try:
        return urlsplit(origin).netloc
    except ValueError:
        return ""


def _host_of(url: str) -> str:
    try:
        return urlsplit(url).hostname or ""
    except ValueError:
        return ""


def _bounded(receive: Receive) -> Receive:
    """Bodies of at most MOST_BODY; FastAPI's own limit would answer in plain text."""
    taken = 0

    async def receiving() -> Message:
        nonlocal taken
        message = await receive()
        if message["type"] == "http.request":
            taken += len(message.get("body", b""))
            if taken > MOST_BODY:
                why = f"Expected a body of at most {MOST_BODY} bytes"
                raise HTTPException(HTTPStatus.REQUEST_ENTITY_TOO_LARGE, why)
        return message

    return receiving


def _with_headers(send: Send) -> Send:
    async def sending(message: Message) -> None:
        if message["type"] == "http.response.start":
            headers = MutableHeaders(scope=message)
            for name, value in HEADERS.items():
                headers.setdefault(name, value)
            headers.setdefault("Cache-Control", "no-store")
        await send(message)

    return sending


class Failures:
    """Counts wrong credentials by address, and lets who guesses wait."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._by_address: dict[str, deque[float]] = {}

    def wait_s(self, address: str) -> int:
        """How long an address must wait; 0: not at all."""
        times = self._recent(address)
        if len(times) < MOST_FAILURES:
            return 0
        return int(times[0] + FAILURES_S - self._clock()) + 1

    def add(self, address: str) -> None:
        """An address has shown something wrong."""
        if len(self._by_address) >= _MOST_ADDRESSES:
            self._by_address.pop(next(iter(self._by_address)))
        self._by_address.setdefault(address, deque(maxlen=MOST_FAILURES)).append(
            self._clock()
        )

    def _recent(self, address: str) -> deque[float]:
        times = self._by_address.get(address, deque())
        while times and self._clock() - times[0] >= FAILURES_S:
            times.popleft()
        return times
