"""The watchdog: a small process that kills the account where its engine no longer can.

    beats come                       nothing
    none for MISSING_NS              the latch, then the account is flattened
    the pipe ends without farewell   the same, unless another engine has taken over
    farewell                         it ends too

It runs beside an engine that sends orders to an exchange, in a session of its own. It
reads the engine's pipe on standard input (`flows/heartbeat.py`) and takes the keys from
the environment. An order to enter that stays in flight is covered by
`countdownCancelAll`, which works if engine and watchdog are both gone.
"""

import asyncio
import os
import sys
import time
from collections.abc import Collection
from pathlib import Path

import msgspec
import structlog

from connectors.binance.account_client import AccountClient
from connectors.binance.signing import Mode, Signer, credentials_from
from connectors.kill_latch import WRITTEN_WITHIN_S, Latch, write_latch
from connectors.output import JOURNAL, KILL_LATCH, is_engine_in
from flows.domain.errors import StoreError, TradingError
from flows.domain.kill import KillReason
from flows.domain.units import NS_PER_MS, NS_PER_S
from flows.flatten import REQUEST_WITHIN_S, Access, flatten
from flows.heartbeat import Beat, Farewell, Introduction, read_line
from flows.log import configure
from flows.restart import has_ended_in_order

MISSING_NS = 2 * NS_PER_S
"""An engine that has not beaten for so long is dead or hung."""
COUNTDOWN_MS = 10_000
"""When the exchange cancels what was not renewed."""
COUNTDOWN_PATH = "/fapi/v1/countdownCancelAll"

_OWN_EXCHANGE_WITHIN_S = 60.0
"""A loopback exchange that does not answer for so long has ended."""
_LOOK_EVERY_S = 0.1
_FROZEN_NS = NS_PER_S
_RENEW_NS = COUNTDOWN_MS * NS_PER_MS // 3

_log = structlog.get_logger()


class Pulse:
    """When an engine counts as dead; time is that of a clock that never goes back.

    A watchdog that did not run itself (a sleeping machine, a stopped process) gives the
    engine its whole time anew: both of them were away.
    """

    def __init__(self, now_ns: int) -> None:
        self._beaten_ns = self._looked_ns = now_ns
        self._is_killed = False

    def beat(self, now_ns: int) -> None:
        """The engine lives."""
        self._beaten_ns = self._looked_ns = now_ns
        self._is_killed = False

    def left_ns(self, now_ns: int) -> int:
        """How long the engine still has for its next beat."""
        return max(self._beaten_ns + MISSING_NS - now_ns, 0)

    def is_missed(self, now_ns: int) -> bool:
        """Whether the engine has just become dead; true once until it beats again."""
        if now_ns - self._looked_ns >= _FROZEN_NS:
            self._beaten_ns = now_ns
        self._looked_ns = now_ns
        if self._is_killed or self.left_ns(now_ns):
            return False
        self._is_killed = True
        return True


class Countdown:
    """The exchange's own dead man's switch, for symbols with an entry in flight.

    Never for others: whether it would also cancel a protective stop is not known.
    """

    def __init__(self, client: AccountClient) -> None:
        self._client = client
        self._armed: dict[str, int] = {}
        """When each symbol was last renewed."""

    async def cover(self, entering: Collection[str], now_ns: int) -> None:
        """Arm or renew it for some symbols, and disarm it for the rest."""
        for symbol in entering:
            armed_ns = self._armed.get(symbol)
            if armed_ns is None or now_ns - armed_ns >= _RENEW_NS:
                self._armed[symbol] = now_ns
                await self._set(symbol, COUNTDOWN_MS)
        for symbol in self._armed.keys() - set(entering):
            del self._armed[symbol]
            await self._set(symbol, 0)

    async def _set(self, symbol: str, countdown_ms: int) -> None:
        params = {"symbol": symbol, "countdownTime": str(countdown_ms)}
        try:
            answer = await self._client.call("POST", COUNTDOWN_PATH, params)
            reason = "" if answer.is_ok else f"HTTP {answer.status}"
        except TradingError as error:
            reason = str(error)
        if reason:
            _log.warning("countdown_failed", symbol=symbol, reason=reason)


class Watchdog:
    """Watches one engine, as far as its pipe tells."""

    def __init__(
        self,
        introduction: Introduction,
        client: AccountClient,
        lines: asyncio.StreamReader,
    ) -> None:
        self._data = Path(introduction.data)
        self._access = Access(Mode(introduction.mode), introduction.rest)
        self._countdown = Countdown(client)
        self._lines = lines

    async def run(self) -> None:
        """Watch until the engine has ended, well or badly."""
        pulse = Pulse(time.monotonic_ns())
        while True:
            try:
                async with asyncio.timeout(_LOOK_EVERY_S):
                    text = await self._lines.readline()
            except TimeoutError:
                if pulse.is_missed(time.monotonic_ns()):
                    await self._kill("the engine hangs")
                continue
            if not text:
                break
            match read_line(text):
                case Farewell():
                    return
                case Beat(entering):
                    pulse.beat(time.monotonic_ns())
                    await self._countdown.cover(entering, time.monotonic_ns())
        await asyncio.sleep(pulse.left_ns(time.monotonic_ns()) / NS_PER_S)
        if is_engine_in(self._data) or self._is_over():
            _log.warning("watchdog_stood_down", data=str(self._data))
        else:
            await self._kill("the engine has died")

    def _is_over(self) -> bool:
        """Whether another run took over, and ended as it should, while we waited."""
        if (self._data / KILL_LATCH).exists():
            return False
        return has_ended_in_order(self._data / JOURNAL)

    async def _kill(self, why: str) -> None:
        _log.error("watchdog_kills", reason=why)
        latch = Latch(time.time_ns(), KillReason.WATCHDOG, why, "watchdog")
        await leave_latch(self._data / KILL_LATCH, latch)
        is_own = self._access.mode is Mode.LOOPBACK
        flat = await flatten(
            self._access,
            credentials_from(),
            self._data,
            within_s=_OWN_EXCHANGE_WITHIN_S if is_own else None,
        )
        _log.error("watchdog_killed", after_ns=flat.after_ns, remaining=flat.remaining)


async def leave_latch(path: Path, latch: Latch) -> str:
    """Put the latch in place, and wait for that only so long; why it is not there."""
    try:
        async with asyncio.timeout(WRITTEN_WITHIN_S):
            await asyncio.to_thread(write_latch, path, latch)
    except (StoreError, TimeoutError) as error:
        reason = str(error) or f"{path}: the kill latch is still being written"
        _log.error("kill_latch_failed", reason=reason)
        return reason
    return ""


async def watch() -> None:
    """Watch the engine at the other end of standard input."""
    lines = asyncio.StreamReader()
    loop = asyncio.get_running_loop()
    await loop.connect_read_pipe(
        lambda: asyncio.StreamReaderProtocol(lines), os.fdopen(sys.stdin.fileno(), "rb")
    )
    first = await lines.readline()
    if not first:
        return  # the engine has not begun
    introduction = read_line(first)
    if not isinstance(introduction, Introduction):
        raise msgspec.ValidationError("Expected an introduction first")
    mode, rest = Mode(introduction.mode), introduction.rest
    signer = Signer(mode, rest, credentials_from())
    async with AccountClient(
        signer, rest, time.time_ns, timeout_s=REQUEST_WITHIN_S
    ) as client:
        try:
            await client.measure_skew()
        except TradingError as error:
            _log.warning("countdown_failed", reason=str(error))
        await Watchdog(introduction, client, lines).run()


if __name__ == "__main__":
    configure()
    asyncio.run(watch())
