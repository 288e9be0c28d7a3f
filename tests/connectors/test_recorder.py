"""Recordings that can be trusted: written, cut off, certified, checked, replayed."""

import json
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from connectors import recorder as recorder_module
from connectors.certificate import (
    UNFINISHED,
    Certificate,
    certificate_path,
    read_certificate,
    tally_of,
    write_certificate,
)
from connectors.exchange.synthetic import SyntheticMarket
from connectors.recorder import Recorder, segment_name
from connectors.recording import RecordingReader
from connectors.verification import verify_directory
from flows.domain.errors import ConfigurationError, RecordingError
from flows.domain.frame import RawFrame
from flows.domain.units import NS_PER_S
from tests.domain.scene import repeatable
from tests.flows.replay_samples import ROOT, report_of, run_mft

START_NS = 1_700_000_000 * NS_PER_S


def frames_of(seconds: int, start_ns: int = START_NS) -> list[RawFrame]:
    """A synthetic market of one symbol, its times strictly increasing."""
    market = SyntheticMarket(["BTCUSDT"], seed=4, start_ns=start_ns)
    found: list[RawFrame] = []
    for frame in market:
        if frame.received_ns >= start_ns + seconds * NS_PER_S:
            return found
        last_ns = found[-1].received_ns if found else 0
        received_ns = max(last_ns + 1, frame.received_ns)
        found.append(RawFrame(received_ns, frame.stream, frame.payload))
    return found


def written(directory: Path, frames: list[RawFrame], **options: int) -> list[Path]:
    """The segments of a whole recording."""
    with Recorder(directory, **options) as recorder:
        for frame in frames:
            recorder.record([frame])
    assert recorder.error is None
    return segments_of(directory)


def segments_of(directory: Path) -> list[Path]:
    return sorted(directory.glob("*.jsonl.zst"))


def read(segment: Path) -> list[tuple[int, str, bytes]]:
    frames = RecordingReader(segment).frames()
    return [(frame.received_ns, frame.stream, frame.payload) for frame in frames]


def plain(frames: list[RawFrame]) -> list[tuple[int, str, bytes]]:
    return [(frame.received_ns, frame.stream, frame.payload) for frame in frames]


def certified(segment: Path) -> Certificate:
    certificate = read_certificate(segment)
    assert certificate is not None
    return certificate


def test_record_a_market_reads_back_whole_and_certified(tmp_path: Path) -> None:
    frames = frames_of(5)
    [segment] = written(tmp_path, frames)
    assert read(segment) == plain(frames)
    certificate = certified(segment)
    assert certificate.complete
    assert certificate.replays_alone
    assert certificate.lines == len(frames)
    assert certificate.streams["snapshot"] == 1
    assert certificate.symbols["BTCUSDT"].gaps == 0
    assert certificate.bytes == segment.stat().st_size
    assert segment.name == segment_name(frames[0].received_ns)
    assert [finding.faults for finding in verify_directory(tmp_path)] == [[]]


@settings(repeatable, max_examples=25)
@given(
    st.lists(
        st.tuples(
            st.sampled_from(["btcusdt@trade", "@malformed", "x", "a@depth@100ms"]),
            st.binary(max_size=40) | st.sampled_from([b"{}", b'{"U":1,"u":2,"pu":0}']),
        ),
        min_size=1,
        max_size=30,
    )
)
def test_record_any_payload_reads_back_byte_for_byte(
    tmp_path_factory: pytest.TempPathFactory, parts: list[tuple[str, bytes]]
) -> None:
    directory = tmp_path_factory.mktemp("any")
    frames = [
        RawFrame(START_NS + number, stream, payload)
        for number, (stream, payload) in enumerate(parts)
    ]
    [segment] = written(directory, frames)
    assert read(segment) == plain(frames)


def test_record_long_market_is_cut_into_segments_in_order(tmp_path: Path) -> None:
    frames = frames_of(9)
    segments = written(tmp_path, frames, segment_s=3)
    assert len(segments) == 3
    assert [line for segment in segments for line in read(segment)] == plain(frames)
    assert all(certified(segment).complete for segment in segments)
    assert not certified(segments[1]).replays_alone  # nobody fetched a snapshot


def test_record_much_is_cut_into_segments_by_size(tmp_path: Path) -> None:
    with Recorder(tmp_path, segment_bytes=20_000) as recorder:
        for frame in frames_of(9):
            recorder.record([frame])
            recorder.flush()
    sizes = [segment.stat().st_size for segment in segments_of(tmp_path)]
    assert len(sizes) > 1
    assert all(size >= 20_000 for size in sizes[:-1])


def test_record_beyond_the_bound_removes_the_oldest_segments(tmp_path: Path) -> None:
    frames = frames_of(12)
    whole = written(tmp_path / "whole", frames, segment_s=2)
    size = sum(segment.stat().st_size for segment in whole)
    kept = written(tmp_path / "kept", frames, segment_s=2, max_bytes=size // 2)
    assert 1 <= len(kept) < len(whole)
    assert [s.name for s in kept] == [s.name for s in whole[-len(kept) :]]
    left = {path.name for path in (tmp_path / "kept").iterdir()}
    assert left == {s.name for s in kept} | {certificate_path(s).name for s in kept}


def test_recorder_second_one_in_a_directory_is_refused(tmp_path: Path) -> None:
    with (
        Recorder(tmp_path),
        pytest.raises(ConfigurationError, match="another recorder"),
    ):
        Recorder(tmp_path)


def test_recorder_directory_that_is_a_file_is_refused(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(ConfigurationError, match="cannot be used for recordings"):
        Recorder(tmp_path / "file")


def test_record_more_than_may_wait_ends_with_an_error(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(recorder_module, "WAITING_LIMIT", 10)
    with Recorder(tmp_path) as recorder:
        recorder.record(frames_of(1))
    assert recorder.error is not None
    assert "the disk is too slow" in str(recorder.error)
    with pytest.raises(RecordingError, match="too slow"):
        recorder.flush()


_RECORDING = """
import sys
from pathlib import Path
from connectors.recorder import Recorder
from flows.domain.errors import RecordingError
from tests.connectors.test_recorder import frames_of
recorder = Recorder(Path(sys.argv[1]), segment_s=4)
for number, frame in enumerate(frames_of(60)):
    recorder.record([frame])
    if number % 500 == 0:
        try:
            recorder.flush()
        except RecordingError:
            break
        print(number + 1, flush=True)
recorder.close()
print("error", recorder.error, flush=True)
"""


def recording(directory: Path, *prefix: str) -> subprocess.Popen[str]:
    """A process that records, and says how many frames are on the disk."""
    return subprocess.Popen(
        [*prefix, sys.executable, "-c", _RECORDING, str(directory)],
        cwd=ROOT,
        stdout=subprocess.PIPE,
        text=True,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
    )


@pytest.mark.parametrize("reports", [2, 5, 9])
def test_record_killed_keeps_what_was_flushed_and_says_it_is_incomplete(
    tmp_path: Path, reports: int
) -> None:
    flushed = 0
    with recording(tmp_path) as process:
        assert process.stdout is not None
        for _ in range(reports):
            flushed = int(process.stdout.readline().split()[0])
        process.send_signal(signal.SIGKILL)
    segments = segments_of(tmp_path)
    last = segments[-1]
    assert certified(last).reason == UNFINISHED
    found = [line for segment in segments for line in read(segment)]
    assert flushed <= len(found)
    assert found == plain(frames_of(60))[: len(found)]
    assert verify_directory(tmp_path)[-1].faults == [f"incomplete: {UNFINISHED}"]
    Recorder(tmp_path).close()
    certificate = certified(last)
    assert not certificate.complete
    assert certificate.lines == len(read(last))
    assert f"{certificate.lines} lines are readable" in certificate.reason


def test_record_full_disk_says_so_and_keeps_what_it_could_write(
    tmp_path: Path,
) -> None:
    limit = ["bash", "-c", 'ulimit -f 20; exec "$@"', "bash"]
    process = recording(tmp_path, *limit)
    out, _ = process.communicate(timeout=60)
    said = out.splitlines()[-1]
    assert said.startswith("error ")
    assert "cannot be written: File too large" in said
    [segment] = segments_of(tmp_path)
    certificate = certified(segment)
    assert not certificate.complete
    assert "File too large" in certificate.reason
    found = read(segment)
    assert found == plain(frames_of(60))[: len(found)] != []


def cut_off(directory: Path) -> Path:
    """A recording whose last part is missing, and whose recorder was killed."""
    [segment] = written(directory, frames_of(4))
    segment.write_bytes(segment.read_bytes()[:-100])
    write_certificate(
        segment, Certificate(segment.name, complete=False, reason=UNFINISHED)
    )
    return segment


def test_mft_replay_incomplete_recording_uses_what_is_readable_and_warns(
    tmp_path: Path,
) -> None:
    segment = cut_off(tmp_path)
    lines = len(read(segment))
    assert 0 < lines < len(frames_of(4))
    ended = run_mft("replay", segment, "--out", tmp_path / "out")
    assert ended.returncode == 0, ended.stderr
    [warning] = report_of(tmp_path / "out")["warnings"]
    assert warning.startswith(f"{segment}: incomplete ({UNFINISHED})")
    assert ended.stderr == f"Warning: {warning}\n"
    certificate_path(segment).unlink()
    refused = run_mft("replay", segment, "--out", tmp_path / "strict")
    assert refused.returncode == 1
    assert "cannot be read" in refused.stderr


def test_mft_replay_other_bytes_than_certified_are_refused(tmp_path: Path) -> None:
    first, second = written(tmp_path, frames_of(4), segment_s=2)
    first.write_bytes(second.read_bytes())
    ended = run_mft("replay", first, "--out", tmp_path / "out")
    assert ended.returncode == 1
    assert "is not what its certificate says" in ended.stderr
    assert not (tmp_path / "out").exists()


def _flip(segment: Path) -> None:
    body = bytearray(segment.read_bytes())
    body[len(body) // 2] ^= 1
    segment.write_bytes(body)


def _other_certificate(segment: Path) -> None:
    other = segments_of(segment.parent)[-1]
    certificate_path(segment).write_bytes(certificate_path(other).read_bytes())


def _wrong_count(segment: Path) -> None:
    path = certificate_path(segment)
    told = json.loads(path.read_text())
    told["lines"] += 1
    path.write_text(json.dumps(told))


@pytest.mark.parametrize(
    ("tamper", "said"),
    [
        (_flip, "cannot be read|sha256|not a recorded frame"),
        (lambda segment: certificate_path(segment).unlink(), "has no certificate"),
        (_other_certificate, "its certificate is that of"),
        (_wrong_count, "lines is not as certified"),
        (lambda s: certificate_path(s).write_text("{"), "not a certificate"),
        (lambda s: s.write_bytes(s.read_bytes()[:-50]), "cannot be read|sha256"),
    ],
)
def test_verify_directory_tampered_segment_is_named(
    tmp_path: Path, tamper: Callable[[Path], object], said: str
) -> None:
    first, _ = written(tmp_path, frames_of(4), segment_s=2)
    tamper(first)
    findings = verify_directory(tmp_path)
    assert any(
        part in fault for fault in findings[0].faults for part in said.split("|")
    )
    assert findings[1].faults == []
    ended = run_mft("record", "--verify", tmp_path)
    assert ended.returncode == 1
    assert first.name in ended.stdout


def test_verify_directory_overlapping_segments_are_named(tmp_path: Path) -> None:
    written(tmp_path, frames_of(3))
    written(tmp_path, frames_of(3, START_NS + NS_PER_S))
    first, second = verify_directory(tmp_path)
    assert first.faults == []
    assert second.faults == ["begins before the segment before it ends"]


def test_verify_directory_without_recordings_raises(tmp_path: Path) -> None:
    with pytest.raises(RecordingError, match="holds no recording"):
        verify_directory(tmp_path)


def test_tally_of_gaps_and_silences_counts_them() -> None:
    ids = [(1, 2, 0), (3, 4, 2), (9, 10, 8), (11, 12, 10), (11, 12, 10), (20, 21, 19)]
    frames = [
        RawFrame(
            number * NS_PER_S + (5 * NS_PER_S if number > 2 else 0),
            "btcusdt@depth@100ms",
            b'{"U":%d,"u":%d,"pu":%d}' % each,
        )
        for number, each in enumerate(ids, start=1)
    ]
    frames.append(RawFrame(20 * NS_PER_S, "btcusdt@snapshot", b"{}"))
    frames.append(RawFrame(21 * NS_PER_S, "btcusdt@depth", b"no event"))
    tally = tally_of(frames)
    record = tally.symbols["BTCUSDT"]
    assert (record.depth_events, record.gaps, record.snapshots) == (7, 2, 1)
    assert record.longest_silence_ns == tally.longest_silence_ns == 9 * NS_PER_S
    assert tally.is_ordered


def test_tally_of_times_that_stand_still_is_not_ordered() -> None:
    frames = [RawFrame(5, "@clock", b"{}"), RawFrame(5, "@clock", b"{}")]
    assert not tally_of(frames).is_ordered


def test_recorder_unreadable_leftover_is_certified_and_no_obstacle(
    tmp_path: Path,
) -> None:
    leftover = tmp_path / segment_name(1)
    leftover.write_bytes(b"no zstd at all")
    Recorder(tmp_path).close()
    assert certified(leftover).reason == "its recorder was killed; 0 lines are readable"


def test_record_disk_that_lags_cuts_no_segment_of_a_frame_or_two(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The size of a segment is known late, where the disk is slow."""
    is_slow = threading.Event()
    sync = os.fsync

    def slow_sync(descriptor: int) -> None:
        is_slow.wait(0.03)
        sync(descriptor)

    monkeypatch.setattr(os, "fsync", slow_sync)
    frames = frames_of(9)
    with Recorder(tmp_path, segment_bytes=20_000) as recorder:
        for frame in frames:
            recorder.record([frame])
            is_slow.wait(0.001)
    counts = [certified(segment).lines for segment in segments_of(tmp_path)]
    assert sum(counts) == len(frames)
    assert len(counts) > 1
    assert min(counts[:-1]) > 20


def test_record_more_than_may_wait_writes_all_that_was_taken(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    frames = frames_of(4)
    may_write = threading.Event()
    sync = os.fsync

    def stuck_sync(descriptor: int) -> None:
        may_write.wait(30)
        sync(descriptor)

    monkeypatch.setattr(os, "fsync", stuck_sync)
    monkeypatch.setattr(recorder_module, "WAITING_LIMIT", 100_000)
    with Recorder(tmp_path) as recorder:
        taken = 0
        for frame in frames:
            recorder.record([frame])
            if recorder.error is None:
                taken += 1
        assert "the disk is too slow" in str(recorder.error)
        may_write.set()
    [segment] = segments_of(tmp_path)
    certificate = certified(segment)
    assert not certificate.complete
    assert "the disk is too slow" in certificate.reason
    kept = plain(list(RecordingReader(segment).readable_frames()))
    assert kept == plain(frames)[: len(kept)]
    assert len(kept) >= taken - 400, "all but the half second that was refused"


def test_record_with_a_bound_never_holds_more(tmp_path: Path) -> None:
    bound = 60_000
    with Recorder(tmp_path, max_bytes=bound) as recorder:
        for frame in frames_of(20):
            recorder.record([frame])
            recorder.flush()
            size = sum(path.stat().st_size for path in segments_of(tmp_path))
            assert size <= bound
    assert len(segments_of(tmp_path)) > 2


def test_frames_of_a_cut_off_segment_with_a_flipped_bit_are_never_others(
    tmp_path: Path,
) -> None:
    [segment] = written(tmp_path, frames_of(1))
    whole, true = segment.read_bytes(), read(segment)
    for position in range(20, len(whole), max(1, len(whole) // 150)):
        damaged = bytearray(whole)
        damaged[position] ^= 1 << position % 8
        segment.write_bytes(damaged)
        try:
            found = read(segment)
        except RecordingError:
            continue
        assert found == true, position


def test_verify_directory_segment_being_written_is_no_fault(tmp_path: Path) -> None:
    with Recorder(tmp_path) as recorder:
        recorder.record(frames_of(2))
        recorder.flush()
        [finding] = verify_directory(tmp_path)
        assert finding.is_being_written
        assert finding.faults == []
    [finding] = verify_directory(tmp_path)
    assert not finding.is_being_written
    assert finding.faults == []
