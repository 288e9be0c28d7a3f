"""What a segment of a recording holds, said by its recorder and checked by anybody.

Beside `<segment>.jsonl.zst` stands `<segment>.jsonl.zst.certificate.json`. It says
`complete: false` from the first byte on and is replaced when the segment has ended, so
that a recorder that was killed leaves the truth behind.
"""

import hashlib
from collections.abc import Iterable
from pathlib import Path

import msgspec

from connectors.files import whole_file
from flows.domain.errors import RecordingError
from flows.domain.frame import RawFrame
from flows.domain.sequence import Sequence, Verdict

LOCK = ".lock"
"""The file that a recorder holds locked in its directory."""
SUFFIX = ".certificate.json"
UNFINISHED = "its recorder is still writing, or was killed"


class SymbolRecord(msgspec.Struct):
    """One symbol's share of a segment."""

    frames: int = 0
    depth_events: int = 0
    gaps: int = 0
    """Depth events that did not follow the one before."""
    snapshots: int = 0
    longest_silence_ns: int = 0


class Certificate(msgspec.Struct, forbid_unknown_fields=True):
    """What a segment holds."""

    segment: str
    complete: bool
    reason: str = ""
    """Why it is not complete."""
    first_ns: int = 0
    last_ns: int = 0
    lines: int = 0
    streams: dict[str, int] = {}
    """Frames by kind of stream."""
    symbols: dict[str, SymbolRecord] = {}
    longest_silence_ns: int = 0
    bytes: int = 0
    sha256: str = ""
    """Of the compressed file."""
    version: int = 1

    @property
    def is_final(self) -> bool:
        """Whether nobody writes to the segment any more."""
        return bool(self.sha256)

    @property
    def replays_alone(self) -> bool:
        """Whether each symbol with depth events has a snapshot to start from."""
        return all(
            record.snapshots for record in self.symbols.values() if record.depth_events
        )


class _DepthIds(msgspec.Struct, gc=False):
    U: int
    u: int
    pu: int | None = None


_decode_ids = msgspec.json.Decoder(_DepthIds).decode


class SegmentTally:
    """Counts the frames of a segment in their order."""

    def __init__(self) -> None:
        self.first_ns = 0
        self.last_ns = 0
        self.lines = 0
        self.streams: dict[str, int] = {}
        self.symbols: dict[str, SymbolRecord] = {}
        self.longest_silence_ns = 0
        self.is_ordered = True
        """Whether times strictly increase."""
        self._last: dict[str, int] = {}
        self._sequences: dict[str, Sequence] = {}

    def add(self, frame: RawFrame) -> None:
        """Count a frame."""
        now_ns, stream = frame.received_ns, frame.stream
        if not self.lines:
            self.first_ns = now_ns
        else:
            self.is_ordered = self.is_ordered and now_ns > self.last_ns
            silence_ns = now_ns - self.last_ns
            self.longest_silence_ns = max(self.longest_silence_ns, silence_ns)
        self.last_ns = now_ns
        self.lines += 1
        symbol, _, kind = stream.partition("@")
        self.streams[kind or stream] = self.streams.get(kind or stream, 0) + 1
        if symbol and kind:
            self._add_to_symbol(symbol.upper(), kind, frame)

    def certificate(self, segment: str, *, complete: bool, reason: str) -> Certificate:
        """What has been counted; bytes and digest are the file's to say."""
        return Certificate(
            segment=segment,
            complete=complete,
            reason=reason,
            first_ns=self.first_ns,
            last_ns=self.last_ns,
            lines=self.lines,
            streams=self.streams,
            symbols=self.symbols,
            longest_silence_ns=self.longest_silence_ns,
        )

    def _add_to_symbol(self, symbol: str, kind: str, frame: RawFrame) -> None:
        record = self.symbols.get(symbol)
        if record is None:
            record = self.symbols[symbol] = SymbolRecord()
        else:
            silence_ns = frame.received_ns - self._last[symbol]
            record.longest_silence_ns = max(record.longest_silence_ns, silence_ns)
        self._last[symbol] = frame.received_ns
        record.frames += 1
        if kind == "snapshot":
            record.snapshots += 1
        elif kind == "depth" or kind.startswith("depth@"):
            record.depth_events += 1
            record.gaps += self._is_gap(frame)

    def _is_gap(self, frame: RawFrame) -> bool:
        try:
            ids = _decode_ids(frame.payload)
        except msgspec.DecodeError:
            return False  # no depth event; a replay will say so
        previous_id = ids.U - 1 if ids.pu is None else ids.pu
        sequence = self._sequences.get(frame.stream)
        if sequence is None:
            sequence = self._sequences[frame.stream] = Sequence(is_spot=ids.pu is None)
            sequence.start(previous_id)
        if sequence.judge(ids.U, ids.u, ids.pu) is not Verdict.GAP:
            return False
        sequence.start(previous_id)
        sequence.judge(ids.U, ids.u, ids.pu)
        return True


def certificate_path(segment: Path) -> Path:
    """Where a segment's certificate stands."""
    return segment.with_name(segment.name + SUFFIX)


def read_certificate(segment: Path) -> Certificate | None:
    """The certificate beside a recording; None where there is none.

    Raises RecordingError for one that cannot be read.
    """
    path = certificate_path(segment)
    try:
        return msgspec.json.decode(path.read_bytes(), type=Certificate)
    except FileNotFoundError:
        return None
    except (OSError, msgspec.DecodeError, RecursionError) as error:
        msg = f"{path}: not a certificate: {error}"
        raise RecordingError(msg) from error


def write_certificate(segment: Path, certificate: Certificate) -> None:
    """Replace a segment's certificate, whole or not at all. Raises OSError."""
    path = certificate_path(segment)
    text = msgspec.json.format(msgspec.json.encode(certificate), indent=2)
    with whole_file(path) as file:
        file.write(text + b"\n")


def digest_of(path: Path) -> str:
    """SHA-256 of a file."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def tally_of(frames: Iterable[RawFrame]) -> SegmentTally:
    """Count frames anew."""
    tally = SegmentTally()
    for frame in frames:
        tally.add(frame)
    return tally


def verified_digest(path: Path) -> str:
    """SHA-256 of a recording. Raises RecordingError where it is not as certified."""
    if path.exists() and not (path.is_file() or path.is_dir()):
        msg = f"{path}: cannot be read: it is read twice, and must be a file"
        raise RecordingError(msg)
    try:
        digest = digest_of(path)
    except OSError as error:
        msg = f"{path}: cannot be read: {error.strerror}"
        raise RecordingError(msg) from error
    certificate = read_certificate(path)
    if certificate and certificate.complete and digest != certificate.sha256:
        msg = f"{path}: is not what its certificate says (sha256)"
        raise RecordingError(msg)
    return digest
