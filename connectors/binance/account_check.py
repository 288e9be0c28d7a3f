"""What the account must be before the first order: asked once, refused in words.

Source: Binance USD-M "Get Current Position Mode", "User Commission Rate", "Symbol
Configuration", "Futures Account Balance V3".
"""

import asyncio
from collections.abc import Callable, Sequence
from decimal import Decimal
from typing import TypeVar

import aiohttp
import msgspec
from yarl import URL

from connectors.binance.feed import TIME_PATH
from connectors.binance.outcome import judge
from connectors.binance.signing import SignedRequest, Signer
from flows.domain.errors import ConfigurationError, MarketDataError
from flows.domain.units import BPS, NS_PER_MS

_WINDOW_MS = 5_000
_TIMEOUT_S = 10.0
_QUOTE = "USDT"
_OK = 200
_NOT_ALLOWED = frozenset({401, 403})

_T = TypeVar("_T")


class AccountTerms(msgspec.Struct, frozen=True):
    """What the exchange grants the account."""

    wallet: Decimal
    """Balance in the quote asset."""
    taker_fee_bps: Decimal
    """The highest of the symbols asked for."""
    leverage: dict[str, int]


class _Mode(msgspec.Struct):
    dualSidePosition: bool  # noqa: N815 - the exchange's own name


class _Rate(msgspec.Struct):
    takerCommissionRate: Decimal  # noqa: N815 - the exchange's own name


class _Balance(msgspec.Struct):
    asset: str
    balance: Decimal


class _SymbolConfig(msgspec.Struct):
    symbol: str
    leverage: int


class _Time(msgspec.Struct):
    serverTime: int  # noqa: N815 - the exchange's own name


def read_account(
    signer: Signer, base: str, symbols: Sequence[str], clock: Callable[[], int]
) -> AccountTerms:
    """The account's terms; sets the signer's skew to the exchange's clock.

    Raises ConfigurationError where it cannot be traded on, and MarketDataError where
    the exchange gives no usable answer.
    """
    return asyncio.run(_Asking(signer, base, clock).terms(symbols))


class _Asking:
    def __init__(self, signer: Signer, base: str, clock: Callable[[], int]) -> None:
        self._signer = signer
        self._base = base
        self._clock = clock

    async def terms(self, symbols: Sequence[str]) -> AccountTerms:
        timeout = aiohttp.ClientTimeout(total=_TIMEOUT_S)
        async with aiohttp.ClientSession(timeout=timeout, trust_env=False) as session:
            await self._measure_skew(session)
            mode = await self._ask(session, "/fapi/v1/positionSide/dual", _Mode)
            if mode.dualSidePosition:
                msg = "Expected an account in one-way mode, was in hedge mode"
                raise ConfigurationError(msg)
            balances = await self._ask(session, "/fapi/v3/balance", list[_Balance])
            configs = await self._ask(
                session, "/fapi/v1/symbolConfig", list[_SymbolConfig]
            )
            rates = [
                await self._ask(session, "/fapi/v1/commissionRate", _Rate, symbol)
                for symbol in symbols
            ]
        wallet = sum((b.balance for b in balances if b.asset == _QUOTE), Decimal(0))
        return AccountTerms(
            wallet=wallet,
            taker_fee_bps=max(rate.takerCommissionRate for rate in rates) * BPS,
            leverage={c.symbol: c.leverage for c in configs if c.symbol in symbols},
        )

    async def _measure_skew(self, session: aiohttp.ClientSession) -> None:
        begun_ns = self._clock()
        request = SignedRequest("GET", f"{self._base}{TIME_PATH}", {})
        told = await self._get(session, TIME_PATH, _Time, request)
        ours_ms = (begun_ns + self._clock()) // 2 // NS_PER_MS
        self._signer.skew_ms = told.serverTime - ours_ms

    async def _ask(
        self,
        session: aiohttp.ClientSession,
        path: str,
        kind: type[_T],
        symbol: str = "",
    ) -> _T:
        params = {"symbol": symbol} if symbol else {}
        request = self._signer.sign(
            "GET", path, params, self._clock(), window_ms=_WINDOW_MS
        )
        return await self._get(session, path, kind, request)

    async def _get(
        self,
        session: aiohttp.ClientSession,
        path: str,
        kind: type[_T],
        request: SignedRequest,
    ) -> _T:
        place = f"{self._base}{path}"
        try:
            async with session.get(
                URL(request.url, encoded=True),
                headers=request.headers,
                allow_redirects=False,
            ) as reply:
                body = await reply.read()
        except (aiohttp.ClientError, OSError, TimeoutError) as error:
            msg = f"{place}: cannot be reached: {str(error) or type(error).__name__}"
            raise MarketDataError(msg) from error
        if reply.status in _NOT_ALLOWED:
            msg = f"{place}: the key is not accepted: {judge(reply.status, body).text}"
            raise ConfigurationError(msg)
        if reply.status != _OK:
            told = judge(reply.status, body).text
            raise MarketDataError(f"{place}: answered HTTP {reply.status}: {told}")
        try:
            return msgspec.json.decode(body, type=kind)
        except (msgspec.DecodeError, ValueError, RecursionError) as error:
            raise MarketDataError(f"{place}: no usable answer: {error}") from error
