"""Bad input, as a user gives it: one plain sentence, and nothing left behind."""

import gzip
import json
import re
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.flows.replay_samples import (
    lines_of,
    report_of,
    run_mft,
    synthetic,
    write_lines,
)

Damage = Callable[[list[bytes]], list[bytes]]


@pytest.fixture(scope="module")
def market(tmp_path_factory: pytest.TempPathFactory) -> list[bytes]:
    return lines_of(synthetic(tmp_path_factory.mktemp("market"), seconds=10))


def _first(lines: list[bytes], stream: bytes, after: int = 0) -> int:
    return next(
        number
        for number, line in enumerate(lines)
        if number >= after and stream in line[:80]
    )


def _replaced(
    lines: list[bytes], stream: bytes, pattern: bytes, new: bytes
) -> list[bytes]:
    number = _first(lines, stream, after=300)
    line, count = re.subn(pattern, new, lines[number], count=1)
    assert count == 1
    return [*lines[:number], line, *lines[number + 1 :]]


def _broken_json(lines: list[bytes]) -> list[bytes]:
    return [*lines[:400], lines[400][:-20] + b"\n", *lines[401:]]


def _wrong_type(lines: list[bytes]) -> list[bytes]:
    return _replaced(lines, b"@depth", rb'"u":(\d+)', rb'"u":"\1"')


def _negative_quantity(lines: list[bytes]) -> list[bytes]:
    return _replaced(lines, b"@depth", rb'\["([\d.]+)","', rb'["\1","-')


def _negative_ticker(lines: list[bytes]) -> list[bytes]:
    return _replaced(lines, b"@bookTicker", rb'"B":"', rb'"B":"-')


def _negative_trade(lines: list[bytes]) -> list[bytes]:
    return _replaced(lines, b"@aggTrade", rb'"q":"', rb'"q":"-')


def _float_time(lines: list[bytes]) -> list[bytes]:
    return [*lines[:9], lines[9].replace(b'{"ts":', b'{"ts":0.', 1), *lines[10:]]


@pytest.mark.parametrize(
    "damage",
    [
        _broken_json,
        _wrong_type,
        _negative_quantity,
        _negative_ticker,
        _negative_trade,
        _float_time,
    ],
)
def test_mft_replay_damaged_line_is_one_sentence_with_file_and_line(
    tmp_path: Path, market: list[bytes], damage: Damage
) -> None:
    lines = damage(market)
    number = next(n for n, line in enumerate(lines, 1) if line != market[n - 1])
    recording = write_lines(tmp_path / "bad.jsonl.gz", lines)
    out = tmp_path / "out"
    ended = run_mft("replay", recording, "--out", out)
    assert ended.returncode == 1
    assert ended.stdout == ""
    assert ended.stderr.startswith(f"mft: {recording}:{number}: ")
    assert ended.stderr.count("\n") == 1
    assert not out.exists()


def test_mft_replay_truncated_gzip_is_one_sentence_with_file_and_line(
    tmp_path: Path, market: list[bytes]
) -> None:
    recording = tmp_path / "cut.jsonl.gz"
    whole = gzip.compress(b"".join(market))
    recording.write_bytes(whole[: len(whole) // 2])
    out = tmp_path / "out"
    ended = run_mft("replay", recording, "--out", out)
    assert ended.returncode == 1
    assert re.fullmatch(rf"mft: {recording}:\d+: .*\n", ended.stderr)
    assert not out.exists()


@pytest.mark.parametrize("kind", ["missing", "directory", "empty", "garbage"])
def test_mft_replay_no_recording_is_one_sentence_with_file(
    tmp_path: Path, kind: str
) -> None:
    path = tmp_path / f"{kind}.jsonl.gz"
    if kind == "directory":
        path.mkdir()
    elif kind != "missing":
        path.write_bytes(b"" if kind == "empty" else b"\x00\xff no recording \n")
    out = tmp_path / "out"
    ended = run_mft("replay", path, "--out", out)
    assert ended.returncode == 1
    assert re.fullmatch(rf"mft: {path}(:\d+)?: .*\n", ended.stderr)
    assert not out.exists()


@pytest.mark.parametrize("blocks", [4, 160])
def test_mft_replay_full_disk_is_one_sentence_and_no_report(
    tmp_path: Path, market: list[bytes], blocks: int
) -> None:
    recording = write_lines(tmp_path / "market.jsonl.gz", market)
    out = tmp_path / "out"
    limited = ("bash", "-c", f'ulimit -f {blocks}; exec "$@"', "limited")
    ended = run_mft("replay", recording, "--out", out, "--views", prefix=limited)
    assert ended.returncode == 1
    assert re.fullmatch(rf"mft: {out}.*\n", ended.stderr)
    assert not (out / "report.json").exists()
    assert not (out / "views.csv").exists()
    assert run_mft("replay", recording, "--out", out, "--views").returncode == 0
    assert (out / "report.json").exists()


def test_mft_replay_odd_but_sound_input_succeeds(
    tmp_path: Path, market: list[bytes]
) -> None:
    number = _first(market, b"btcusdt@depth", after=300)
    event = json.loads(market[number])
    wide = [[f"{price}.00", "1.5"] for price in range(1, 10_001)]
    long = "1." + "123456789" * 7
    bids = [*wide, ["2.5", long], [long, long], *event["data"]["b"]]
    event["data"] |= {"b": bids, "novel": {"a": [1]}}
    novel = {"ts": event["ts"], "stream": "btcusdt@novelty", "data": {"x": 1}}
    lines = [
        *market[:number],
        json.dumps(event).encode() + b"\n",
        json.dumps(novel).encode() + b"\n",
        *market[number + 1 :],
    ]
    recording = write_lines(tmp_path / "odd.jsonl.gz", lines)
    out = tmp_path / "out"
    ended = run_mft("replay", recording, "--out", out, "--json")
    assert (ended.returncode, ended.stderr) == (0, "")
    report = json.loads(ended.stdout)
    assert report == report_of(out)
    assert report["unknown_streams"] == {"novelty": 1}
    facts = report["symbols"]["BTCUSDT"]
    assert facts["applied"] == sum(facts["views"].values())
    assert facts["gaps"] == 0


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        (["--set", "targt_bps=1"], "did you mean target_bps?"),
        (["--set", "target_bps=high"], "target_bps"),
        (["--set", "target_bps"], "Expected --set key=value"),
        (["--set", "max_daily_loss=501"], "max_daily_loss"),
        (["--config", "/nowhere.toml"], "/nowhere.toml"),
        (["--instruments", "/nowhere.json"], "/nowhere.json"),
    ],
)
def test_mft_replay_unusable_option_is_one_sentence_that_names_it(
    tmp_path: Path, market: list[bytes], options: list[str], sentence: str
) -> None:
    recording = write_lines(tmp_path / "market.jsonl.gz", market)
    out = tmp_path / "out"
    ended = run_mft("replay", recording, "--out", out, *options)
    assert ended.returncode != 0
    assert sentence in ended.stderr
    assert (ended.stdout, ended.stderr.count("\n")) == ("", 1)
    assert not out.exists()


def test_mft_replay_output_that_is_a_file_is_refused(
    tmp_path: Path, market: list[bytes]
) -> None:
    recording = write_lines(tmp_path / "market.jsonl.gz", market)
    ended = run_mft("replay", recording, "--out", recording)
    assert ended.returncode == 2
    assert ended.stderr.startswith(f"mft: {recording}: cannot be used as output")


def test_mft_replay_foreign_directory_is_refused_and_left_alone(
    tmp_path: Path, market: list[bytes]
) -> None:
    recording = write_lines(tmp_path / "market.jsonl.gz", market)
    out = tmp_path / "mine"
    out.mkdir()
    (out / "diary.txt").write_text("dear diary")
    ended = run_mft("replay", recording, "--out", out)
    assert ended.returncode == 2
    assert "is not empty (diary.txt)" in ended.stderr
    assert [path.name for path in out.iterdir()] == ["diary.txt"]
