"""kill -9 at any moment of a replay: running it again makes it whole."""

import random
import signal
import subprocess
import time
from pathlib import Path

import pytest

from connectors.clickhouse import ClickHouse
from tests.flows.replay_samples import (
    COMMAND,
    ROOT,
    journal_of,
    report_of,
    run_mft,
    synthetic,
    without_timing,
)

KILLS = 10
TABLES = ("journal", "book_views", "market_trades", "book_bars_1s", "market_trades_1m")


def _counts(out: Path) -> dict[str, object]:
    """Rows of every table of interest, as the database itself digests them."""
    store = ClickHouse.open_embedded(out / "clickhouse")
    try:
        return {
            table: list(store.query(f"SELECT count() FROM {table}")) for table in TABLES
        }
    finally:
        store.close()


def _killed_after(arguments: list[str], seconds: float) -> bool:
    """Run and kill -9 after `seconds`; False where it had ended before."""
    with subprocess.Popen(
        [*COMMAND, *arguments],
        cwd=ROOT,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    ) as process:
        try:
            process.wait(seconds)
        except subprocess.TimeoutExpired:
            process.kill()
            return True
        return False


@pytest.mark.untraced
def test_mft_replay_killed_at_random_moments_ends_as_if_undisturbed(
    tmp_path: Path,
) -> None:
    recording = synthetic(tmp_path, seconds=30)
    undisturbed, out = tmp_path / "undisturbed", tmp_path / "out"
    begun = time.monotonic()
    assert run_mft("replay", recording, "--out", undisturbed, "--views").returncode == 0
    whole_s = time.monotonic() - begun
    moments = random.Random(20_240_808)
    arguments = ["replay", str(recording), "--out", str(out), "--views"]
    kills = 0
    while kills < KILLS:
        if _killed_after(arguments, moments.uniform(0.2, 1.0) * whole_s):
            kills += 1
        (out / "report.json").unlink(missing_ok=True)  # an ended run: unfinished again
    ended = run_mft(*arguments)
    assert (ended.returncode, ended.stderr) == (0, "")
    assert journal_of(out) == journal_of(undisturbed)
    assert without_timing(report_of(out)) == without_timing(report_of(undisturbed))
    assert (out / "views.csv").read_bytes() == (undisturbed / "views.csv").read_bytes()
    assert _counts(out) == _counts(undisturbed)


@pytest.mark.untraced
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_mft_replay_interrupted_says_so_and_resumes(
    tmp_path: Path, number: signal.Signals
) -> None:
    recording = synthetic(tmp_path, seconds=40)
    out = tmp_path / "out"
    arguments = ["replay", str(recording), "--out", str(out)]
    with subprocess.Popen(
        [*COMMAND, *arguments],
        cwd=ROOT,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
    ) as process:
        while not (out / "journal.sqlite-wal").exists():
            time.sleep(0.01)
        process.send_signal(number)
        _, stderr = process.communicate(timeout=60)
    assert process.returncode == 128 + number
    assert stderr == "mft: interrupted; run the same command again\n"
    assert not (out / "report.json").exists()
    assert run_mft(*arguments).returncode == 0
