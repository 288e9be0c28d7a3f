"""`mft up`: one command, and whatever is killed comes back."""

import os
import signal
from collections.abc import Iterator
from pathlib import Path

import msgspec
import pytest

from api.http.archive import History
from api.http.supervisor import PLAN, Plan
from connectors.output import is_engine_in
from flows.domain.errors import StoreError
from tests.dashboards.desk import Desk
from tests.flows.engine_process import Running, kinds_of, rows_of, wait_for
from tests.flows.trade_samples import run_ids


@pytest.fixture
def up(tmp_path: Path, exchange: str) -> Iterator[Desk]:
    up = Desk(tmp_path / "data", exchange)
    try:
        yield up
    finally:
        up.end()


def test_mft_up_starts_an_engine_that_outlives_it_and_is_found_again(
    up: Desk,
) -> None:
    wait_for(up.is_trading)
    first = run_ids(up.data)
    wait_for((up.data / "archive.url").exists)
    up.kill_api()
    assert is_engine_in(up.data), "the engine goes on"
    up.begin()
    wait_for(up.is_trading)
    assert run_ids(up.data) == first
    paused = up.ask("/engine/pause", "operator", {"reason": "seen"})
    assert paused["is_accepted"]
    assert up.ask("/engine/stop", "operator", {})["is_accepted"]
    wait_for(lambda: not is_engine_in(up.data))
    wait_for(lambda: not up.ask("/engine/status")["process"]["is_wanted"])
    status, _, err = up.up.stop(signal.SIGINT)
    assert status == 0, err
    assert kinds_of(up.data)[-1] == "run_ended"
    assert "Traceback" not in err


def test_mft_up_no_start_starts_nothing_that_was_wanted_before(
    tmp_path: Path, exchange: str
) -> None:
    plan = Plan(("--symbols", "BTCUSDT", "--exchange", exchange), is_wanted=True)
    (tmp_path / PLAN).write_bytes(msgspec.json.encode(plan))
    options = ("--data", tmp_path, "--port", 0, "--no-start", "--no-archive")
    running = Running("up", "--exchange", exchange, *options)
    try:
        while not running.line().startswith("http"):
            pass
        kept = msgspec.json.decode((tmp_path / PLAN).read_bytes(), type=Plan)
        assert kept == Plan(plan.arguments, is_wanted=False)
    finally:
        running.end()


def test_mft_up_stands_back_for_its_engine(up: Desk) -> None:
    wait_for(up.is_trading)
    [engine] = up.pids_of(b"trade")
    assert os.sched_getscheduler(up.up.process.pid) == os.SCHED_BATCH
    assert os.sched_getscheduler(engine) == os.SCHED_OTHER


def test_mft_up_engine_killed_is_started_again_and_goes_on(up: Desk) -> None:
    wait_for(up.is_trading)
    [engine] = up.pids_of(b"trade")
    os.kill(engine, signal.SIGKILL)
    wait_for(lambda: up.ask("/engine/status")["engine"] is None)
    wait_for(lambda: up.ask("/engine/status")["process"]["restarts"] == 1)
    wait_for(up.is_trading)
    assert len(run_ids(up.data)) == 2
    wait_for((up.data / "archive.url").exists)
    daily = up.ask("/history/daily")
    assert isinstance(daily, list)


def test_mft_up_archive_killed_catches_up_with_everything_once(up: Desk) -> None:
    wait_for(up.is_trading)
    url = up.data / "archive.url"
    wait_for(url.exists)
    first = url.read_text()
    history = History(up.data)
    wait_for(lambda: loaded_once(history, up.data)[0] > 0)
    [archive] = up.pids_of(b"archive")
    os.kill(archive, signal.SIGKILL)
    journalled = len(rows_of(up.data))
    wait_for(lambda: len(rows_of(up.data)) > journalled)  # the engine goes on
    wait_for(lambda: url.exists() and url.read_text() != first)
    assert up.ask("/engine/stop", "operator", {})["is_accepted"]
    wait_for(lambda: not is_engine_in(up.data))
    rows = len(rows_of(up.data))
    wait_for(lambda: loaded_once(history, up.data) == (rows, rows))
    history.close()


def loaded_once(history: History, data: Path) -> tuple[int, int]:
    """Journal entries of the last run in ClickHouse, and how many of them differ."""
    run_id = max(run_ids(data))
    query = (
        "SELECT count(), uniqExact(sequence, body) FROM journal "
        "WHERE run_id = {run:String}"
    )
    try:
        [(count, different)] = history.query(query, {"run": run_id})
    except StoreError:
        return 0, 0
    return int(count), int(different)


def test_mft_up_second_on_the_same_directory_is_refused(
    up: Desk, exchange: str
) -> None:
    other = Running("up", "--exchange", exchange, "--data", up.data, "--port", 0)
    try:
        _, err = other.process.communicate(timeout=60)
    finally:
        other.end()
    assert other.process.returncode == 2
    assert "another API serves it" in err
