"""Kill drills: open a position, break something, pull the kill switch, time it.

    healthy        the engine flattens
    frozen         the engine is stopped (SIGSTOP), goes on after the kill
    dead           engine and watchdog are gone (SIGKILL)
    absent         no engine was ever started
    hung           nobody says kill: the engine is stopped, the watchdog acts
    crashed        nobody says kill: the engine is gone, the watchdog acts
    silent_stream  the user data stream says nothing
    unavailable    the exchange answers every request with 503 for five seconds
    disk_full      engine and watchdog can write no more
    no_latch       the engine cannot write the kill latch

A drill asks the exchange itself whether the account is flat, and takes the time of the
last fill. It runs on the loopback exchange or the demo environment, never live; what
needs a fault of the exchange runs on the loopback exchange only.
"""

import asyncio
import os
import resource
import signal
import subprocess
import time
import urllib.request
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from decimal import ROUND_CEILING, Decimal
from enum import Enum
from pathlib import Path

import msgspec

from connectors.binance.account_client import AccountClient
from connectors.binance.order_desk import ORDER_PATH, TRADES_PATH
from connectors.binance.reconciliation import OPEN_ORDERS_PATH, POSITIONS_PATH
from connectors.binance.signing import (
    Credentials,
    Mode,
    Signer,
    environment_of,
)
from connectors.binance.stop_desk import OPEN_ALGOS_PATH
from connectors.binance.transport import Endpoints, fetch_instruments
from connectors.binance.user_wire import (
    read_algos,
    read_orders,
    read_positions,
    read_trades,
)
from connectors.output import KILL_LATCH
from flows import remote
from flows.domain.errors import ConfigurationError, MarketDataError, NoEngine
from flows.domain.units import NS_PER_MS, plain

READY_WITHIN_S = 60.0
FLAT_WITHIN_S = 60.0
SETTLED_S = 1.5
"""How long an account must stay flat: longer than a late order may be accepted."""
OUTAGE_MS = 5_000

_REQUEST_WITHIN_S = 10.0

_QUIET = (
    "--set=buy_above=1000000",
    "--set=sell_below=0.000001",
    "--set=max_hold_s=3600",
    "--set=target_bps=900",
    "--set=stop_bps=400",
)
"""Settings with which an engine holds what it finds and enters nothing."""
_POLL_S = 0.25


class Scenario(Enum):
    """What is broken when the kill comes."""

    HEALTHY = "healthy"
    FROZEN = "frozen"
    DEAD = "dead"
    ABSENT = "absent"
    HUNG = "hung"
    CRASHED = "crashed"
    SILENT_STREAM = "silent_stream"
    UNAVAILABLE = "unavailable"
    DISK_FULL = "disk_full"
    NO_LATCH = "no_latch"

    @property
    def is_by_watchdog(self) -> bool:
        """Whether nobody gives the command."""
        return self in {Scenario.HUNG, Scenario.CRASHED, Scenario.DISK_FULL}

    @property
    def needs_own_exchange(self) -> bool:
        """Whether the exchange itself must misbehave."""
        return self in {Scenario.SILENT_STREAM, Scenario.UNAVAILABLE}


class Result(msgspec.Struct, frozen=True):
    """What a drill has shown."""

    scenario: Scenario
    is_flat: bool
    """Whether the exchange held nothing in the end, and went on holding nothing."""
    flat_after_ms: int | None
    """From the command, or from what broke where nobody commands; None: never."""
    late_orders: int
    """Orders of the engine that the exchange took after the account was flat."""
    has_latch: bool
    status: int | None
    """Exit status of `mft kill`."""
    said: str
    """What `mft kill` printed."""

    @property
    def is_passed(self) -> bool:
        """Whether the account was flattened, for good, and the kill is remembered."""
        is_latched = self.has_latch or self.scenario is Scenario.NO_LATCH
        return self.is_flat and not self.late_orders and is_latched


@dataclass(frozen=True)
class DrillJob:
    """Where to rehearse."""

    mode: Mode
    endpoints: Endpoints
    credentials: Credentials
    symbol: str
    out: Path
    command: Sequence[str]
    """Starts `mft` in another process."""
    scenarios: Sequence[Scenario]


def drill(job: DrillJob, on_result: Callable[[Result], None]) -> list[Result]:
    """Rehearse, one scenario after the other; each leaves `result.json` with its data.

    Raises ConfigurationError in mode live or on paper, and where the account is not
    flat at the beginning; MarketDataError where the exchange cannot be used.
    """
    if job.mode not in {Mode.LOOPBACK, Mode.DEMO}:
        raise ConfigurationError(f"Kill drills never run in mode {job.mode.value}")
    for scenario in job.scenarios:
        if scenario.needs_own_exchange and job.mode is not Mode.LOOPBACK:
            msg = f"Drill {scenario.value} needs an exchange that can be told to fail"
            raise ConfigurationError(msg)
    results = []
    for scenario in job.scenarios:
        result = asyncio.run(_Drill(job, scenario).run())
        results.append(result)
        on_result(result)
    return results


class _Drill:
    def __init__(self, job: DrillJob, scenario: Scenario) -> None:
        self._job = job
        self._scenario = scenario
        self._data = job.out / scenario.value
        self._environment = {**os.environ, **environment_of(job.credentials)}
        self._signer = Signer(job.mode, job.endpoints.rest, job.credentials)
        self._engine: subprocess.Popen[bytes] | None = None
        self._watchdogs: list[int] = []

    async def run(self) -> Result:
        job = self._job
        self._data.mkdir(parents=True)
        async with AccountClient(
            self._signer, job.endpoints.rest, time.time_ns, timeout_s=_REQUEST_WITHIN_S
        ) as client:
            await client.measure_skew()
            if await self._is_open(client):
                msg = "Expected an account that holds nothing and has no open order"
                raise ConfigurationError(msg)
            await self._open_position(client)
            try:
                result = await self._rehearse(client)
            finally:
                self._end_processes()
        told = msgspec.json.format(msgspec.json.encode(result))
        (self._data / "result.json").write_bytes(told + b"\n")
        return result

    async def _rehearse(self, client: AccountClient) -> Result:
        scenario = self._scenario
        if scenario is not Scenario.ABSENT:
            await self._start_engine(client)
        self._break()
        begun_ms = time.time_ns() // NS_PER_MS + self._signer.skew_ms
        process = None if scenario.is_by_watchdog else self._pull()
        is_flat = await self._becomes_flat(client)
        orders_then = await self._orders(client)
        if scenario in {Scenario.FROZEN, Scenario.HUNG} and self._engine is not None:
            self._engine.send_signal(signal.SIGCONT)
        await asyncio.sleep(SETTLED_S)
        flat_ms = await self._last_fill_ms(client) if is_flat else None
        is_flat = is_flat and not await self._is_open(client)
        late = len(await self._orders(client)) - len(orders_then)
        status, said = await self._said(process)
        return Result(
            scenario,
            is_flat,
            None if flat_ms is None else flat_ms - begun_ms,
            late,
            (self._data / KILL_LATCH).exists(),
            status,
            said,
        )

    # -- the position -----------------------------------------------------------------

    async def _open_position(self, client: AccountClient) -> None:
        """The smallest position that the exchange allows, and half as much again."""
        symbol = self._job.symbol
        known = await fetch_instruments(self._job.endpoints, [symbol])
        if symbol not in known:
            raise ConfigurationError(f"The exchange does not list {symbol}")
        rules = known[symbol]
        book = await client.get(
            "/fapi/v1/ticker/bookTicker", _Ticker, {"symbol": symbol}
        )
        wanted = rules.min_notional * Decimal("1.5") / book.askPrice
        steps = (wanted / rules.step_size).to_integral_value(ROUND_CEILING)
        answer = await client.call(
            "POST",
            ORDER_PATH,
            {
                "symbol": symbol,
                "side": "BUY",
                "type": "MARKET",
                "quantity": plain(steps * rules.step_size),
                "newClientOrderId": f"mftdrill-{time.time_ns() // NS_PER_MS}",
            },
        )
        if not answer.is_ok:
            told = answer.body[:200].decode(errors="replace")
            raise MarketDataError(f"The drill's order was refused: {told}")

    async def _is_open(self, client: AccountClient) -> bool:
        named = {"symbol": self._job.symbol}
        positions, orders = await asyncio.gather(
            client.call("GET", POSITIONS_PATH, named),
            client.call("GET", OPEN_ORDERS_PATH, named),
        )
        if not (positions.is_ok and orders.is_ok):
            raise MarketDataError("The exchange does not say what is open")
        return bool(read_positions(positions.body) or read_orders(orders.body))

    async def _becomes_flat(self, client: AccountClient) -> bool:
        until = time.monotonic() + FLAT_WITHIN_S
        while time.monotonic() < until:
            with suppress(MarketDataError):
                if not await self._is_open(client):
                    return True
            await asyncio.sleep(_POLL_S)
        return False

    async def _last_fill_ms(self, client: AccountClient) -> int:
        """When the exchange filled the last order, by its own clock."""
        named = {"symbol": self._job.symbol}
        answer = await client.call("GET", TRADES_PATH, named)
        if not answer.is_ok:
            raise MarketDataError("The exchange does not tell its trades")
        return max(trade.time_ms for trade in read_trades(answer.body))

    async def _orders(self, client: AccountClient) -> list[object]:
        named = {"symbol": self._job.symbol}
        return await client.get("/fapi/v1/allOrders", list[object], named)

    # -- the processes ----------------------------------------------------------------

    async def _start_engine(self, client: AccountClient) -> None:
        """Start it; wait until it holds the position and a stop stands for it."""
        engine = self._engine = self._spawn_engine()
        until = time.monotonic() + READY_WITHIN_S
        while not (self._holds() and await self._has_stop(client)):
            if engine.poll() is not None or time.monotonic() >= until:
                msg = f"The engine did not begin: see {self._data / 'engine.log'}"
                raise MarketDataError(msg)
            await asyncio.sleep(_POLL_S)
        self._watchdogs = list(_children(engine.pid))

    def _spawn_engine(self) -> subprocess.Popen[bytes]:
        job = self._job
        with (self._data / "engine.log").open("wb") as log:
            return subprocess.Popen(  # noqa: S603 - this program itself
                [
                    *job.command,
                    "trade",
                    f"--mode={job.mode.value}",
                    f"--exchange={job.endpoints.rest}",
                    f"--symbols={job.symbol}",
                    f"--data={self._data}",
                    "--plain",
                    "--no-record",
                    *_QUIET,
                ],
                stdout=log,
                stderr=log,
                env=self._environment,
                start_new_session=True,
            )

    def _holds(self) -> bool:
        try:
            return bool(remote.status(self._data).positions)
        except NoEngine:
            return False

    async def _has_stop(self, client: AccountClient) -> bool:
        answer = await client.call("GET", OPEN_ALGOS_PATH)
        return answer.is_ok and bool(read_algos(answer.body))

    def _break(self) -> None:
        match self._scenario:
            case Scenario.FROZEN | Scenario.HUNG:
                self._signal_engine(signal.SIGSTOP)
            case Scenario.CRASHED:
                self._signal_engine(signal.SIGKILL)
            case Scenario.DEAD:
                self._end_processes()
            case Scenario.SILENT_STREAM:
                self._order({"kind": "user_silence", "for_ms": 120_000})
            case Scenario.UNAVAILABLE:
                self._order(
                    {"kind": "server_error", "status": 503, "for_ms": OUTAGE_MS}
                    | {"path": "/fapi/*"}
                )
            case Scenario.DISK_FULL:
                self._fill_disk()
            case Scenario.NO_LATCH:
                self._bar_latch()
            case Scenario.HEALTHY | Scenario.ABSENT:
                pass

    def _signal_engine(self, number: signal.Signals) -> None:
        if self._engine is not None:
            self._engine.send_signal(number)

    def _order(self, fault: dict[str, object]) -> None:
        """Tell the loopback exchange to misbehave from now on."""
        request = urllib.request.Request(  # noqa: S310 - a loopback exchange's address
            f"{self._job.endpoints.rest}/admin/faults",
            data=msgspec.json.encode(fault),
            method="POST",
        )
        with urllib.request.urlopen(request, timeout=10):  # noqa: S310 - the same
            pass

    def _fill_disk(self) -> None:
        """No file of engine or watchdog may grow, as on a disk without space."""
        if self._engine is None:
            return
        for pid in (self._engine.pid, *self._watchdogs):
            resource.prlimit(pid, resource.RLIMIT_FSIZE, (0, 0))

    def _bar_latch(self) -> None:
        """A directory stands where the engine's latch is written."""
        if self._engine is not None:
            name = f"{KILL_LATCH}.{self._engine.pid}.partial"
            (self._data / name / "in the way").mkdir(parents=True)

    def _pull(self) -> subprocess.Popen[str]:
        job = self._job
        return subprocess.Popen(  # noqa: S603 - this program itself
            [
                *job.command,
                "kill",
                f"--data={self._data}",
                f"--mode={job.mode.value}",
                f"--exchange={job.endpoints.rest}",
                "--reason=drill",
            ],
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            env=self._environment,
        )

    async def _said(
        self, process: subprocess.Popen[str] | None
    ) -> tuple[int | None, str]:
        if process is None:
            return None, ""
        said, _ = await asyncio.to_thread(process.communicate, None, FLAT_WITHIN_S)
        return process.returncode, said.strip()

    def _end_processes(self) -> None:
        if self._engine is not None:
            self._engine.send_signal(signal.SIGKILL)
            self._engine.wait()
        for pid in self._watchdogs:
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)


class _Ticker(msgspec.Struct):
    askPrice: Decimal  # noqa: N815 - the exchange's own name


def _children(pid: int) -> Iterator[int]:
    """Processes that a process has started; none where the system does not say."""
    with suppress(OSError):
        text = Path(f"/proc/{pid}/task/{pid}/children").read_text(encoding="ascii")
        yield from map(int, text.split())


@contextmanager
def own_exchange(command: Sequence[str], symbol: str) -> Iterator[str]:
    """The address of a synthetic loopback exchange, for as long as it is needed."""
    process = subprocess.Popen(  # noqa: S603 - this program itself
        [*command, "exchange", f"--synthetic={symbol}", "--port=0", "--seed=1"],
        stdout=subprocess.PIPE,
        text=True,
    )
    try:
        told = process.stdout.readline().split() if process.stdout else []
        if len(told) < 2:  # noqa: PLR2004 - "exchange URL"
            raise MarketDataError("The loopback exchange did not begin")
        yield told[1]
    finally:
        process.terminate()
        process.communicate()
