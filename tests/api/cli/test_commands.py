"""The command line: its commands, their help, and what they write."""

import json
import re
from pathlib import Path

import pytest

from api.cli.synth import synthetic_frames, write_synthetic
from connectors.output import is_engine_in
from connectors.recording import merged_frames
from flows.domain.errors import ConfigurationError, RecordingError
from tests.flows.engine_process import kinds_of
from tests.flows.replay_samples import report_of, run_mft, synthetic

COMMANDS = ("replay", "demo", "record", "synth", "bench")


@pytest.mark.parametrize("command", COMMANDS)
def test_mft_help_shows_an_example(command: str) -> None:
    ended = run_mft(command, "--help")
    assert ended.returncode == 0
    assert f"mft {command}" in ended.stdout
    assert "Example:" in ended.stdout


def test_mft_no_command_lists_the_commands() -> None:
    ended = run_mft()
    assert all(command in ended.stdout + ended.stderr for command in COMMANDS)


def test_mft_unknown_command_exits_with_status_two() -> None:
    ended = run_mft("replya")
    assert ended.returncode == 2
    assert "replya" in ended.stderr


def test_mft_replay_summary_names_what_a_trader_needs(tmp_path: Path) -> None:
    out = tmp_path / "out"
    ended = run_mft("replay", synthetic(tmp_path, seconds=30), "--out", out)
    assert (ended.returncode, ended.stderr) == (0, "")
    for words in (
        "BTCUSDT",
        "SYNCED",
        "win rate",
        "break-even win rate",
        "71.4 % after fees",
        "gross",
        "fees",
        "net",
        "largest drawdown",
        "refused",
        "kill switch",
        "armed",
        "Too few trades to tell",
        str(out),
    ):
        assert words in ended.stdout
    assert max(map(len, ended.stdout.splitlines()[:8])) <= 80


def test_mft_demo_ends_by_itself_after_its_first_trade(tmp_path: Path) -> None:
    out = tmp_path / "demo"
    ended = run_mft("demo", "--out", out, "--port", 0)
    assert ended.returncode == 0, ended.stderr
    assert "no edge built in" in ended.stdout
    assert re.search(r"First trade \d+ s after the start: (LONG|SHORT)", ended.stdout)
    assert "page" in ended.stdout
    totals = report_of(out / "replay")["totals"]
    kinds = kinds_of(out / "data")
    assert totals["trades"] == kinds.count("trade_closed") > 0
    assert kinds[-1] == "run_ended"
    assert not is_engine_in(out / "data")


def test_mft_demo_directory_with_something_in_it_is_refused(tmp_path: Path) -> None:
    (tmp_path / "mine").touch()
    ended = run_mft("demo", "--out", tmp_path)
    assert ended.returncode == 2
    assert "expected an empty directory" in ended.stderr


def test_mft_bench_json_has_the_figures(tmp_path: Path) -> None:
    recording = synthetic(tmp_path, seconds=5)
    ended = run_mft("bench", "--json", "--recording", recording)
    assert (ended.returncode, ended.stderr) == (0, "")
    assert set(json.loads(ended.stdout)) >= {
        "naive_book_us",
        "reference_book_us",
        "native_book_us",
        "reference_path_us",
        "native_path_us",
        "messages",
        "levels_per_message",
    }


def test_mft_bench_plain_names_what_is_missing(tmp_path: Path) -> None:
    ended = run_mft("bench", "--recording", synthetic(tmp_path, seconds=5))
    assert ended.returncode == 0
    assert "native book" in ended.stdout
    assert "not installed" in ended.stdout


def test_mft_synth_same_seed_gives_the_same_bytes(tmp_path: Path) -> None:
    paths = [tmp_path / name for name in ("a.jsonl.gz", "b.jsonl.gz", "c.jsonl.gz")]
    for path, seed in zip(paths, (1, 1, 2), strict=True):
        ended = run_mft("synth", "--out", path, "--seconds", 3, "--seed", seed)
        assert (ended.returncode, ended.stderr) == (0, "")
    first, second, other = [path.read_bytes() for path in paths]
    assert first == second != other
    assert "3 s of BTCUSDT,ETHUSDT, seed 2" in ended.stdout


def test_write_synthetic_frames_are_read_back_unchanged(tmp_path: Path) -> None:
    path = tmp_path / "market.jsonl.gz"
    count = write_synthetic(path, ["btcusdt"], 3, 5)
    frames = list(synthetic_frames(["BTCUSDT"], 3, 5))
    read = [f for f in merged_frames([path]) if f.stream != "@clock"]
    assert count == len(frames) == len(read)
    assert [(f.received_ns, f.stream, f.payload) for f in read] == [
        (f.received_ns, f.stream, f.payload) for f in frames
    ]


@pytest.mark.parametrize("symbols", [[], [" "], ["BTCUSDT", "btcusdt"]])
def test_synthetic_frames_unusable_symbols_raise_configuration_error(
    symbols: list[str],
) -> None:
    with pytest.raises(ConfigurationError, match="Expected distinct symbols"):
        synthetic_frames(symbols, 1, 1)


def test_write_synthetic_unwritable_path_raises_recording_error(
    tmp_path: Path,
) -> None:
    with pytest.raises(RecordingError, match="cannot be written"):
        write_synthetic(tmp_path / "absent" / "x.jsonl.gz", ["BTCUSDT"], 1, 1)
