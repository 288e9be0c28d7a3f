"""The recorder: every frame to disk, in segments that each replay alone.

The thread of the dataflow turns frames into lines; one background thread compresses and
syncs them, so that no decision waits for a disk. Each half second becomes a zstd frame
of its own with a checksum: a kill loses at most the last second. A segment ends after
`segment_s` or `segment_bytes`. With `max_bytes` a directory holds no more than that: a
segment is at most an eighth of it, and the oldest finished ones go before the next.
"""

import hashlib
import os
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from pathlib import Path
from queue import SimpleQueue
from threading import Lock, Thread
from typing import IO, Self, TypeAlias, TypeVar

import zstandard

from connectors.certificate import (
    LOCK,
    UNFINISHED,
    Certificate,
    SegmentTally,
    certificate_path,
    digest_of,
    read_certificate,
    tally_of,
    write_certificate,
)
from connectors.files import sync_directory
from connectors.lock import lock_directory
from connectors.recording import RecordingReader, to_line
from flows.domain.errors import RecordingError
from flows.domain.frame import RawFrame
from flows.domain.units import NS_PER_MS, NS_PER_S

SEGMENT_SUFFIX = ".jsonl.zst"
WAITING_LIMIT = 128 * 1_024 * 1_024
"""Bytes of lines that may wait for the disk. Beyond it the recording ends with an
error: a frame is never left out in silence."""

_FLUSH_NS = 500 * NS_PER_MS
_FLUSH_BYTES = 8 * 1_024 * 1_024
_LEVEL = 3
_SHARE_OF_SEGMENT = 8
"""A segment is at most this part of what the directory may hold."""

_X = TypeVar("_X")


class Recorder:
    """Records frames into a directory, for one process at a time.

    `record` never waits and never raises: what ended the recording stands in `error`.
    Raises ConfigurationError where the directory cannot be used or another recorder
    uses it.
    """

    def __init__(
        self,
        directory: Path,
        *,
        max_bytes: int | None = None,
        segment_s: int = 3_600,
        segment_bytes: int = 1 << 30,
    ) -> None:
        self.segment = 0
        """Number of the present segment; a new one wants a snapshot of each symbol."""
        self._directory = directory
        self._lock = lock_directory(
            directory,
            LOCK,
            use="for recordings",
            refusal="another recorder is writing here",
        )
        self._segment_ns = segment_s * NS_PER_S
        most = segment_bytes if max_bytes is None else max_bytes // _SHARE_OF_SEGMENT
        self._segment_bytes = min(segment_bytes, most)
        self._lines: list[bytes] = []
        self._buffered = 0
        self._tally = SegmentTally()
        self._flushed_ns = 0
        self._writer = _Writer(directory, max_bytes, self._segment_bytes)
        self._writer.certify_unfinished()
        self._writer.start()

    @property
    def error(self) -> RecordingError | None:
        """Why nothing more can be recorded."""
        return self._writer.error

    @property
    def waiting_bytes(self) -> int:
        """Of lines that are not on the disk yet."""
        return self._buffered + self._writer.waiting_bytes

    def record(self, frames: Sequence[RawFrame]) -> None:
        """Take frames, in order."""
        lines, tally = self._lines, self._tally
        for frame in frames:
            line = to_line(frame)
            lines.append(line)
            self._buffered += len(line)
            tally.add(frame)
        now_ns = tally.last_ns
        if now_ns - self._flushed_ns >= _FLUSH_NS or self._buffered >= _FLUSH_BYTES:
            self._hand_over()
        is_long = now_ns - tally.first_ns >= self._segment_ns
        has_begun = (
            self._writer.ended == self.segment
        )  # else its size is the last one's
        is_big = has_begun and self._writer.segment_bytes >= self._segment_bytes
        if is_long or is_big:
            self._hand_over()
            self._end_segment()

    def flush(self) -> None:
        """Wait until everything taken so far is on the disk. Raises RecordingError."""
        self._hand_over()
        self._writer.wait()
        if self.error is not None:
            raise self.error

    def close(self) -> None:
        """End the segment with its certificate, and let others use the directory."""
        self._hand_over()
        self._end_segment()
        self._writer.stop()
        (self._directory / LOCK).unlink(missing_ok=True)
        self._lock.close()

    def __enter__(self) -> Self:
        """The recorder itself."""
        return self

    def __exit__(self, *_: object) -> None:
        """Close it."""
        self.close()

    def _hand_over(self) -> None:
        if self._lines:
            self._flushed_ns = self._tally.last_ns
            self._writer.write(self._tally.first_ns, b"".join(self._lines))
            self._lines.clear()
            self._buffered = 0

    def _end_segment(self) -> None:
        if self._tally.lines:
            self._writer.end(self._tally)
            self._tally = SegmentTally()
            self.segment += 1


class _Writer(Thread):
    """Compresses, writes and syncs what it is given, one thing after the other."""

    def __init__(
        self, directory: Path, max_bytes: int | None, segment_bytes: int
    ) -> None:
        super().__init__(name="recorder", daemon=True)
        self.error: RecordingError | None = None
        self.segment_bytes = 0
        """Of the present segment, or of the one before until `ended` counts it."""
        self.ended = 0
        """Segments that are ended."""
        self._directory = directory
        self._room = None if max_bytes is None else max_bytes - segment_bytes
        """What finished segments may use beside the one that is being written."""
        self._orders: SimpleQueue[_Order | None] = SimpleQueue()
        self._taken = 0
        """Bytes that were handed over; the recorder's count."""
        self._done = 0
        """Bytes that are not waiting any more; the thread's count."""
        self._has_failed = False
        self._file: IO[bytes] | None = None
        self._path = directory
        self._digest = hashlib.sha256()
        self._compressor = zstandard.ZstdCompressor(level=_LEVEL, write_checksum=True)

    # -- called by the recorder -------------------------------------------------------

    @property
    def waiting_bytes(self) -> int:
        """Handed over, and not on the disk yet."""
        return self._taken - self._done

    def write(self, first_ns: int, lines: bytes) -> None:
        """Put lines into the segment whose first frame came at `first_ns`."""
        if self.error is not None:
            return  # the recording has ended, and says so
        if self.waiting_bytes + len(lines) > WAITING_LIMIT:
            self.error = _failure(self._path, "the disk is too slow for the market")
            self._orders.put(self.error)  # behind all that was taken
            return
        self._taken += len(lines)
        self._orders.put((first_ns, lines))

    def end(self, tally: SegmentTally) -> None:
        """End the segment."""
        self._orders.put(tally)

    def wait(self) -> None:
        """Return when everything before is done."""
        if self.is_alive():
            done = Lock()
            done.acquire()
            self._orders.put(done)
            done.acquire()

    def stop(self) -> None:
        """Do what is left, and end."""
        self._orders.put(None)
        self.join()

    def certify_unfinished(self) -> None:
        """Say of segments that a killed recorder left how much of them is readable."""
        for path in sorted(self._directory.glob("*" + SEGMENT_SUFFIX)):
            certificate = read_certificate(path)
            if certificate is None or certificate.reason == UNFINISHED:
                self._certify(path)

    # -- the thread -------------------------------------------------------------------

    def run(self) -> None:
        """Carry out orders until told to stop."""
        while (order := self._orders.get()) is not None:
            if isinstance(order, SegmentTally):
                self._guard(self._end, order)
            elif isinstance(order, tuple):
                self._guard(self._write, order)
                self._done += len(order[1])
            elif isinstance(order, RecordingError):
                self._certify_failure()
            else:
                order.release()

    def _guard(self, step: Callable[[_X], None], order: _X) -> None:
        if self._has_failed:
            return
        try:
            step(order)
        except (OSError, zstandard.ZstdError) as error:
            self._has_failed = True
            reason = getattr(error, "strerror", None) or str(error)
            self.error = self.error or _failure(self._path, reason)
            self._certify_failure()

    def _write(self, order: tuple[int, bytes]) -> None:
        first_ns, lines = order
        file = self._file or self._begin(first_ns)
        data = self._compressor.compress(lines)
        file.write(data)
        file.flush()
        os.fsync(file.fileno())
        self._digest.update(data)
        self.segment_bytes += len(data)

    def _begin(self, first_ns: int) -> IO[bytes]:
        self._path = self._directory / segment_name(first_ns)
        write_certificate(
            self._path, Certificate(self._path.name, complete=False, reason=UNFINISHED)
        )
        self._file = self._path.open("xb")
        self._digest = hashlib.sha256()
        sync_directory(self._directory)
        return self._file

    def _end(self, tally: SegmentTally) -> None:
        if self._file is None:
            return
        self._file.close()
        self._file = None
        certificate = tally.certificate(self._path.name, complete=True, reason="")
        certificate.bytes = self.segment_bytes
        certificate.sha256 = self._digest.hexdigest()
        write_certificate(self._path, certificate)
        self.segment_bytes = 0
        self.ended += 1
        self._make_room()

    def _certify(self, path: Path) -> None:
        tally = tally_of(RecordingReader(path).readable_frames())
        reason = f"its recorder was killed; {tally.lines} lines are readable"
        certificate = tally.certificate(path.name, complete=False, reason=reason)
        certificate.bytes = path.stat().st_size
        certificate.sha256 = digest_of(path)
        write_certificate(path, certificate)

    def _certify_failure(self) -> None:
        """As far as a full disk lets anything be written."""
        self._has_failed = True
        if self._file is None:
            return
        with suppress(OSError):
            self._file.close()
        with suppress(OSError):
            certificate = Certificate(
                self._path.name, complete=False, reason=str(self.error)
            )
            write_certificate(self._path, certificate)

    def _make_room(self) -> None:
        """Remove the oldest finished segments until there is room for the next one."""
        if self._room is None:
            return
        segments = sorted(self._directory.glob("*" + SEGMENT_SUFFIX))
        sizes = {path: path.stat().st_size for path in segments}
        total = sum(sizes.values())
        for path in segments[:-1]:
            if total <= self._room:
                return
            path.unlink()
            certificate_path(path).unlink(missing_ok=True)
            total -= sizes[path]


_Order: TypeAlias = "tuple[int, bytes] | SegmentTally | RecordingError | Lock"


def _failure(path: Path, reason: str) -> RecordingError:
    return RecordingError(f"{path}: cannot be written: {reason}")


def segment_name(first_ns: int) -> str:
    """The name of a segment, by the UTC time of its first frame; names sort by time."""
    second, rest = divmod(first_ns, NS_PER_S)
    stamp = time.strftime("%Y%m%dT%H%M%S", time.gmtime(second))
    return f"{stamp}.{rest:09}Z{SEGMENT_SUFFIX}"
