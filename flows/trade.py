"""`mft trade`: the trading flow on a live market, on paper or on an exchange.

Everything that happens is recorded before it is decided on, and journalled before it is
done; a later run, a replay of the recording and the archive all start from these files.
"""

import secrets
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

import msgspec
import structlog

from connectors.binance.account_check import AccountTerms, read_account
from connectors.binance.signing import Credentials, Mode, Signer, check_host
from connectors.binance.source import Live, LiveSource
from connectors.binance.wire import decode
from connectors.control.server import ControlServer
from connectors.journal import EntryStore, Journal, JournalSink
from connectors.kill_latch import KillLatch, read_latch
from connectors.latency import Latency, LatencySink, OrderLatency
from connectors.output import DataDirectory
from connectors.recorder import Recorder
from flows.control import ControlDesk, WatchedJournal
from flows.domain.account import Account
from flows.domain.errors import (
    ConfigurationError,
    EngineCrashed,
    RecordingError,
    StoreError,
)
from flows.domain.fault import Fault
from flows.domain.instrument import Instruments
from flows.domain.opening import Opening
from flows.domain.run import RunStarted
from flows.domain.units import NS_PER_MS, NS_PER_S
from flows.flatten import Access, leave_access
from flows.guard import Guard, NoGuard
from flows.kill_keeper import KillKeeper, latched_opening
from flows.live import MarketJob, Orders, listed_instruments, open_market
from flows.priority import go_first
from flows.restart import succeed
from flows.run import run
from flows.sending import sending
from flows.settings import Settings
from flows.supervision import persevere
from flows.telemetry import Observer, Telemetry
from flows.trading import Engine, build_engine, build_trading_flow

_log = structlog.get_logger()


@dataclass(frozen=True)
class TradeJob:
    """What to trade on, how, and where to keep it."""

    market: MarketJob
    data: Path
    settings: Settings
    recording_limit: int | None
    """Most bytes of recordings to keep; None records nothing."""
    mode: Mode = Mode.PAPER
    credentials: Credentials | None = None
    """Of the account to trade on; needed unless on paper."""


OnStatus = Callable[[Telemetry], None]
"""Told the engine's state about once a second."""


def trade(job: TradeJob, on_status: OnStatus = lambda _status: None) -> Telemetry:
    """Trade until told to stop; the last state.

    SIGINT, SIGTERM and the command `stop` end it: no entries, positions closed within
    1.2 s as far as the market allows, everything flushed. Operators are heard at the
    directory's control socket meanwhile. An engine that crashes begins anew
    (`flows/supervision.py`). Raises the TradingError that ended it early.
    """
    begun = time.monotonic()
    go_first()
    with DataDirectory(job.data) as data:
        try:
            return persevere(
                lambda anew: _trade(_rest_of(job, begun), data, on_status, anew)
            )
        except EngineCrashed:
            _leave_to_watchdog(job, data)
            raise


def _leave_to_watchdog(job: TradeJob, data: DataDirectory) -> None:
    """Have what is held at an exchange flattened, once nobody holds the directory."""
    if job.credentials is not None and job.mode is not Mode.PAPER:
        access = Access(job.mode, job.market.endpoints.rest)
        guard = Guard(data, access, job.credentials, tuple)
        guard.watch(time.time_ns())
        guard.close(is_farewell=False)


def _rest_of(job: TradeJob, begun: float) -> TradeJob:
    """A job that began at `begun`, with the time that it has left."""
    if job.market.duration_s is None:
        return job
    left_s = max(1, job.market.duration_s - int(time.monotonic() - begun))
    return replace(job, market=replace(job.market, duration_s=left_s))


def _trade(
    job: TradeJob, data: DataDirectory, on_status: OnStatus, begun_anew: int
) -> Telemetry:
    with ExitStack() as stack:
        signer = _signer(job)
        instruments = listed_instruments(job.market)
        started = _started(job)
        latch = KillLatch(data.kill_latch)
        found = read_latch(data.kill_latch, time.time_ns())
        before = succeed(data.journal, started, job.market.symbols)
        opening = latched_opening(before, found)
        engine = build_engine(job.settings, started, Instruments(instruments))
        orders: Orders | None = None
        order_latency = OrderLatency()
        guard: Guard | NoGuard = NoGuard()
        taker_fee_bps = job.settings.taker_fee_bps
        access = _access(job, data)
        if signer is not None and job.credentials is not None:
            terms = _terms(job, signer)
            taker_fee_bps = terms.taker_fee_bps
            opening = _remote(opening, started, job, terms)
            orders = _orders(signer, terms, engine, data.kill_latch, order_latency)
            guard = Guard(data, access, job.credentials, engine.account.entering)
            stack.enter_context(_guarded(guard, engine.account))
        journal = Journal(data.journal, started.run_id, is_durable=signer is not None)
        stack.callback(journal.close)
        recorder: Recorder | None = None
        if job.recording_limit is not None:
            recorder = Recorder(data.recording, max_bytes=job.recording_limit)
            stack.callback(recorder.close)
        account, latency = engine.account, Latency()
        observer = Observer(
            started.run_id,
            started.mode,
            engine.books,
            account,
            latency,
            rule=engine.rule,
            symbols=job.market.symbols,
            taker_fee_bps=taker_fee_bps,
            begun_anew=begun_anew,
            order_latency=order_latency,
            recorder_waiting=lambda: recorder.waiting_bytes if recorder else None,
        )

        def look() -> Telemetry:
            alarms = filter(None, (keeper.alarm, guard.alarm))
            return observer.look(live.clock(), "; ".join(alarms))

        def on_poll(now_ns: int) -> None:
            keeper.watch(now_ns)
            guard.watch(now_ns)

        live = open_market(
            job.market,
            job.settings,
            instruments,
            engine.books,
            held=account.ledger.positions.keys,
            is_flat=lambda: account.is_flat,
            opening=opening,
            recorder=recorder,
            on_second=lambda _now_ns: _tell(on_status, look),
            on_poll=on_poll,
            orders=orders,
        )
        stack.callback(live.transport.close)
        desk = ControlDesk(live, look)
        keeper = KillKeeper(latch, account.kill_switch, desk.tell_kill)
        server = ControlServer(data.control, desk)
        stack.callback(lambda: live.transport.run(server.close()))
        live.transport.run(server.open())
        watched = WatchedJournal(journal, keeper, observer.counts, server.acknowledge)
        _log.info("trade_started", run_id=started.run_id, symbols=job.market.symbols)
        _run(live, engine, sending(live, watched, order_latency), latency)
        last = look()
    if recorder is not None and recorder.error is not None:
        raise recorder.error
    _log.info("trade_ended", run_id=started.run_id, reason=live.stop.reason)
    return last


@contextmanager
def _guarded(guard: Guard, account: Account) -> Iterator[None]:
    """Let the watchdog go where nothing is left to be killed; an error leaves it on."""
    is_over = False
    try:
        yield
        is_over = account.is_flat or not account.kill_switch.is_latched
    finally:
        guard.close(is_farewell=is_over)


def _tell(on_status: OnStatus, look: Callable[[], Telemetry]) -> None:
    """Show the state; an engine goes on trading where that fails."""
    try:
        on_status(look())
    except Exception as error:  # noqa: BLE001 - whatever it is, trading comes first
        _log.exception("telemetry_failed", error=f"{type(error).__name__}: {error}")


def _run(live: Live, engine: Engine, journal: EntryStore, latency: Latency) -> None:
    fault = Fault()
    flow = build_trading_flow(
        LiveSource(live, fault),
        decode,
        engine,
        JournalSink(journal, fault),
        fault,
        views=LatencySink(latency, live.clock),
    )
    try:
        run(flow, fault, on_signal=lambda number: live.stop.request(f"signal {number}"))
    except (ConfigurationError, RecordingError, StoreError):
        raise
    except Exception as error:
        cause: BaseException = error
        while cause.__cause__ is not None:  # the dataflow's errors say only which step
            cause = cause.__cause__
        msg = f"{type(cause).__name__}: {cause}"
        raise EngineCrashed(msg) from error


def _remote(
    opening: Opening, started: RunStarted, job: TradeJob, terms: AccountTerms
) -> Opening:
    """The opening of an account whose orders an exchange executes."""
    capital = opening.capital
    if capital is None:
        capital = min(job.settings.capital, terms.wallet)
    return msgspec.structs.replace(
        opening,
        is_remote=True,
        order_prefix=started.order_prefix,
        capital=capital,
    )


def _access(job: TradeJob, data: DataDirectory) -> Access:
    """Where orders go, written down for whoever must kill. Raises StoreError."""
    access = Access(job.mode, job.market.endpoints.rest)
    leave_access(data.access, access)
    return access


def _orders(
    signer: Signer,
    terms: AccountTerms,
    engine: Engine,
    latch: Path,
    latency: OrderLatency,
) -> Orders:
    return Orders(
        signer,
        terms,
        engine.held,
        engine.stops,
        on_acked=latency.acked.add,
        why_withhold=partial(_why_withhold, engine, latch),
    )


def _why_withhold(engine: Engine, latch: Path) -> str:
    """Why no order that increases risk may leave now; empty: nothing."""
    if latch.exists():
        return "the kill latch is there"
    return engine.why_withhold()


def _signer(job: TradeJob) -> Signer | None:
    """Who signs, where orders leave. Raises ConfigurationError."""
    if job.mode is Mode.PAPER:
        return None
    if job.credentials is None:
        raise ConfigurationError(f"Expected credentials in mode {job.mode.value}")
    check_host(job.mode, job.market.endpoints.streams)
    return Signer(job.mode, job.market.endpoints.rest, job.credentials)


def _terms(job: TradeJob, signer: Signer) -> AccountTerms:
    base, symbols = job.market.endpoints.rest, job.market.symbols
    terms = read_account(signer, base, symbols, time.time_ns)
    if terms.wallet <= 0:
        raise ConfigurationError("Expected money in the account, was none")
    _log.info(
        "account_read",
        wallet=str(terms.wallet),
        taker_fee_bps=str(terms.taker_fee_bps),
        leverage=terms.leverage,
    )
    return terms


def _started(job: TradeJob) -> RunStarted:
    """A run id that sorts by time and is used only once."""
    second, rest_ns = divmod(time.time_ns(), NS_PER_S)
    begun = time.strftime("%Y%m%dT%H%M%S", time.gmtime(second))
    return RunStarted(
        received_ns=0,
        symbol="",
        run_id=f"{begun}{rest_ns // NS_PER_MS:03}-{secrets.token_hex(4)}",
        mode=job.mode.value,
        inputs={
            "exchange": job.market.endpoints.rest,
            "symbols": ",".join(job.market.symbols),
        },
        settings=job.settings.as_text(),
    )
