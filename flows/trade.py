"""`mft trade`: the trading flow on a live market, on paper or on an exchange.

Everything that happens is recorded before it is decided on, and journalled before it is
done; a later run, a replay of the recording and the archive all start from these files.
"""

import secrets
import time
from collections import Counter
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path

import msgspec
import structlog

from connectors.binance.account_check import AccountTerms, read_account
from connectors.binance.signing import Credentials, Mode, Signer, check_host
from connectors.binance.source import Live, LiveSource
from connectors.binance.wire import decode
from connectors.journal import Journal, JournalSink, OnCommitted
from connectors.latency import Latency, LatencySink
from connectors.output import DataDirectory
from connectors.recorder import Recorder
from flows.domain.errors import ConfigurationError
from flows.domain.fault import Fault
from flows.domain.instrument import Instruments
from flows.domain.kill import KillTripped
from flows.domain.order import Withdrawn
from flows.domain.risk import Approved
from flows.domain.run import JournalEntry, RunStarted
from flows.domain.units import NS_PER_MS, NS_PER_S
from flows.live import MarketJob, Orders, listed_instruments, open_market
from flows.restart import succeed
from flows.run import run
from flows.settings import Settings
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


@dataclass(frozen=True)
class Status:
    """A live engine at one moment."""

    now_ns: int
    run_id: str
    mode: str
    books: dict[str, int]
    """Symbols by book state."""
    depth_events: int
    gaps: int
    positions: int
    equity: Decimal
    day_pnl: Decimal
    killed: KillTripped | None
    latency_p50_ns: int
    latency_p99_ns: int
    latency_p999_ns: int
    views: int


OnStatus = Callable[[Status], None]
"""Told the engine's state about once a second."""


def trade(job: TradeJob, on_status: OnStatus = lambda _status: None) -> Status:
    """Trade until told to stop; the last status.

    SIGINT and SIGTERM stop: no entries, positions closed within 1.2 s as far as the
    market allows, everything flushed. Raises the TradingError that ended it early.
    """
    with ExitStack() as stack:
        data = DataDirectory(job.data)
        stack.callback(data.release)
        signer = _signer(job)
        instruments = listed_instruments(job.market)
        started = _started(job)
        opening = msgspec.structs.replace(
            succeed(data.journal, started, job.market.symbols),
            is_remote=signer is not None,
            order_prefix=started.order_prefix if signer is not None else "",
        )
        engine = build_engine(job.settings, started, Instruments(instruments))
        orders: Orders | None = None
        if signer is not None:
            terms = _terms(job, signer)
            orders = Orders(signer, terms, engine.held, engine.why_withhold)
            if opening.capital is None:
                capital = min(job.settings.capital, terms.wallet)
                opening = msgspec.structs.replace(opening, capital=capital)
        journal = Journal(data.journal, started.run_id, is_durable=signer is not None)
        stack.callback(journal.close)
        recorder: Recorder | None = None
        if job.recording_limit is not None:
            recorder = Recorder(data.recording, max_bytes=job.recording_limit)
            stack.callback(recorder.close)
        latency = Latency()

        def status(now_ns: int) -> Status:
            return _status(now_ns, started, engine, latency)

        live = open_market(
            job.market,
            job.settings,
            instruments,
            engine.books,
            held=engine.account.ledger.positions.keys,
            is_flat=lambda: engine.is_flat,
            opening=opening,
            recorder=recorder,
            on_second=lambda now_ns: on_status(status(now_ns)),
            orders=orders,
        )
        stack.callback(live.transport.close)
        _log.info("trade_started", run_id=started.run_id, symbols=job.market.symbols)
        _run(live, engine, journal, latency)
        last = status(live.clock())
    if recorder is not None and recorder.error is not None:
        raise recorder.error
    _log.info("trade_ended", run_id=started.run_id, reason=live.stop.reason)
    return last


def _run(live: Live, engine: Engine, journal: Journal, latency: Latency) -> None:
    fault = Fault()
    flow = build_trading_flow(
        LiveSource(live, fault),
        decode,
        engine,
        JournalSink(journal, fault, _sender(live)),
        fault,
        views=LatencySink(latency, live.clock),
    )
    run(flow, fault, on_signal=lambda number: live.stop.request(f"signal {number}"))


def _sender(live: Live) -> OnCommitted | None:
    """Sends what the journal holds: in the step that has committed it."""
    execution = live.feed.execution
    if execution is None:
        return None

    def send(entries: Sequence[JournalEntry]) -> None:
        now_ns, is_due = live.clock(), False
        for entry in entries:
            match entry.fact:
                case Approved(order=order):
                    execution.place(order, now_ns)
                case Withdrawn(client_order_id=name):
                    execution.cancel(name, now_ns)
                case _:
                    continue
            is_due = True
        if is_due:
            live.transport.push()

    return send


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


def _status(
    now_ns: int, started: RunStarted, engine: Engine, latency: Latency
) -> Status:
    books = engine.books.by_symbol.values()
    ledger = engine.account.ledger
    return Status(
        now_ns=now_ns,
        run_id=started.run_id,
        mode=started.mode,
        books=dict(Counter(book.state.value for book in books)),
        depth_events=sum(book.counts.depth_events for book in books),
        gaps=sum(book.counts.gaps for book in books),
        positions=len(ledger.positions),
        equity=ledger.curve.equity,
        day_pnl=ledger.curve.day_pnl,
        killed=engine.account.kill_switch.tripped,
        views=latency.count,
        latency_p50_ns=latency.quantile_ns(500),
        latency_p99_ns=latency.quantile_ns(990),
        latency_p999_ns=latency.quantile_ns(999),
    )
