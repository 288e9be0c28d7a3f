"""The kill that needs no engine: flatten an account by asking the exchange itself.

    again and again:  cancel every open order, close every position reduce-only
    until             a query shows neither, and nothing sent before can arrive any more
    then              withdraw the protective stops

It closes the whole account: the bot has an account of its own. Reduce-only orders never
pass beyond flat, so it may run beside an engine, or twice. Source: Binance USD-M
"Current All Open Orders", "Cancel All Open Orders", "Position Information V3", "New
Order", "Cancel All Algo Open Orders".
"""

import asyncio
from collections.abc import Awaitable, Callable
from decimal import Decimal
from typing import TypeVar

import msgspec

from connectors.binance.account_client import AccountClient
from connectors.binance.budget import BANNED, RETRY_AFTER, TOO_MANY
from connectors.binance.order_desk import ENTRY_WINDOW_MS, ORDER_PATH
from connectors.binance.outcome import judge
from connectors.binance.reconciliation import OPEN_ORDERS_PATH, POSITIONS_PATH
from connectors.binance.stop_desk import OPEN_ALGOS_PATH
from connectors.binance.user_wire import read_algos, read_orders, read_positions
from flows.domain.errors import MarketDataError, TradingError
from flows.domain.side import Side
from flows.domain.units import NS_PER_MS, NS_PER_S, plain

CANCEL_ALL_PATH = "/fapi/v1/allOpenOrders"
CANCEL_ALGOS_PATH = "/fapi/v1/algoOpenOrders"
SETTLED_NS = ENTRY_WINDOW_MS * NS_PER_MS + 200 * NS_PER_MS
"""When an entry sent before the kill began can no longer be accepted."""

_FIRST_AGAIN_S = 0.05
_LONGEST_AGAIN_S = 1.0
_CLOCK_CODES = frozenset({-1021, -5028})

_T = TypeVar("_T")


class Step(msgspec.Struct, frozen=True):
    """One thing that a kill has done, or tried."""

    at_ns: int
    what: str
    symbol: str = ""
    detail: str = ""
    is_done: bool = True


class Flat(msgspec.Struct, frozen=True):
    """What a kill has come to."""

    is_flat: bool
    begun_ns: int
    after_ns: int | None
    """From its beginning to the query that showed nothing open; None where none did."""
    remaining: tuple[str, ...] = ()
    """What is open still, or not known, in words."""


class VenueKill:
    """One kill of one account; `on_step` is told each step and must not raise."""

    def __init__(
        self,
        client: AccountClient,
        clock: Callable[[], int],
        on_step: Callable[[Step], None],
        *,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
    ) -> None:
        self._client = client
        self._clock = clock
        self._on_step = on_step
        self._sleep = sleep
        self._begun_ns = clock()
        self._orders = 0
        self._pause_s = 0.0
        """How long the exchange has asked us to leave it alone."""

    async def run(self, within_s: float | None = None) -> Flat:
        """Repeat until flat, or for `within_s` seconds; what remains is said."""
        self._begun_ns = self._clock()
        self._tell("kill begins")
        await self._measure_skew()
        flat_ns: int | None = None
        wait_s = _FIRST_AGAIN_S
        while True:
            remaining = await self._round()
            now_ns = self._clock()
            if remaining:
                flat_ns = None
            elif flat_ns is None:
                flat_ns, wait_s = now_ns, _FIRST_AGAIN_S
                self._tell("nothing is open")
            if flat_ns is not None and now_ns - self._begun_ns >= SETTLED_NS:
                await self._withdraw_stops()
                self._tell("flat")
                return Flat(True, self._begun_ns, flat_ns - self._begun_ns)
            if within_s is not None:
                left_s = within_s - (now_ns - self._begun_ns) / NS_PER_S
                if left_s <= 0:
                    return Flat(False, self._begun_ns, None, tuple(remaining))
                wait_s = min(wait_s, left_s)
            await self._sleep(max(wait_s, self._pause_s))
            self._pause_s = 0.0
            wait_s = min(2 * wait_s, _LONGEST_AGAIN_S)

    async def _round(self) -> list[str]:
        """Cancel and close what is open; what was, or what could not be seen."""
        orders, positions = await asyncio.gather(
            self._ask(OPEN_ORDERS_PATH, read_orders),
            self._ask(POSITIONS_PATH, read_positions),
        )
        remaining = []
        if orders is None:
            remaining.append("unknown: open orders")
        if positions is None:
            remaining.append("unknown: positions")
        open_orders = sorted({order.symbol for order in orders or ()})
        amounts = {symbol: held.amount for symbol, held in (positions or {}).items()}
        await asyncio.gather(
            *(self._cancel(symbol) for symbol in open_orders),
            *(self._close(symbol, amount) for symbol, amount in amounts.items()),
        )
        remaining += (f"{symbol}: open orders" for symbol in open_orders)
        remaining += (f"{symbol}: {plain(held)}" for symbol, held in amounts.items())
        return remaining

    async def _cancel(self, symbol: str) -> None:
        params = {"symbol": symbol}
        if await self._call("DELETE", CANCEL_ALL_PATH, params) is not None:
            self._tell("orders cancelled", symbol)

    async def _close(self, symbol: str, amount: Decimal) -> None:
        self._orders += 1
        quantity = plain(abs(amount))
        params = {
            "symbol": symbol,
            "side": (Side.SELL if amount > 0 else Side.BUY).value,
            "type": "MARKET",
            "quantity": quantity,
            "reduceOnly": "true",
            "newClientOrderId": f"mftkill-{self._begun_ns // NS_PER_MS}-{self._orders}",
            "newOrderRespType": "RESULT",
        }
        if await self._call("POST", ORDER_PATH, params) is not None:
            self._tell("close sent", symbol, f"{params['side']} {quantity}")

    async def _withdraw_stops(self) -> None:
        stops = await self._ask(OPEN_ALGOS_PATH, read_algos) or ()
        for symbol in sorted({stop.symbol for stop in stops}):
            params = {"symbol": symbol}
            if await self._call("DELETE", CANCEL_ALGOS_PATH, params) is not None:
                self._tell("stops withdrawn", symbol)

    # -- requests ---------------------------------------------------------------------

    async def _ask(self, path: str, read: Callable[[bytes], _T]) -> _T | None:
        """What the exchange says, None where it does not."""
        body = await self._call("GET", path, {})
        if body is None:
            return None
        try:
            return read(body)
        except MarketDataError as error:
            self._tell(path, detail=str(error), is_done=False)
            return None

    async def _call(
        self, method: str, path: str, params: dict[str, str]
    ) -> bytes | None:
        """The body of a good answer; anything else is told, and is None."""
        symbol = params.get("symbol", "")
        try:
            answer = await self._client.call(method, path, params)
        except MarketDataError as error:
            self._tell(f"{method} {path}", symbol, str(error), is_done=False)
            return None
        if answer.is_ok:
            return answer.body
        judged = judge(answer.status, answer.body)
        detail = f"HTTP {answer.status}: {judged.code} {judged.text}"
        self._tell(f"{method} {path}", symbol, detail, is_done=False)
        if judged.code in _CLOCK_CODES:
            await self._measure_skew()
        if answer.status in {TOO_MANY, BANNED}:
            told = answer.headers.get(RETRY_AFTER, "")
            self._pause_s = max(self._pause_s, float(told) if told.isdigit() else 1.0)
        return None

    async def _measure_skew(self) -> None:
        try:
            await self._client.measure_skew()
        except TradingError as error:
            self._tell("clock", detail=str(error), is_done=False)

    def _tell(
        self, what: str, symbol: str = "", detail: str = "", *, is_done: bool = True
    ) -> None:
        self._on_step(Step(self._clock(), what, symbol, detail, is_done))
