"""`mft archive`: a live engine's journal and recording into ClickHouse, as they grow.

    journal -> journal_rows ─┐
    frames -> frame_rows ────┴─> rows -> archive

One flow a run of the engine. A run is over once there is another one, so that a killed
engine holds nothing up. Step names are part of stored state: a test pins them.
"""

from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, closing, contextmanager
from dataclasses import dataclass
from datetime import timedelta
from functools import partial
from pathlib import Path
from threading import Event as Flag
from typing import TypeVar

import bytewax.operators as op
import structlog
from bytewax.dataflow import Dataflow
from bytewax.inputs import Source
from bytewax.outputs import Sink

from connectors.clickhouse import (
    BlockSink,
    BlockWriter,
    CaughtUp,
    ClickHouse,
    Item,
    JournalRows,
    Loaded,
    Numbered,
    QueryServer,
    TableRow,
    reader_token,
)
from connectors.journal import JournalReader, JournalRow
from connectors.output import ArchivedDirectory
from connectors.segments import Segments
from connectors.tail import Read, TailSource
from flows.archive import is_last, journal_items
from flows.domain.errors import ConfigurationError, StoreError, StoreUnreachable
from flows.domain.fault import Fault
from flows.domain.frame import RawFrame
from flows.live_recording import LiveRecording, Run, source_of
from flows.operators.keyed import keyed
from flows.run import run as run_flow
from flows.run import stop_signals
from flows.scan_journals import ScanJournals

BLOCK_SIZE = 5_000
"""Journal entries or frames in a block; what a crash costs to send again."""

_AGAIN_S = 5

_KEY = "archive"

X = TypeVar("X")

_log = structlog.get_logger()


@dataclass(frozen=True)
class ArchiveJob:
    """What to load, and where to."""

    data: Path
    """Directory of a live engine."""
    url: str | None = None
    """A ClickHouse server; None: the embedded store in `data`."""
    is_once: bool = False
    """Load what is there and end; else go on until a signal."""
    port: int | None = None
    """Where readers may ask the embedded store meanwhile; 0: at a free port."""


class FrameItems:
    """Frames as items of their segment; None where the recording has caught up."""

    def __init__(self, rows_of: Callable[[RawFrame], Iterator[TableRow]]) -> None:
        self._rows_of = rows_of
        self._source = ""

    def __call__(self, frames: Sequence[RawFrame | None]) -> Iterator[Item]:
        """Items in order. Raises MarketDataError."""
        for frame in frames:
            source = self._source if frame is None else source_of(frame.origin)
            if frame is None or source != self._source:
                yield CaughtUp(self._source)  # of the segment before there is no more
                self._source = source
            if frame is not None:
                rows = tuple(self._rows_of(frame))
                yield Numbered(source, frame.line - 1, frame.received_ns, rows)


def build_live_archive_flow(
    run_id: str,
    journal: Source[JournalRow | None],
    frames: Source[RawFrame | None],
    frame_items: FrameItems,
    *,
    sink: Sink[tuple[str, Item]],
    fault: Fault,
) -> Dataflow:
    """Wire the flow of one run."""
    flow = Dataflow("live_archive")
    entries = op.input("journal", flow, journal)
    entry_items = partial(journal_items, JournalRows(run_id))
    rows = op.merge(
        "rows",
        keyed("journal_rows", entries, _KEY, entry_items, fault),
        keyed("frame_rows", op.input("frames", flow, frames), _KEY, frame_items, fault),
    )
    op.output("archive", rows, sink)
    return flow


def archive_live(
    job: ArchiveJob, on_status: Callable[[Loaded], None] = lambda _loaded: None
) -> Loaded:
    """Load a live engine's journal and recording; what was loaded.

    Followed, it ends with SIGINT or SIGTERM, tells `on_status` about once a second, and
    waits for a server that does not answer. Raises the TradingError that ended it
    early; running it again resumes it.
    """
    if job.url is not None and job.port is not None:
        raise ConfigurationError("Expected --url or --serve: a server answers itself")
    stop, loaded = Flag(), Loaded()
    with stop_signals(lambda _number: stop.set()), ExitStack() as stack:
        data = ArchivedDirectory(job.data)
        stack.callback(data.release)
        while True:
            try:
                with closing(_open(job, data)) as store, _answering(job, data):
                    LiveArchive(
                        store,
                        data,
                        is_once=job.is_once,
                        on_status=on_status,
                        stop=stop,
                        loaded=loaded,
                    ).run()
                break
            except StoreUnreachable as error:
                if job.is_once:
                    raise
                _log.warning("archive_waits", reason=str(error))
                if stop.wait(_AGAIN_S):
                    break
    _log.info("archive_ended", blocks=loaded.blocks)
    return loaded


def _open(job: ArchiveJob, data: ArchivedDirectory) -> ClickHouse:
    """The store, its schema up to date."""
    if job.url is None:
        store = ClickHouse.open_embedded(data.clickhouse)
    else:
        store = ClickHouse.open_url(job.url)
    try:
        store.migrate()
    except StoreError:
        store.close()
        raise
    return store


@contextmanager
def _answering(job: ArchiveJob, data: ArchivedDirectory) -> Iterator[None]:
    """Answer readers meanwhile; where, stands in the directory."""
    if job.port is None:
        yield
        return
    server = QueryServer(data.clickhouse, reader_token(data.token))
    url = server.open(job.port)
    try:
        data.url.write_text(url + "\n")
        _log.info("archive_answers", url=url)
        yield
    except OSError as error:
        msg = f"{data.url}: cannot be written: {error.strerror}"
        raise StoreError(msg) from error
    finally:
        data.url.unlink(missing_ok=True)
        server.close()


class LiveArchive:
    """Loads run after run into a migrated store."""

    def __init__(
        self,
        store: ClickHouse,
        data: ArchivedDirectory,
        *,
        is_once: bool,
        on_status: Callable[[Loaded], None],
        stop: Flag,
        loaded: Loaded,
        poll: timedelta = timedelta(seconds=1),
        block_size: int = BLOCK_SIZE,
    ) -> None:
        self.loaded = loaded
        self._store = store
        self._data = data
        self._is_once = is_once
        self._on_status = on_status
        self._poll = poll
        self._block_size = block_size
        self._stop = stop
        self._recording = LiveRecording(Segments(data.recording), stop)
        self._scans = ScanJournals(store, data.scans, loaded)

    def run(self) -> None:
        """Load until there is no more, or until told to stop."""
        with ExitStack() as stack:
            stack.callback(self._recording.close)
            path = self._data.journal
            while not path.exists():
                if self._is_done():
                    return
            journal = JournalReader(path)
            stack.callback(journal.close)
            run_id = ""
            while not self._stop.is_set():
                after = journal.run_after(run_id)
                if after is not None:
                    run_id = after
                    self._load(run_id, journal)
                elif self._is_done():
                    break

    def _is_done(self) -> bool:
        """With nothing to load: whether to end; waits a while to find out."""
        self._scans.load()
        return self._is_once or self._stop.wait(self._poll.total_seconds())

    def _load(self, run_id: str, journal: JournalReader) -> None:
        """Load a run to its end, or until told to stop."""
        _log.info("archive_run", run_id=run_id)
        fault = Fault()
        writer = BlockWriter(
            self._store, run_id, block_size=self._block_size, loaded=self.loaded
        )
        run = Run(run_id, journal, writer)
        self._recording.use(run.settings)
        read_entries = journal.reading(run_id, writer.next_number("journal"))

        def is_over() -> bool:
            self._on_status(self.loaded)
            self._scans.load()
            return self._stop.is_set() or run.next_run is not None

        def follow(read: Read[X], is_end: Callable[[X], bool]) -> TailSource[X]:
            until = None if self._is_once else is_over
            return TailSource(read, is_end, fault, until=until, poll=self._poll)

        flow = build_live_archive_flow(
            run_id,
            follow(lambda: [] if self._stop.is_set() else read_entries(), is_last),
            follow(lambda: self._recording.read(run), lambda _frame: False),
            FrameItems(partial(self._recording.rows, run_id)),
            sink=BlockSink(writer, fault),
            fault=fault,
        )
        run_flow(flow, fault, on_signal=lambda _number: self._stop.set())
