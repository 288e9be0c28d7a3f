"""A directory of segments, read while its recorder writes, ends and removes them."""

from collections.abc import Iterator
from pathlib import Path

import zstandard

from connectors.certificate import read_certificate
from connectors.recording import RecordingReader, ZstdLines, to_frame
from flows.domain.errors import RecordingError
from flows.domain.frame import RawFrame

_CHUNK = 1 << 16


class Segments:
    """The segments of a directory, in order of time."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory
        self._first: dict[Path, RawFrame] = {}

    def paths(self) -> list[Path]:
        """Every segment that is there now."""
        found = sorted(self._directory.glob("*.jsonl.zst"))
        for gone in self._first.keys() - set(found):
            del self._first[gone]
        return found

    def first_frame(self, segment: Path) -> RawFrame | None:
        """The first frame of a segment; None where there is none, or none any more."""
        known = self._first.get(segment)
        if known is None:
            try:
                known = next(RecordingReader(segment).readable_frames(), None)
            except RecordingError:  # removed since it was listed
                return None
            if known is not None:
                self._first[segment] = known
        return known


class GrowingSegment:
    """Reads one segment as it grows; each frame once, in line order.

    Raises FileNotFoundError where it is gone, and RecordingError.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._origin = str(path)
        self._count = 0
        self._lines = ZstdLines()
        self._damage = ""
        try:
            self._file = path.open("rb")
        except FileNotFoundError:
            raise
        except OSError as error:
            msg = f"{path}: cannot be read: {error.strerror}"
            raise RecordingError(msg) from error

    def read(self) -> list[RawFrame]:
        """The next frames; none at its present end, and none behind damage."""
        frames: list[RawFrame] = []
        try:
            while not (frames or self._damage) and (chunk := self._file.read(_CHUNK)):
                frames.extend(self._frames(chunk))
        except (OSError, zstandard.ZstdError, RecordingError) as error:
            self._damage = str(error)
        return frames

    def close(self) -> None:
        """Close the file."""
        self._file.close()

    def end(self) -> None:
        """Close it. Raises RecordingError where its certificate promised more."""
        self.close()
        certificate = read_certificate(self.path)
        if certificate is None or not certificate.complete:
            return
        if self._count != certificate.lines:
            msg = (
                f"{self.path}: Expected {certificate.lines} lines as certified, was "
                f"{self._count} {self._damage}".rstrip()
            )
            raise RecordingError(msg)

    def _frames(self, chunk: bytes) -> Iterator[RawFrame]:
        for line in self._lines.feed(chunk):
            frame = to_frame(line, self._origin, self._count + 1)
            self._count += 1
            yield frame
