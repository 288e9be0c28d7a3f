"""The frames of a live engine, run by run, while they are being recorded.

Books run on from segment to segment and from run to run. Where reading begins in the
middle, the segments before bring them to where they were: as many as it takes until
each book has come about.
"""

from collections import deque
from collections.abc import Iterable, Iterator, Sequence
from contextlib import suppress
from itertools import islice
from pathlib import Path
from threading import Event as Flag

import msgspec
import structlog

from connectors.binance.wire import decode
from connectors.certificate import read_certificate
from connectors.clickhouse import BlockWriter, TableRow
from connectors.journal import JournalReader, JournalRow
from connectors.recording import RecordingReader
from connectors.segments import GrowingSegment, Segments
from flows.domain.books import Books
from flows.domain.errors import RecordingError, StoreError
from flows.domain.frame import RawFrame
from flows.domain.run import RunStarted
from flows.domain.units import NS_PER_S
from flows.live import ACCOUNT_STREAM
from flows.market_rows import MarketRows
from flows.settings import Settings, load_kept


def source_of(segment: Path | str) -> str:
    """The name under which a segment's frames are loaded."""
    return f"frames/{Path(segment).name}"


HOLE_NS = 30 * NS_PER_S

_log = structlog.get_logger()


class Run:
    """A run in an engine's journal, and what is loaded of it."""

    def __init__(
        self, run_id: str, journal: JournalReader, writer: BlockWriter
    ) -> None:
        self.run_id = run_id
        self.writer = writer
        self._journal = journal
        self._first = self._first_of(run_id)
        self._next: str | None = None

    @property
    def begun_ns(self) -> int:
        """When it began."""
        return self._first.received_ns

    def has_loaded_before(self, first: RawFrame) -> bool:
        """Whether something is loaded of segments before that of a first frame."""
        return self.writer.has_loaded_before(source_of(first.origin))

    @property
    def next_run(self) -> str | None:
        """The run after it. Once there is one, this one is over, however it ended."""
        if self._next is None:
            self._next = self._journal.run_after(self.run_id)
        return self._next

    def holds(self, first: RawFrame) -> bool:
        """Whether a segment with this first frame is not that of a later run."""
        if self.next_run is not None:
            return first.received_ns < self._first_of(self.next_run).received_ns
        # a run that the journal does not know yet: it records before it journals
        is_begin = first.stream == ACCOUNT_STREAM
        return not is_begin or first.received_ns <= self._first.received_ns

    def loaded_lines(self, segment: Path) -> int:
        """How many lines of a segment are loaded."""
        return self.writer.next_number(source_of(segment))

    def is_loaded(self, segment: Path) -> bool:
        """Whether a segment is known to have ended, and all of it is loaded."""
        certificate = read_certificate(segment)
        if certificate is None or not certificate.is_final:
            return False
        return self.loaded_lines(segment) >= certificate.lines

    @property
    def settings(self) -> Settings:
        """The settings it traded with. Raises StoreError where they are not there."""
        try:
            started = msgspec.json.decode(self._first.body, type=RunStarted)
        except msgspec.DecodeError as error:
            msg = f"run {self.run_id}: journal entry 0 cannot be read: {error}"
            raise StoreError(msg) from error
        return load_kept(started.settings)

    def _first_of(self, run_id: str) -> JournalRow:
        [first] = self._journal.events(run_id, 0, 0)
        return first


class LiveRecording:
    """Reads each segment once, in order; the oldest may vanish at any time."""

    def __init__(self, segments: Segments, stop: Flag) -> None:
        self._segments = segments
        self._stop = stop
        self._settings = Settings()
        self._market = self._new_market()
        self._is_warm = False
        self._open: GrowingSegment | None = None
        self._passed = 0
        """Lines of the open segment that are loaded, and in the books already."""
        self._last = ""
        self._read_ns = 0
        """Time of the last frame that was read, or is loaded."""

    def use(self, settings: Settings) -> None:
        """Derive views with these settings from the next segment on."""
        if settings != self._settings:
            self._settings = settings
            self._is_warm = False

    def rows(self, run_id: str, frame: RawFrame) -> Iterator[TableRow]:
        """The rows of a frame that was read. Raises MarketDataError."""
        return self._market.rows(run_id, frame)

    def read(self, run: Run) -> Sequence[RawFrame]:
        """The run's next frames that are not loaded; none where there are none now.

        Raises RecordingError, also for a segment that holds less than is certified,
        and MarketDataError.
        """
        while not self._stop.is_set():
            segment = self._open or self._begin(run)
            if segment is None:
                break
            has_ended = self._has_ended(segment, run)  # asked before reading
            frames = segment.read()
            if frames:
                self._read_ns = frames[-1].received_ns
            if fresh := [frame for frame in frames if frame.line > self._passed]:
                return fresh
            if not frames and not has_ended:
                break
            if not frames:
                self._open = None
                segment.end()
        return ()

    def close(self) -> None:
        """Close the segment that is being read."""
        if self._open is not None:
            self._open.close()

    def _has_ended(self, segment: GrowingSegment, run: Run) -> bool:
        certificate = read_certificate(segment.path)
        is_final = certificate is not None and certificate.is_final
        if is_final or run.next_run is not None:
            return True
        return any(path > segment.path for path in self._segments.paths())

    def _begin(self, run: Run) -> GrowingSegment | None:
        """Open the run's next segment that is not loaded; None where there is none."""
        for path in self._segments.paths():
            first = self._segments.first_frame(path) if path.name > self._last else None
            if first is None:
                continue
            if not run.holds(first):
                return None
            self._last = path.name
            if run.is_loaded(path):
                self._read_ns = _last_of(path)
                continue
            self._look_for_hole(run, first)
            with suppress(FileNotFoundError):  # removed since it was listed
                return self._prepare(path, run)
        return None

    def _look_for_hole(self, run: Run, first: RawFrame) -> None:
        """Say so where a stretch of the run was never recorded, or was removed unread.

        Between runs nothing is recorded; within one, half a minute of nothing is long.
        """
        since_ns = max(self._read_ns, run.begun_ns)
        is_known = self._read_ns >= run.begun_ns or not run.has_loaded_before(first)
        if is_known and first.received_ns - since_ns > HOLE_NS:
            run.writer.loaded.holes += 1
            _log.warning("archive_hole", since_ns=since_ns, until_ns=first.received_ns)

    def _prepare(self, path: Path, run: Run) -> GrowingSegment:
        self._open = GrowingSegment(path)
        self._passed = 0
        if not self._is_warm:
            self._passed = run.loaded_lines(path)
            self._warm_up(path, run)
            self._is_warm = True
        return self._open

    def _warm_up(self, path: Path, run: Run) -> None:
        """Bring the books to where they were at the first line that is not loaded."""
        before = [other for other in self._segments.paths() if other < path]
        back = 1
        while True:
            self._market = self._new_market()
            for earlier in before[-back:]:
                self._feed(RecordingReader(earlier).readable_frames())
            head = RecordingReader(path).readable_frames()
            self._feed(islice(head, self._passed))
            if not self._market.waiting or back >= len(before):
                break
            back *= 2
        oldest = before[0] if before else path
        if self._market.waiting and run.writer.has_loaded_before(source_of(oldest)):
            # what these books wait with may be loaded: they had a past that is gone
            self._market.forget(self._market.waiting)

    def _new_market(self) -> MarketRows:
        settings = self._settings
        books = Books(
            depth=settings.imbalance_depth, stale_after_ms=settings.stale_after_ms
        )
        return MarketRows(decode, books, settings.zone_rule)

    def _feed(self, frames: Iterable[RawFrame]) -> None:
        with suppress(RecordingError):  # removed since it was listed
            for frame in frames:
                if self._stop.is_set():
                    return
                deque(self._market.rows("", frame), maxlen=0)


def _last_of(segment: Path) -> int:
    """Time of a certified segment's last frame."""
    certificate = read_certificate(segment)
    return certificate.last_ns if certificate is not None else 0
