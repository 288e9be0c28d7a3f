"""Recordings are read whole or refused with their place, and written whole or not."""

import base64
import gzip
import json
import subprocess
import sys
from collections.abc import Callable, Iterable
from pathlib import Path

import pytest
import zstandard
from hypothesis import given, settings
from hypothesis import strategies as st

from connectors.recording import (
    CLOCK_STREAM,
    RecordingReader,
    RecordingWriter,
    merged_frames,
    to_line,
    with_clock,
)
from flows.domain.errors import RecordingError
from flows.domain.frame import RawFrame
from flows.domain.units import NS_PER_S

STREAM = "btcusdt@trade"


def line(ts: int, stream: str = STREAM, data: str = "{}") -> bytes:
    return b'{"ts":%d,"stream":"%b","data":%b}\n' % (ts, stream.encode(), data.encode())


LINES = [line(ts, data=f'{{"n":{ts}, "x": "{"y" * (ts % 97)}"}}') for ts in range(400)]


def zstd(content: bytes) -> bytes:
    return zstandard.ZstdCompressor().compress(content)


def zstd_segments(content: bytes) -> bytes:
    """Several zstd frames, cut within lines, as a recorder flushes them."""
    cuts = [content[at : at + 4_900] for at in range(0, len(content), 4_900)]
    return b"".join(map(zstd, cuts))


FORMATS: dict[str, Callable[[bytes], bytes]] = {
    "plain": lambda content: content,
    "gzip": gzip.compress,
    "gzip_members": lambda content: gzip.compress(content) + gzip.compress(line(999)),
    "zstd": zstd,
    "zstd_segments": zstd_segments,
}


def read(path: Path) -> list[RawFrame]:
    return list(RecordingReader(path).frames())


def written(path: Path, content: bytes) -> Path:
    path.write_bytes(content)
    return path


def refusal(path: Path) -> str:
    """The text of the error that reading gives; it starts with the path."""
    with pytest.raises(RecordingError) as caught:
        read(path)
    text = str(caught.value)
    assert text.startswith(f"{path}:")
    return text.removeprefix(str(path))


# Reading -----------------------------------------------------------------------------


@pytest.mark.parametrize("name", FORMATS)
def test_frames_every_format_gives_the_very_bytes(name: str, tmp_path: Path) -> None:
    path = written(tmp_path / "recording", FORMATS[name](b"".join(LINES)))
    frames = read(path)
    assert [frame.received_ns for frame in frames[:400]] == list(range(400))
    assert len(frames) == (401 if name == "gzip_members" else 400)
    for number, frame in enumerate(frames[:400], start=1):
        start = LINES[number - 1].index(b'"data":') + len(b'"data":')
        assert frame.payload == LINES[number - 1][start:-2]
        assert frame.place == f"{path}:{number}"
        assert frame.stream == STREAM


@pytest.mark.parametrize("name", ["plain", "gzip", "zstd", "zstd_segments"])
def test_frames_last_line_without_newline_is_read(name: str, tmp_path: Path) -> None:
    path = written(tmp_path / "r", FORMATS[name](line(1) + line(2)[:-1]))
    assert [frame.received_ns for frame in read(path)] == [1, 2]


def test_frames_read_twice_counts_lines_anew(tmp_path: Path) -> None:
    reader = RecordingReader(written(tmp_path / "r", line(1) + line(2)))
    assert list(reader.frames()) == list(reader.frames())


def test_frames_raw_payload_is_decoded(tmp_path: Path) -> None:
    raw = base64.b64encode(b"not\njson\xff").decode()
    content = b'{"ts":1,"stream":"x@y","raw":"%b"}\n' % raw.encode()
    (frame,) = read(written(tmp_path / "r", content))
    assert frame.payload == b"not\njson\xff"


def test_frames_progress_adds_up_to_the_size_of_the_file(tmp_path: Path) -> None:
    for name, compress in FORMATS.items():
        content = compress(b"".join(LINES) * 8)
        told: list[int] = []
        path = written(tmp_path / name, content)
        assert len(list(RecordingReader(path, told.append).frames())) >= 3_200
        assert sum(told) == len(content)
        assert min(told) >= 0


@pytest.mark.parametrize("compress", [gzip.compress, zstd, zstd_segments])
@settings(deadline=None, max_examples=60)
@given(share=st.floats(0, 1, exclude_max=True))
def test_frames_cut_off_anywhere_is_refused_with_its_place(
    compress: Callable[[bytes], bytes],
    share: float,
    tmp_path_factory: pytest.TempPathFactory,
) -> None:
    content = compress(b"".join(LINES))
    length = int(share * len(content))
    path = written(tmp_path_factory.mktemp("cut") / "r", content[:length])
    with pytest.raises(RecordingError) as caught:
        read(path)
    assert str(caught.value).startswith(f"{path}:")


@pytest.mark.parametrize("compress", [gzip.compress, zstd])
@settings(deadline=None, max_examples=80)
@given(share=st.floats(0, 1, exclude_max=True), value=st.integers(1, 255))
def test_frames_one_byte_damaged_is_refused_or_read_unharmed(
    compress: Callable[[bytes], bytes],
    share: float,
    value: int,
    tmp_path_factory: pytest.TempPathFactory,
) -> None:
    content = bytearray(compress(b"".join(LINES)))
    content[int(share * len(content))] ^= value
    path = written(tmp_path_factory.mktemp("damaged") / "r", bytes(content))
    frames, refused = [], ""
    try:
        frames = read(path)
    except RecordingError as error:
        refused = str(error)
    # unharmed: the header's name and time, or a number in a zstd file without checksum
    assert refused.startswith(f"{path}:") or len(frames) <= 400


def test_frames_cut_off_after_many_lines_names_the_line(tmp_path: Path) -> None:
    content = gzip.compress(b"".join(LINES))
    text = refusal(written(tmp_path / "r", content[: len(content) // 2]))
    number = int(text.split(":")[1])
    assert 1 < number <= 400
    assert "cannot be read: Compressed file ended before" in text


BROKEN_LINES = {
    "not json": b"{nonsense\n",
    "cut off": line(5)[:-5],
    "blank": b"\n",
    "array": b"[1]\n",
    "no ts": b'{"stream":"a@b","data":{}}\n',
    "ts text": b'{"ts":"1","stream":"a@b","data":{}}\n',
    "ts float": b'{"ts":1.5,"stream":"a@b","data":{}}\n',
    "ts negative": b'{"ts":-1,"stream":"a@b","data":{}}\n',
    "ts beyond 64 bits": b'{"ts":9223372036854775808,"stream":"a@b","data":{}}\n',
    "no stream": b'{"ts":1,"data":{}}\n',
    "stream number": b'{"ts":1,"stream":5,"data":{}}\n',
    "stream not utf-8": b'{"ts":1,"stream":"\xff","data":{}}\n',
    "no payload": b'{"ts":1,"stream":"a@b"}\n',
    "both payloads": b'{"ts":1,"stream":"a@b","data":{},"raw":"e30="}\n',
    "raw number": b'{"ts":1,"stream":"a@b","raw":5}\n',
    "raw not base64": b'{"ts":1,"stream":"a@b","raw":"e30"}\n',
    "raw not ascii": '{"ts":1,"stream":"a@b","raw":"é"}\n'.encode(),
    "data not json": b'{"ts":1,"stream":"a@b","data":{x}}\n',
    "deep": b'{"ts":1,"stream":"a@b","data":' + b"[" * 100_000 + b"\n",
    "null bytes": b"\0" * 64 + b"\n",
}


@pytest.mark.parametrize("broken", BROKEN_LINES.values(), ids=BROKEN_LINES)
@pytest.mark.parametrize("compress", [FORMATS["plain"], gzip.compress, zstd])
def test_frames_broken_line_in_the_middle_is_refused_with_its_number(
    broken: bytes, compress: Callable[[bytes], bytes], tmp_path: Path
) -> None:
    content = compress(line(1) + line(2) + broken.rstrip(b"\n") + b"\n" + line(4))
    text = refusal(written(tmp_path / "r", content))
    assert text.startswith(":3: not a recorded frame: ")


def test_frames_empty_file_is_refused(tmp_path: Path) -> None:
    for name, compress in FORMATS.items():
        if name != "gzip_members":
            path = written(tmp_path / name, compress(b""))
            assert refusal(path) == ": the recording is empty"


def test_frames_directory_and_missing_file_are_refused(tmp_path: Path) -> None:
    assert refusal(tmp_path) == ": cannot be read: Is a directory"
    missing = refusal(tmp_path / "missing")
    assert missing == ": cannot be read: No such file or directory"


@settings(deadline=None, max_examples=60)
@given(st.binary(min_size=1, max_size=200), st.sampled_from(["", "1f8b", "28b52ffd"]))
def test_frames_garbage_is_refused(
    tmp_path_factory: pytest.TempPathFactory, garbage: bytes, magic: str
) -> None:
    content = bytes.fromhex(magic) + garbage
    path = written(tmp_path_factory.mktemp("garbage") / "r", content)
    with pytest.raises(RecordingError) as caught:
        read(path)
    assert str(caught.value).startswith(f"{path}:")


# Merging and the clock ----------------------------------------------------------------


def market(frames: Iterable[RawFrame]) -> list[tuple[int, str]]:
    return [(f.received_ns, f.stream) for f in frames if f.stream != CLOCK_STREAM]


def test_merged_frames_same_times_are_ordered_by_argument_and_line(
    tmp_path: Path,
) -> None:
    one = line(5, "a@1") + line(7, "a@2") + line(7, "a@3")
    two = line(5, "b@1") + line(6, "b@2") + line(7, "b@3")
    paths = [written(tmp_path / "z", one), written(tmp_path / "a", two)]
    assert market(merged_frames(paths)) == [
        (5, "a@1"),
        (5, "b@1"),
        (6, "b@2"),
        (7, "a@2"),
        (7, "a@3"),
        (7, "b@3"),
    ]


def test_merged_frames_time_running_backwards_keeps_line_order(tmp_path: Path) -> None:
    one = line(10, "a@1") + line(4, "a@2") + line(12, "a@3")
    two = line(11, "b@1")
    paths = [written(tmp_path / "a", one), written(tmp_path / "b", two)]
    assert market(merged_frames(paths)) == [
        (10, "a@1"),
        (10, "a@2"),
        (11, "b@1"),
        (12, "a@3"),
    ]


def ticks_before(frames: Iterable[RawFrame]) -> list[int | str]:
    """Seconds of ticks, and streams of frames, in order."""
    return [
        frame.received_ns // NS_PER_S if frame.stream == CLOCK_STREAM else frame.stream
        for frame in frames
    ]


def at(second: str, stream: str = "x") -> RawFrame:
    whole, _, fraction = second.partition(".")
    ns = int(whole) * NS_PER_S + int(fraction.ljust(9, "0") or 0)
    return RawFrame(ns, stream, b"{}")


@pytest.mark.parametrize(
    ("frames", "expected"),
    [
        ([at("10.5"), at("10.9")], ["x", "x"]),
        ([at("10.5"), at("11"), at("11.1")], ["x", 11, "x", "x"]),
        ([at("10")], [10, "x"]),
        ([at("10.999999999"), at("11.000000001")], ["x", 11, "x"]),
        ([at("10.5"), at("14.5")], ["x", 11, 12, 13, 14, "x"]),
        ([at("10.5"), at("10.5"), at("12"), at("12")], ["x", "x", 11, 12, "x", "x"]),
        ([], []),
    ],
)
def test_with_clock_frames_without_their_own_get_whole_seconds(
    frames: list[RawFrame], expected: list[int | str]
) -> None:
    clocked = list(with_clock(frames))
    assert ticks_before(clocked) == expected
    assert [frame for frame in clocked if frame.stream == "x"] == frames
    for tick in clocked:
        assert tick.stream == "x" or tick == RawFrame(
            tick.received_ns // NS_PER_S * NS_PER_S, CLOCK_STREAM, b"{}"
        )


def test_with_clock_frames_with_their_own_are_left_alone() -> None:
    frames = [at("10.5", CLOCK_STREAM), at("13.2"), at("19"), at("20.1", CLOCK_STREAM)]
    assert list(with_clock(frames)) == frames


def test_with_clock_own_clock_that_begins_later_takes_over() -> None:
    frames = [at("10.5"), at("12.2"), at("12.3", CLOCK_STREAM), at("15.5")]
    assert ticks_before(with_clock(frames)) == ["x", 11, 12, "x", 12, "x"]


@pytest.mark.parametrize("until_s", [4_000, 9_000_000_000])
def test_with_clock_silence_of_more_than_an_hour_ticks_for_one(until_s: int) -> None:
    frames = [at("10.5"), at(f"{until_s}.5"), at(f"{until_s + 1}.5")]
    found = ticks_before(with_clock(frames))
    assert found == ["x", *range(11, 3_611), "x", until_s + 1, "x"]


def test_merged_frames_two_recordings_share_one_clock(tmp_path: Path) -> None:
    one = line(10_500_000_000, "x") + line(12_500_000_000, "x")
    two = line(11_500_000_000, "x") + line(13_500_000_000, "x")
    paths = [written(tmp_path / "a", one), written(tmp_path / "b", two)]
    found = ticks_before(merged_frames(paths))
    assert found == ["x", 11, "x", 12, "x", 13, "x"]


# Writing -----------------------------------------------------------------------------


@settings(deadline=None, max_examples=100)
@given(
    st.lists(
        st.tuples(
            st.integers(0, 2**63 - 1),
            st.text(st.characters(codec="utf-8"), max_size=20),
            st.one_of(
                st.binary(max_size=50),
                st.sampled_from([b"{}", b' {"a":1}', b'{"a":\n1}', b'{"a" : 1}', b"1"]),
                st.recursive(
                    st.none() | st.text(max_size=3),
                    lambda inner: st.lists(inner, max_size=3),
                ).map(lambda value: json.dumps(value).encode()),
            ),
        ),
        min_size=1,
        max_size=5,
    )
)
def test_write_any_frames_come_back_with_the_very_bytes(
    tmp_path_factory: pytest.TempPathFactory, contents: list[tuple[int, str, bytes]]
) -> None:
    path = tmp_path_factory.mktemp("written") / "r.jsonl.gz"
    with RecordingWriter.create(path) as writer:
        for content in contents:
            writer.write(RawFrame(*content))
    found = [(f.received_ns, f.stream, f.payload) for f in read(path)]
    assert found == contents


def test_to_line_json_payload_stands_as_it_came() -> None:
    payload = b'{"b":[["1.10","0.000"]],  "u":1.50e3}'
    assert to_line(RawFrame(7, "a@b", payload)) == (
        b'{"ts":7,"stream":"a@b","data":' + payload + b"}\n"
    )


def test_write_same_frames_gives_the_same_file(tmp_path: Path) -> None:
    for name in ("a.gz", "b.gz"):
        with RecordingWriter.create(tmp_path / name) as writer:
            writer.write(RawFrame(1, "a@b", b"{}"))
    assert (tmp_path / "a.gz").read_bytes() == (tmp_path / "b.gz").read_bytes()


def test_write_error_in_the_block_leaves_nothing_new(tmp_path: Path) -> None:
    path = written(tmp_path / "r.gz", b"what was there")
    with pytest.raises(AttributeError), RecordingWriter.create(path) as writer:
        writer.write(None)  # type: ignore[arg-type]  # a bug of the caller
    assert path.read_bytes() == b"what was there"
    assert list(tmp_path.iterdir()) == [path]


def test_write_folder_missing_is_a_recording_error(tmp_path: Path) -> None:
    path = tmp_path / "missing" / "r.gz"
    with pytest.raises(
        RecordingError, match="cannot be written: No such file"
    ) as caught:
        RecordingWriter.create(path).__enter__()
    assert str(caught.value).startswith(f"{path}: ")


def test_write_target_that_is_a_folder_leaves_no_partial(tmp_path: Path) -> None:
    path = tmp_path / "r.gz"
    path.mkdir()
    with (
        pytest.raises(RecordingError, match="cannot be written: Is a directory"),
        RecordingWriter.create(path) as writer,
    ):
        writer.write(RawFrame(1, "a@b", b"{}"))
    assert list(tmp_path.iterdir()) == [path]


DISK_FULL = """
import os, resource, signal, sys
from pathlib import Path
from connectors.recording import RecordingWriter
from flows.domain.errors import RecordingError
from flows.domain.frame import RawFrame

signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
resource.setrlimit(resource.RLIMIT_FSIZE, (20_000, 20_000))
try:
    with RecordingWriter.create(Path(sys.argv[1])) as writer:
        for number in range(int(sys.argv[2])):
            payload = b'{"x":"%b"}' % os.urandom(500).hex().encode()
            writer.write(RawFrame(number, "a@b", payload))
except RecordingError as error:
    print(error)
"""


@pytest.mark.parametrize("frames", [45, 5_000])
def test_write_disk_full_is_a_recording_error_and_leaves_nothing(
    tmp_path: Path, frames: int
) -> None:
    """With few frames the disk is full at the end only, when buffers are flushed."""
    path = tmp_path / "r.gz"
    command = [sys.executable, "-c", DISK_FULL, str(path), str(frames)]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    assert done.stdout == f"{path}: cannot be written: File too large\n"
    assert done.stderr == ""
    assert list(tmp_path.iterdir()) == []
