"""Signed requests one after the other, for what is no engine: checks, kills, drills."""

from collections.abc import Callable, Mapping
from types import TracebackType
from typing import Self, TypeVar

import aiohttp
import msgspec
from yarl import URL

from connectors.binance.feed import TIME_PATH
from connectors.binance.outcome import judge
from connectors.binance.signing import SignedRequest, Signer
from flows.domain.errors import ConfigurationError, MarketDataError
from flows.domain.units import NS_PER_MS

WINDOW_MS = 5_000

_OK = 200
_NOT_ALLOWED = frozenset({401, 403})

_T = TypeVar("_T")


class _Time(msgspec.Struct):
    serverTime: int  # noqa: N815 - the exchange's own name


class Answer(msgspec.Struct, frozen=True):
    """What the exchange answered."""

    status: int
    body: bytes
    headers: Mapping[str, str]
    """Names in lower case."""

    @property
    def is_ok(self) -> bool:
        """Whether it did what it was asked."""
        return self.status == _OK


class AccountClient:
    """One account at one exchange; `base` is its REST address.

    Redirects and proxy variables are not followed. An async context manager.
    """

    def __init__(
        self, signer: Signer, base: str, clock: Callable[[], int], *, timeout_s: float
    ) -> None:
        self._signer = signer
        self._base = base
        self._clock = clock
        self._timeout = aiohttp.ClientTimeout(total=timeout_s)
        self._session: aiohttp.ClientSession | None = None

    async def __aenter__(self) -> Self:
        """Open it; nothing is connected yet."""
        self._session = aiohttp.ClientSession(timeout=self._timeout, trust_env=False)
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Close its connections."""
        if self._session is not None:
            await self._session.close()

    async def measure_skew(self) -> None:
        """Let requests bear the exchange's time. Raises MarketDataError."""
        begun_ns = self._clock()
        request = SignedRequest("GET", f"{self._base}{TIME_PATH}", {})
        answer = await self._send(TIME_PATH, request)
        told = self._read(TIME_PATH, answer, _Time)
        ours_ms = (begun_ns + self._clock()) // 2 // NS_PER_MS
        self._signer.skew_ms = told.serverTime - ours_ms

    async def call(
        self, method: str, path: str, params: Mapping[str, str] | None = None
    ) -> Answer:
        """Make a request; any answer.

        Raises MarketDataError where there is none: it may have been carried out, and
        RiskLimitBreached where it may increase risk in `live`.
        """
        request = self._signer.sign(
            method, path, params or {}, self._clock(), window_ms=WINDOW_MS
        )
        return await self._send(path, request)

    async def get(
        self, path: str, kind: type[_T], params: Mapping[str, str] | None = None
    ) -> _T:
        """The content of an answer.

        Raises ConfigurationError where the key is not accepted, MarketDataError where
        there is no usable answer.
        """
        return self._read(path, await self.call("GET", path, params), kind)

    async def _send(self, path: str, request: SignedRequest) -> Answer:
        if self._session is None:
            raise RuntimeError("Expected an open client")
        try:
            async with self._session.request(
                request.method,
                URL(request.url, encoded=True),
                headers=request.headers,
                allow_redirects=False,
            ) as reply:
                body = await reply.read()
        except (aiohttp.ClientError, OSError, TimeoutError) as error:
            told = str(error) or type(error).__name__
            msg = f"{self._base}{path}: cannot be reached: {told}"
            raise MarketDataError(msg) from error
        headers = {name.lower(): value for name, value in reply.headers.items()}
        return Answer(reply.status, body, headers)

    def _read(self, path: str, answer: Answer, kind: type[_T]) -> _T:
        place = f"{self._base}{path}"
        if not answer.is_ok:
            judged = judge(answer.status, answer.body)
            if answer.status in _NOT_ALLOWED:
                msg = f"{place}: the key is not accepted: {judged.text}"
                raise ConfigurationError(msg)
            msg = f"{place}: answered HTTP {answer.status}: {judged.text}"
            raise MarketDataError(msg)
        try:
            return msgspec.json.decode(answer.body, type=kind)
        except (msgspec.DecodeError, ValueError, RecursionError) as error:
            raise MarketDataError(f"{place}: no usable answer: {error}") from error
