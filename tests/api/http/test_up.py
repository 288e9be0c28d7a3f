"""`mft up`: one command, and whatever is killed comes back."""

import json
import os
import signal
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.request import Request, urlopen

import msgspec
import pytest

from api.http.archive import History
from api.http.supervisor import PLAN, Plan
from connectors.output import is_engine_in
from flows.domain.errors import StoreError
from tests.flows.engine_process import Running, kinds_of, rows_of, wait_for
from tests.flows.trade_samples import run_ids


class Up:
    """`mft up` on a directory, and its operator."""

    def __init__(self, data: Path, exchange: str, token: str = "") -> None:
        self.data = data
        self.running = Running(
            *("up", "--exchange", exchange, "--data", data, "--port", 0),
        )
        self.token = token
        while not (line := self.running.line()).startswith("http"):
            assert line, self.running.process.communicate()[1]
            if line.startswith("operator token: "):
                self.token = line.split()[2]
        self.url = line.strip()

    def ask(self, path: str, body: object = None) -> Any:
        headers = {"Authorization": f"Bearer {self.token}"}
        data = None
        if body is not None:
            headers["Content-Type"] = "application/json"
            data = json.dumps(body).encode()
        request = Request(self.url + path, data, headers)  # noqa: S310 - loopback
        with urlopen(request, timeout=30) as reply:  # noqa: S310 - loopback
            return json.load(reply)

    def pids_of(self, command: bytes) -> list[int]:
        """Processes of an `mft` command on the directory."""
        return [
            int(entry.name)
            for entry in Path("/proc").iterdir()
            if entry.name.isdigit() and _is(entry, command, self.data)
        ]

    def is_trading(self) -> bool:
        engine = self.ask("/engine/status")["engine"]
        return engine is not None and any(
            book["state"] == "SYNCED" for book in engine["books"].values()
        )


def _is(process: Path, command: bytes, data: Path) -> bool:
    try:
        arguments = (process / "cmdline").read_bytes().split(b"\0")
    except OSError:
        return False
    return command in arguments and str(data).encode() in arguments


@pytest.fixture
def up(tmp_path: Path, exchange: str) -> Iterator[Up]:
    up = Up(tmp_path / "data", exchange)
    try:
        yield up
    finally:
        up.running.end()
        for pid in (*up.pids_of(b"trade"), *up.pids_of(b"archive")):
            os.kill(pid, signal.SIGKILL)


def test_mft_up_starts_an_engine_that_outlives_it_and_is_found_again(
    up: Up, exchange: str
) -> None:
    wait_for(up.is_trading)
    first = run_ids(up.data)
    wait_for((up.data / "archive.url").exists)
    up.running.process.send_signal(signal.SIGKILL)
    up.running.process.wait()
    assert is_engine_in(up.data), "the engine goes on"
    again = Up(up.data, exchange, up.token)
    try:
        wait_for(again.is_trading)
        assert run_ids(up.data) == first
        assert again.ask("/engine/pause", {"reason": "seen"})["is_accepted"]
        assert again.ask("/engine/stop", {})["is_accepted"]
        wait_for(lambda: not is_engine_in(up.data))
        wait_for(lambda: not again.ask("/engine/status")["process"]["is_wanted"])
        status, _, err = again.running.stop(signal.SIGINT)
    finally:
        again.running.end()
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


def test_mft_up_stands_back_for_its_engine(up: Up) -> None:
    wait_for(up.is_trading)
    [engine] = up.pids_of(b"trade")
    assert os.sched_getscheduler(up.running.process.pid) == os.SCHED_BATCH
    assert os.sched_getscheduler(engine) == os.SCHED_OTHER


def test_mft_up_engine_killed_is_started_again_and_goes_on(up: Up) -> None:
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


def test_mft_up_archive_killed_catches_up_with_everything_once(up: Up) -> None:
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
    assert up.ask("/engine/stop", {})["is_accepted"]
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


def test_mft_up_second_on_the_same_directory_is_refused(up: Up, exchange: str) -> None:
    other = Running("up", "--exchange", exchange, "--data", up.data, "--port", 0)
    try:
        _, err = other.process.communicate(timeout=60)
    finally:
        other.end()
    assert other.process.returncode == 2
    assert "another API serves it" in err
