"""The command line as a whole: bad use, hard ends and broken outputs."""

import os
import pty
import signal
import subprocess
import time
from pathlib import Path

import pytest

from tests.flows.replay_samples import COMMAND, ROOT, run_mft, synthetic


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (["replay"], "Missing option '--out' (see mft replay --help)"),
        (["replay", "--out", "x"], "Expected either recordings or --from (see mft rep"),
        (["record", "--from", "x"], "Expected --to DIR, --to kafka://"),
        (["replay", "x", "--nope"], "No such option: --nope (see mft replay --help)"),
        (
            ["replya"],
            "No such command 'replya'. Did you mean 'replay'? (see mft --help)",
        ),
        (["synth", "--out", "/"], "/: cannot be written: expected the name of a file"),
        (["synth", "--out", "x", "--symbols", "A-B"], "Expected an uppercase symbol"),
        (["demo", "--out", "/proc/x/y"], "/proc/x/y: cannot be used as output"),
    ],
)
def test_main_bad_use_is_one_sentence(arguments: list[str], sentence: str) -> None:
    ended = run_mft(*arguments)
    assert ended.returncode in (1, 2)
    assert ended.stdout == ""
    assert ended.stderr.startswith(f"mft: {sentence}")
    assert ended.stderr.count("\n") == 1


def test_main_seconds_below_one_are_refused_and_nothing_is_written(
    tmp_path: Path,
) -> None:
    ended = run_mft("synth", "--out", tmp_path / "x.jsonl.gz", "--seconds", 0)
    assert ended.returncode == 2
    assert ended.stderr.startswith("mft: Invalid value for '--seconds'")
    assert list(tmp_path.iterdir()) == []


def test_main_control_characters_in_input_stay_off_the_terminal(
    tmp_path: Path,
) -> None:
    recording = tmp_path / "bad.jsonl"
    recording.write_text('{"ts":1,"stream":"a\\u001b[31m\\nb@depth","data":{}}\n')
    ended = run_mft("replay", recording, "--out", tmp_path / "out")
    assert ended.returncode == 1
    assert ended.stderr.startswith(f"mft: {recording}:1: malformed a")
    assert ended.stderr.count("\n") == 1
    assert "\x1b" not in ended.stderr


def test_main_full_standard_output_is_one_sentence(tmp_path: Path) -> None:
    full = ("bash", "-c", '"$@" > /dev/full', "full")
    ended = run_mft("synth", "--out", tmp_path / "x.gz", "--seconds", 1, prefix=full)
    assert ended.returncode == 1
    assert ended.stderr == "mft: [Errno 28] No space left on device\n"


def test_main_reader_gone_ends_without_a_word(tmp_path: Path) -> None:
    arguments = [*COMMAND, "synth", "--out", str(tmp_path / "x.gz"), "--seconds", "1"]
    read_end, write_end = os.pipe()
    os.close(read_end)
    with subprocess.Popen(
        arguments, cwd=ROOT, stdout=write_end, stderr=subprocess.PIPE, text=True
    ) as process:
        os.close(write_end)
        _, stderr = process.communicate(timeout=60)
    assert (process.returncode, stderr) == (1, "")


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_main_signal_during_synth_leaves_nothing_behind(
    tmp_path: Path, number: signal.Signals
) -> None:
    arguments = ["synth", "--out", str(tmp_path / "x.gz"), "--seconds", "1000000"]
    with subprocess.Popen(
        [*COMMAND, *arguments], cwd=ROOT, stderr=subprocess.PIPE, text=True
    ) as process:
        while not (tmp_path / "x.gz.partial").exists():
            time.sleep(0.01)
        process.send_signal(number)
        _, stderr = process.communicate(timeout=60)
    assert (process.returncode, stderr) == (128 + number, "mft: interrupted\n")
    assert list(tmp_path.iterdir()) == []


def test_main_interrupt_of_the_whole_group_while_archiving_is_one_sentence(
    tmp_path: Path,
) -> None:
    recording, out = synthetic(tmp_path, seconds=20), tmp_path / "out"
    with subprocess.Popen(
        [*COMMAND, "replay", str(recording), "--out", str(out)],
        cwd=ROOT,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    ) as process:
        children = Path(f"/proc/{process.pid}/task/{process.pid}/children")
        while not children.read_text():
            time.sleep(0.001)
        os.killpg(process.pid, signal.SIGINT)  # as Ctrl-C at a terminal does
        _, stderr = process.communicate(timeout=60)
    assert process.returncode == 130
    assert stderr == "mft: interrupted; run the same command again\n"
    assert not (out / "report.json").exists()


def test_main_misspelt_environment_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MFT_TARGT_BPS", "30")
    ended = run_mft("replay", "x.gz", "--out", tmp_path / "out")
    assert ended.returncode == 2
    assert "'targt_bps' (environment); did you mean target_bps?" in ended.stderr


def test_main_progress_is_shown_on_a_terminal_only(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    arguments = ["synth", "--out", str(tmp_path / "x.gz"), "--seconds", "20"]
    monkeypatch.setenv("FORCE_COLOR", "1")
    assert run_mft(*arguments).stderr == ""
    ours, theirs = pty.openpty()
    done = subprocess.run(
        [*COMMAND, *arguments],
        cwd=ROOT,
        env={**os.environ, "TERM": "xterm"},
        stdout=subprocess.DEVNULL,
        stderr=theirs,
        check=False,
    )
    drawn = os.read(ours, 65_536)
    os.close(theirs)
    os.close(ours)
    assert done.returncode == 0
    assert b"synth" in drawn


def test_main_bench_of_malformed_frame_names_file_and_line(tmp_path: Path) -> None:
    recording = tmp_path / "bad.jsonl"
    recording.write_text(
        '{"ts":1,"stream":"xusdt@depth@100ms","data":'
        '{"s":"XUSDT","U":1,"u":2,"pu":0,"b":[["1","-2"]],"a":[]}}\n'
    )
    ended = run_mft("bench", "--recording", recording)
    assert ended.returncode == 1
    assert ended.stderr.startswith(f"mft: {recording}:1: ")
    assert ended.stderr.count("\n") == 1
