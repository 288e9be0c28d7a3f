"""Replay: recordings through the trading flow, then the archive flow, to a report."""

import hashlib
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

import msgspec
import structlog

from connectors.binance.exchange_info import read_exchange_info
from connectors.binance.wire import decode
from connectors.certificate import read_certificate, verified_digest
from connectors.journal import Journal, JournalReader, JournalSink, held_runs
from connectors.output import REPORT, OutputDirectory
from connectors.recording import merged_frames
from connectors.replay import ReplaySource
from connectors.views_csv import ViewsCsvSink
from flows import child
from flows.archive import Archived, archive_replay
from flows.domain.errors import MarketDataError, RecordingError
from flows.domain.fault import Fault
from flows.domain.instrument import Instrument, Instruments
from flows.domain.run import JournalEntry, Journalled, RunStarted
from flows.report import CSV_FILES, Json, Tally, build_report
from flows.run import run
from flows.settings import Settings
from flows.trading import Engine, build_engine, build_trading_flow

_log = structlog.get_logger()

_CHUNK = 10_000
_ARCHIVE_BLOCK = 5_000

Progress = Callable[[str, int], None]
"""Told the stage (`replay`, `archive`) and how many bytes or rows more are done."""


@dataclass(frozen=True)
class ReplayJob:
    """What to replay, how, and where the result goes."""

    recordings: Sequence[Path]
    out: Path
    settings: Settings
    instruments: Path | None = None
    with_views: bool = False


def replay(job: ReplayJob, on_progress: Progress = lambda _stage, _more: None) -> Json:
    """Run a job to its report. Raises the TradingError that prevents it.

    Running it again on the same `out` resumes it: the journal keeps what it holds and
    refuses to differ. Input that cannot be replayed leaves nothing behind.
    """
    started = _started(job)
    given = read_exchange_info(job.instruments) if job.instruments else {}
    output = OutputDirectory(job.out, started.run_id, held_runs)
    _log.info("replay_started", run_id=started.run_id, out=str(job.out))
    try:
        return _replay(job, started, given, output, on_progress)
    except (MarketDataError, RecordingError):
        output.discard()
        raise
    finally:
        output.release()


def _started(job: ReplayJob) -> RunStarted:
    inputs = {
        f"{number}:{_name(path)}": verified_digest(path)
        for number, path in enumerate(job.recordings, start=1)
    }
    if job.instruments is not None:
        inputs[f"instruments:{_name(job.instruments)}"] = verified_digest(
            job.instruments
        )
    settings = job.settings.as_text()
    identity = msgspec.json.encode([list(inputs.items()), settings], order="sorted")
    return RunStarted(
        received_ns=0,
        symbol="",
        run_id=hashlib.sha256(identity).hexdigest()[:16],
        mode="replay",
        inputs=inputs,
        settings=settings,
    )


def _name(path: Path) -> str:
    """The file's name as text, also where it is no UTF-8."""
    return path.name.encode("utf-8", "backslashreplace").decode()


def _warnings(recordings: Sequence[Path]) -> Iterator[str]:
    for path in recordings:
        certificate = read_certificate(path)
        if certificate is not None and not certificate.complete:
            reason = certificate.reason
            yield f"{path}: incomplete ({reason}); its readable part was replayed"


def _replay(
    job: ReplayJob,
    started: RunStarted,
    given: Mapping[str, Instrument],
    output: OutputDirectory,
    on_progress: Progress,
) -> Json:
    engine = build_engine(job.settings, started, Instruments(given))
    begun = time.perf_counter()
    _trade(job, engine, started.run_id, output, on_progress)
    elapsed_s = time.perf_counter() - begun
    _log.info("replay_traded", seconds=round(elapsed_s, 3))
    archived = child.call(
        _archive,
        lambda more: on_progress("archive", more),
        output.clickhouse,
        started.run_id,
        output.journal,
        job,
    )
    _log.info("replay_archived", blocks=archived.blocks)
    tally = _tally(output.journal, started.run_id)
    for name, header, rows in CSV_FILES:
        output.write_csv(name, header, rows(tally))
    report = build_report(started.run_id, job.settings, engine, tally, elapsed_s)
    report["unrepresentable"] = {**archived.unrepresentable}
    report["warnings"] = [*_warnings(job.recordings)]
    with output.file(REPORT) as file:
        file.write(msgspec.json.format(msgspec.json.encode(report)).decode() + "\n")
    _log.info("replay_finished", run_id=started.run_id)
    return report


def _trade(
    job: ReplayJob,
    engine: Engine,
    run_id: str,
    output: OutputDirectory,
    on_progress: Progress,
) -> None:
    """Run the trading flow over the recordings into the journal."""
    fault = Fault()
    frames = merged_frames(job.recordings, lambda more: on_progress("replay", more))
    with ExitStack() as stack:
        journal = Journal(output.journal, run_id)
        stack.callback(journal.close)
        views = None
        if job.with_views:
            views = ViewsCsvSink(stack.enter_context(output.file("views.csv")), fault)
        source = ReplaySource(frames, batch_size=job.settings.batch_size, fault=fault)
        sink = JournalSink(journal, fault)
        run(build_trading_flow(source, decode, engine, sink, fault, views=views), fault)


def _archive(
    on_progress: Callable[[int], None],
    directory: Path,
    run_id: str,
    journal: Path,
    job: ReplayJob,
) -> Archived:
    return archive_replay(
        directory,
        run_id,
        journal,
        recordings=job.recordings,
        settings=job.settings,
        on_progress=on_progress,
        block_size=_ARCHIVE_BLOCK,
    )


def _tally(journal: Path, run_id: str) -> Tally:
    tally = Tally()
    decoder = msgspec.json.Decoder(Journalled)
    reader = JournalReader(journal)
    try:
        last = reader.last_sequence(run_id)
        for first in range(0, last + 1, _CHUNK):
            for row in reader.events(run_id, first, first + _CHUNK - 1):
                tally.add(JournalEntry(row.sequence, decoder.decode(row.body)))
    finally:
        reader.close()
    return tally
