"""Segments read while their recorder writes, ends and removes them."""

from pathlib import Path

import pytest
import zstandard

from connectors.certificate import Certificate, certificate_path, write_certificate
from connectors.recording import to_line
from connectors.segments import GrowingSegment, Segments
from flows.domain.errors import RecordingError
from flows.domain.frame import RawFrame

NAME = "20260101T000000.000000001Z.jsonl.zst"


def frame(number: int) -> RawFrame:
    return RawFrame(number + 1, "btcusdt@trade", b'{"n":%d}' % number)


def packed(*numbers: int) -> bytes:
    """Frames as one zstd frame."""
    lines = b"".join(to_line(frame(number)) for number in numbers)
    return zstandard.ZstdCompressor().compress(lines)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / NAME


def append(path: Path, data: bytes) -> None:
    with path.open("ab") as file:
        file.write(data)


def numbers_of(segment: GrowingSegment) -> list[int]:
    return [found.received_ns - 1 for found in segment.read()]


def test_read_growing_segment_gives_each_frame_once(path: Path) -> None:
    path.touch()
    segment = GrowingSegment(path)
    assert numbers_of(segment) == []
    append(path, packed(0, 1))
    assert numbers_of(segment) == [0, 1]
    assert numbers_of(segment) == []
    append(path, packed(2))
    [found] = segment.read()
    assert (found.line, found.origin, found.payload) == (3, str(path), b'{"n":2}')
    segment.close()


def test_read_write_cut_anywhere_is_taken_up_where_it_goes_on(path: Path) -> None:
    whole = packed(0, 1) + packed(2) + packed(3, 4)
    path.touch()
    segment = GrowingSegment(path)
    found: list[int] = []
    for i in range(len(whole)):
        append(path, whole[i : i + 1])
        found += numbers_of(segment)
    assert found == [0, 1, 2, 3, 4]
    segment.close()


def test_read_damage_ends_what_can_be_read(path: Path) -> None:
    path.write_bytes(packed(0) + b"no zstd frame" + packed(1))
    segment = GrowingSegment(path)
    assert numbers_of(segment) == [0]
    assert numbers_of(segment) == []
    segment.end()


def test_read_line_that_is_no_frame_ends_what_can_be_read(path: Path) -> None:
    path.write_bytes(zstandard.ZstdCompressor().compress(b'{"ts": 1}\n'))
    segment = GrowingSegment(path)
    assert numbers_of(segment) == []
    segment.end()


@pytest.mark.parametrize("lines", [2, 4])
def test_end_other_count_than_certified_is_an_error(path: Path, lines: int) -> None:
    path.write_bytes(packed(0, 1, 2))
    write_certificate(path, Certificate(NAME, complete=True, lines=lines, sha256="x"))
    segment = GrowingSegment(path)
    segment.read()
    expected = f"{NAME}: Expected {lines} lines as certified, was 3"
    with pytest.raises(RecordingError, match=expected):
        segment.end()


@pytest.mark.parametrize("complete", [True, False])
def test_end_count_as_certified_or_recorder_killed_is_accepted(
    path: Path, *, complete: bool
) -> None:
    path.write_bytes(packed(0, 1, 2))
    lines = 3 if complete else 2
    write_certificate(path, Certificate(NAME, complete=complete, lines=lines))
    segment = GrowingSegment(path)
    assert len(segment.read()) == 3
    segment.end()


def test_growing_segment_gone_is_told_as_such(path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        GrowingSegment(path)


def test_growing_segment_unreadable_is_a_recording_error(path: Path) -> None:
    path.mkdir()
    with pytest.raises(RecordingError, match="cannot be read: Is a directory"):
        GrowingSegment(path)


def test_first_frame_is_that_of_the_segment_while_it_is_there(path: Path) -> None:
    segments = Segments(path.parent)
    assert segments.paths() == []
    assert segments.first_frame(path) is None
    path.touch()
    assert segments.first_frame(path) is None
    append(path, packed(5, 6))
    certificate_path(path).touch()
    assert segments.paths() == [path]
    first = segments.first_frame(path)
    assert first is not None
    assert first.received_ns == 6
    path.unlink()
    assert segments.first_frame(path) == first
