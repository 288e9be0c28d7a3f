"""Checking recordings against their certificates, counting everything anew."""

import fcntl
from collections.abc import Iterator
from pathlib import Path

import msgspec

from connectors.certificate import (
    LOCK,
    Certificate,
    SegmentTally,
    digest_of,
    read_certificate,
)
from connectors.recording import RecordingReader
from flows.domain.errors import RecordingError
from flows.domain.units import NS_PER_S

_COUNTED = ("first_ns", "last_ns", "lines", "streams", "symbols", "longest_silence_ns")


class Finding(msgspec.Struct):
    """What is true of one segment."""

    segment: str
    lines: int
    seconds: int
    gaps: int
    replays_alone: bool
    faults: list[str]
    """What is wrong with it, in words; empty where nothing is."""
    is_being_written: bool = False
    """Whether its recorder is at work on it, so that it is not complete yet."""


def verify_directory(directory: Path) -> list[Finding]:
    """A finding for each segment, in order of time.

    Raises RecordingError where there is nothing to check.
    """
    segments = sorted(directory.glob("*.jsonl.zst"))
    if not segments:
        msg = f"{directory}: holds no recording"
        raise RecordingError(msg)
    findings, last_ns = [], 0
    written = unfinished_segment(directory)
    for segment in segments:
        finding, tally = _verify(segment, is_being_written=segment == written)
        if tally.lines and tally.first_ns <= last_ns:
            finding.faults.append("begins before the segment before it ends")
        last_ns = max(last_ns, tally.last_ns)
        findings.append(finding)
    return findings


def unfinished_segment(directory: Path) -> Path | None:
    """The segment that a recorder writes now, if one is at work in a directory."""
    segments = sorted(directory.glob("*.jsonl.zst"))
    try:
        with (directory / LOCK).open() as lock:
            fcntl.flock(lock, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except FileNotFoundError:
        return None
    except OSError:
        return segments[-1] if segments else None
    return None


def _verify(segment: Path, *, is_being_written: bool) -> tuple[Finding, SegmentTally]:
    faults: list[str] = []
    tally = SegmentTally()
    reader = RecordingReader(segment)
    try:
        certificate = read_certificate(segment)
        for frame in reader.readable_frames() if is_being_written else reader.frames():
            tally.add(frame)
    except RecordingError as error:
        certificate = None
        faults.append(str(error))
    counted = tally.certificate(segment.name, complete=True, reason="")
    if certificate is not None and not is_being_written:
        faults += _differences(segment, certificate, counted)
    elif certificate is None and not faults:
        faults.append("has no certificate")
    if not tally.is_ordered:
        faults.append("times do not increase")
    finding = Finding(
        segment=segment.name,
        lines=tally.lines,
        seconds=(tally.last_ns - tally.first_ns) // NS_PER_S,
        gaps=sum(record.gaps for record in tally.symbols.values()),
        replays_alone=counted.replays_alone,
        faults=faults,
        is_being_written=is_being_written,
    )
    return finding, tally


def _differences(
    segment: Path, certificate: Certificate, counted: Certificate
) -> Iterator[str]:
    if certificate.segment != segment.name:
        yield f"its certificate is that of {certificate.segment}"
    if not certificate.complete:
        yield f"incomplete: {certificate.reason}"
    if certificate.sha256 and certificate.sha256 != digest_of(segment):
        yield "its bytes are not those certified (sha256)"
    for name in _COUNTED if certificate.sha256 else ():
        if getattr(certificate, name) != getattr(counted, name):
            yield f"{name} is not as certified"
