"""`mft scan`: what the markets of some instruments are like, into ClickHouse.

    frames -> books -> counts

The books are watched by a `Scanner`, whose results end a journal of their own.
"""

import secrets
import time
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

import bytewax.operators as op
import structlog
from bytewax.dataflow import Dataflow
from bytewax.inputs import Source

from connectors.binance.source import LiveSource
from connectors.binance.wire import decode
from connectors.certificate import verified_digest
from connectors.clickhouse import ClickHouse
from connectors.journal import Journal, held_runs
from connectors.latency import Latency, LatencySink
from connectors.output import OutputDirectory
from connectors.recording import merged_frames
from connectors.replay import ReplaySource
from flows import child
from flows.archive import archive
from flows.domain.books import Books
from flows.domain.errors import TradingError
from flows.domain.fault import Fault
from flows.domain.frame import RawFrame
from flows.domain.instrument import Instruments
from flows.domain.run import JournalEntry, RunStarted, Transcript
from flows.domain.scan import Scanner
from flows.domain.suitability import Scanned, ScanTerms
from flows.live import MarketJob, listed_instruments, open_market
from flows.operators.books import books
from flows.run import run
from flows.settings import Settings

_log = structlog.get_logger()


@dataclass(frozen=True)
class ScanJob:
    """What to scan, for which settings, and where the result goes."""

    out: Path
    settings: Settings
    recordings: Sequence[Path] = ()
    market: MarketJob | None = None
    """The live market instead; its duration says for how long."""
    has_store: bool = True
    """Whether an embedded ClickHouse in `out` takes the result, too."""


Progress = Callable[[int], None]
"""Told how many bytes of recordings more, or live seconds, are done."""


def scan(job: ScanJob, on_progress: Progress = lambda _more: None) -> list[Scanned]:
    """Scan, store and return what was found, by symbol.

    `out` holds the journal, and an embedded ClickHouse, afterwards. Raises the
    TradingError that prevents it, or ended it early; then nothing is stored.
    """
    started = _started(job)
    output = OutputDirectory(job.out, started.run_id, held_runs)
    try:
        _log.info("scan_started", run_id=started.run_id)
        scanner = (
            _scan_recordings(job, on_progress)
            if job.market is None
            else _scan_live(job, job.market, on_progress)
        )
        found = list(scanner.results())
        _keep(output, started, found)
        if job.has_store:
            load = (output.clickhouse, started.run_id, output.journal)
            child.call(_archive, lambda _more: None, *load)
    except TradingError:
        output.discard()
        raise
    finally:
        output.release()
    _log.info("scan_finished", run_id=started.run_id, symbols=len(found))
    return found


def build_scan_flow(
    source: Source[RawFrame], scanner: Scanner, fault: Fault
) -> Dataflow:
    """Wire the flow."""
    flow = Dataflow("scan")
    frames = op.input("frames", flow, source)
    updates = books("books", frames, decode, scanner, fault)
    op.output("counts", updates, LatencySink(Latency(), time.time_ns))
    return flow


def _scanner(job: ScanJob, state: Books, instruments: Instruments) -> Scanner:
    settings = job.settings
    terms = ScanTerms(
        order_notional=settings.order_notional,
        max_slippage_bps=settings.max_slippage_bps,
        target_bps=settings.target_bps,
        stop_bps=settings.stop_bps,
        hold_s=settings.max_hold_s,
        fee_bps=settings.taker_fee_bps,
    )
    is_live = job.market is not None
    return Scanner(state, settings.zone_rule, terms, instruments, is_live=is_live)


def _books(settings: Settings) -> Books:
    return Books(depth=settings.imbalance_depth, stale_after_ms=settings.stale_after_ms)


def _scan_recordings(job: ScanJob, on_progress: Progress) -> Scanner:
    fault = Fault()
    scanner = _scanner(job, _books(job.settings), Instruments())
    frames = merged_frames(job.recordings, on_progress)
    source = ReplaySource(frames, batch_size=job.settings.batch_size, fault=fault)
    run(build_scan_flow(source, scanner, fault), fault)
    return scanner


def _scan_live(job: ScanJob, market: MarketJob, on_progress: Progress) -> Scanner:
    fault, state = Fault(), _books(job.settings)
    with ExitStack() as stack:
        listed = listed_instruments(market)
        scanner = _scanner(job, state, Instruments(listed))
        live = open_market(
            market,
            job.settings,
            listed,
            state,
            recorder=None,
            on_second=lambda _now_ns: on_progress(1),
        )
        stack.callback(live.transport.close)
        flow = build_scan_flow(LiveSource(live, fault), scanner, fault)
        run(flow, fault, on_signal=lambda number: live.stop.request(f"signal {number}"))
    return scanner


def _started(job: ScanJob) -> RunStarted:
    if job.market is None:
        inputs = {
            f"{number}:{path.name}": verified_digest(path)
            for number, path in enumerate(job.recordings, start=1)
        }
    else:
        inputs = {
            "exchange": job.market.endpoints.rest,
            "symbols": ",".join(job.market.symbols),
        }
    return RunStarted(
        received_ns=0,
        symbol="",
        run_id=f"scan-{time.strftime('%Y%m%dT%H%M%S')}-{secrets.token_hex(4)}",
        mode="scan",
        inputs=inputs,
        settings=job.settings.as_text(),
    )


def _keep(
    output: OutputDirectory, started: RunStarted, found: Sequence[Scanned]
) -> None:
    """Journal the results, all in one commit."""
    journal = Journal(output.journal, started.run_id)
    try:
        journal.append(_entries(started, found))
    finally:
        journal.close()


def _entries(started: RunStarted, found: Sequence[Scanned]) -> list[JournalEntry]:
    transcript = Transcript(started)
    for one in found:
        transcript.at(one.received_ns)
        transcript.add(one)
    if not found:
        transcript.at(0)
    return transcript.take()


def _archive(
    _on_progress: Progress, directory: Path, run_id: str, journal: Path
) -> int:
    store = ClickHouse.open_embedded(directory)
    try:
        store.migrate()
        return archive(store, run_id, journal).blocks
    finally:
        store.close()
