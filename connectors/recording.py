"""Recordings: raw frames as compressed JSON lines, read and written.

A line is `{"ts": <receive time, ns>, "stream": "<name>", "data": <payload>}`, with the
payload's bytes as received; a payload that is not one line of valid JSON stands as
`"raw": "<base64>"` instead of `data`.
"""

import base64
import gzip
import heapq
import zlib
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import IO, Annotated, Self

import msgspec
import zstandard

from connectors.certificate import read_certificate
from connectors.files import whole_file
from flows.domain.errors import RecordingError
from flows.domain.frame import RawFrame
from flows.domain.units import NS_PER_S

CLOCK_STREAM = "@clock"
_GZIP_MAGIC = b"\x1f\x8b"
_ZSTD_MAGIC = b"\x28\xb5\x2f\xfd"
_MAX_SILENCE_NS = 3_600 * NS_PER_S

Progress = Callable[[int], None]
"""Told how many (compressed) bytes have been read since the last call."""


_ABSENT = msgspec.Raw(b"")


class _Line(msgspec.Struct, gc=False):
    ts: Annotated[int, msgspec.Meta(ge=0, le=2**63 - 1)]
    stream: str
    data: msgspec.Raw = _ABSENT
    raw: str | None = None


_decode_line = msgspec.json.Decoder(_Line).decode


class RecordingReader:
    """Reads one recording, gzip, zstd or plain, in line order.

    Raises RecordingError with file and line for anything that is not a whole, readable
    recording; an empty file is no recording.
    """

    def __init__(self, path: Path, on_progress: Progress | None = None) -> None:
        self._path = path
        self._on_progress = on_progress
        self._line = 0

    def frames(self) -> Iterator[RawFrame]:
        """Every frame of the recording.

        Of one whose certificate says that it is incomplete, the readable part.
        """
        certificate = read_certificate(self._path)
        if certificate is None or certificate.complete:
            return self._whole()
        return self.readable_frames()

    def readable_frames(self) -> Iterator[RawFrame]:
        """The frames before the first damage, which is taken for the end.

        Raises RecordingError where the file cannot be opened at all.
        """
        try:
            self._path.open("rb").close()
        except OSError as error:
            msg = f"{self._path}: cannot be read: {_reason(error)}"
            raise RecordingError(msg) from error
        with suppress(RecordingError):
            yield from self._whole()

    def _whole(self) -> Iterator[RawFrame]:
        self._line = 0
        try:
            with self._path.open("rb") as file:
                yield from self._frames(file)
        except (OSError, EOFError, zlib.error, zstandard.ZstdError) as error:
            place = f"{self._path}:{self._line + 1}" if self._line else str(self._path)
            msg = f"{place}: cannot be read: {_reason(error)}"
            raise RecordingError(msg) from error

    def _frames(self, file: IO[bytes]) -> Iterator[RawFrame]:
        origin = str(self._path)
        reported = 0
        for line in _decompressed(file):
            self._line += 1
            yield to_frame(line, origin, self._line)
            if self._on_progress and self._line % 1_024 == 0:
                position = file.tell()
                self._on_progress(position - reported)
                reported = position
        if not self._line:
            msg = f"{origin}: the recording is empty"
            raise RecordingError(msg)
        if self._on_progress:
            self._on_progress(file.tell() - reported)


def to_frame(line: bytes, origin: str, number: int) -> RawFrame:
    """The frame in a line of a recording. Raises RecordingError."""
    try:
        wire = _decode_line(line)
        payload = _payload(wire)
    except (msgspec.DecodeError, ValueError, RecursionError) as error:
        msg = f"{origin}:{number}: not a recorded frame: {error}"
        raise RecordingError(msg) from error
    return RawFrame(wire.ts, wire.stream, payload, origin, number)


def _payload(wire: _Line) -> bytes:
    if wire.raw is None and wire.data is not _ABSENT:
        return bytes(wire.data)
    if wire.raw is not None and wire.data is _ABSENT:
        return base64.b64decode(wire.raw, validate=True)
    msg = "expected either `data` or `raw`"
    raise msgspec.DecodeError(msg)


def _decompressed(file: IO[bytes]) -> Iterable[bytes]:
    magic = file.read(4)
    file.seek(0)
    if magic.startswith(_GZIP_MAGIC):
        return gzip.GzipFile(fileobj=file)
    if magic == _ZSTD_MAGIC:
        return _zstd_lines(file)
    return file


class ZstdLines:
    """Lines of concatenated zstd frames, from bytes as they come."""

    def __init__(self) -> None:
        self.rest = b""
        """What follows the last newline."""
        self._decompressor = zstandard.ZstdDecompressor().decompressobj()

    @property
    def is_whole(self) -> bool:
        """Whether the last zstd frame has come to its end."""
        return self._decompressor.eof

    def feed(self, chunk: bytes) -> Iterator[bytes]:
        """The lines that `chunk` completes. Raises zstandard.ZstdError."""
        while chunk:
            if self._decompressor.eof:
                self._decompressor = zstandard.ZstdDecompressor().decompressobj()
            text = self.rest + self._decompressor.decompress(chunk)
            *lines, self.rest = text.split(b"\n")
            yield from lines
            chunk = self._decompressor.unused_data


def _zstd_lines(file: IO[bytes]) -> Iterator[bytes]:
    """Lines of a zstd file; a cut-off last frame is an error."""
    lines = ZstdLines()
    for chunk in iter(lambda: file.read(1 << 16), b""):
        yield from lines.feed(chunk)
    if not lines.is_whole:
        msg = "Compressed file ended before the end-of-stream marker was reached"
        raise EOFError(msg)
    if lines.rest:
        yield lines.rest


def _reason(error: BaseException) -> str:
    if isinstance(error, OSError) and error.strerror:
        return error.strerror
    return str(error) or type(error).__name__


def merged_frames(
    paths: Iterable[Path], on_progress: Progress | None = None
) -> Iterator[RawFrame]:
    """Frames of several recordings in one order, with a clock.

    Ordered by (time, position in `paths`, line); inside a recording line order stands,
    and a time that runs backwards is taken as the latest before it. Where no recorded
    `@clock` frame has been seen yet, one is made at each whole second, before the first
    frame at or after it (in a silence of more than an hour, for its first hour).
    """
    recordings = [RecordingReader(path, on_progress).frames() for path in paths]
    merged = heapq.merge(*recordings, key=lambda frame: frame.received_ns)
    return with_clock(_monotonic(merged))


def _monotonic(frames: Iterable[RawFrame]) -> Iterator[RawFrame]:
    latest = 0
    for frame in frames:
        if frame.received_ns < latest:
            yield msgspec.structs.replace(frame, received_ns=latest)
        else:
            latest = frame.received_ns
            yield frame


def with_clock(frames: Iterable[RawFrame]) -> Iterator[RawFrame]:
    """`frames` with a `@clock` tick at each whole second, if they have none."""
    due_ns: int | None = None
    left = iter(frames)
    for frame in left:
        if frame.stream == CLOCK_STREAM:
            yield frame
            yield from left
            return
        now_ns = frame.received_ns
        if due_ns is None:
            due_ns = -(-now_ns // NS_PER_S) * NS_PER_S
        end_ns = min(now_ns + 1, due_ns + _MAX_SILENCE_NS)
        for tick_ns in range(due_ns, end_ns, NS_PER_S):
            yield RawFrame(tick_ns, CLOCK_STREAM, b"{}")
        due_ns = (now_ns // NS_PER_S + 1) * NS_PER_S
        yield frame


def to_line(frame: RawFrame) -> bytes:
    """The frame as a line of a recording, its newline included."""
    stream = msgspec.json.encode(frame.stream)
    if _is_one_line_of_json(frame.payload):
        field, payload = b"data", frame.payload
    else:
        field, payload = b"raw", b'"%b"' % base64.b64encode(frame.payload)
    return b'{"ts":%d,"stream":%b,"%b":%b}\n' % (
        frame.received_ns,
        stream,
        field,
        payload,
    )


def _is_one_line_of_json(payload: bytes) -> bool:
    try:
        value = msgspec.json.decode(payload, type=msgspec.Raw)
    except (msgspec.DecodeError, RecursionError):
        return False
    return bytes(value) == payload and b"\n" not in payload  # no space around it


class RecordingWriter:
    """Writes a recording as gzip, whole or not at all (`create`)."""

    def __init__(self, path: Path, file: gzip.GzipFile) -> None:
        self._path = path
        self._file = file

    @classmethod
    @contextmanager
    def create(cls, path: Path) -> Iterator[Self]:
        """A writer of a file that takes its name when the block ends without an error.

        Raises RecordingError where it cannot be written.
        """
        try:
            with (
                whole_file(path) as whole,
                gzip.GzipFile(filename="", fileobj=whole, mode="wb", mtime=0) as file,
            ):
                yield cls(path, file)
        except OSError as error:
            raise _unwritable(path, error) from error

    def write(self, frame: RawFrame) -> None:
        """Append a frame. Raises RecordingError."""
        try:
            self._file.write(to_line(frame))
        except OSError as error:
            raise _unwritable(self._path, error) from error


def _unwritable(path: Path, error: OSError) -> RecordingError:
    return RecordingError(f"{path}: cannot be written: {_reason(error)}")
