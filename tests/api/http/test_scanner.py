"""Scans that are asked for over HTTP."""

import json
import sys
from collections.abc import Iterator
from http import HTTPStatus
from pathlib import Path
from typing import Any

import pytest

from api.http.audit import AUDIT
from api.http.problem import Refusal
from api.http.scans import Scans
from api.http.supervisor import PLAN
from connectors.certificate import Certificate, write_certificate
from connectors.clickhouse import ClickHouse
from connectors.output import CLICKHOUSE, JOURNAL, RECORDING, SCANS
from flows.live_archive import ArchiveJob, archive_live
from tests.api.http.samples import Api, serving
from tests.flows.engine_process import wait_for
from tests.flows.live_samples import LiveEngine, run_entries

SCAN = (sys.executable, "-m", "tests.api.http.fake_scan")
ENGINE = ["--symbols", "BTCUSDT", "--mode", "paper"]
SETTINGS = ["--exchange", "http://127.0.0.1:1", "--set", "taker_fee_bps=4"]


@pytest.fixture
def api(tmp_path: Path) -> Iterator[Api]:
    """An API whose engine has a plan, and whose scans are stand-ins."""
    plan = {"arguments": [*ENGINE, *SETTINGS], "is_wanted": False}
    (tmp_path / PLAN).write_text(json.dumps(plan))
    with serving(tmp_path) as api:
        api.desk.scans = Scans(tmp_path, command=SCAN)
        try:
            yield api
        finally:
            if is_running(api):
                api.desk.scans.stop()
                wait_for(lambda: not is_running(api))


def is_running(api: Api) -> bool:
    told = api.ask("GET", "/scanner/status", "viewer").json()
    return told is not None and bool(told["is_running"])


def start(api: Api, **order: object) -> Any:
    return api.ask("POST", "/scanner/start", "operator", json=order)


def test_scan_is_told_from_start_to_result(api: Api, tmp_path: Path) -> None:
    assert api.ask("GET", "/scanner/status", "viewer").json() is None
    reply = start(api, symbols=["BTCUSDT"], duration_s=5)
    assert reply.status_code == HTTPStatus.ACCEPTED
    scan_id = reply.json()["scan_id"]
    wait_for(lambda: not is_running(api))
    [told] = api.ask("GET", "/scanner/scans", "viewer").json()
    assert (told["scan_id"], told["problem"]) == (scan_id, "")
    assert told["asked"] == {
        "symbols": ["BTCUSDT"],
        "source": "live",
        "duration_s": 5,
    }
    [found] = api.ask("GET", "/scanner/results", "viewer").json()
    assert (found["symbol"], found["cost_bps"]) == ("BTCUSDT", "10.123")
    path = f"/scanner/results?scan_id={scan_id}"
    assert api.ask("GET", path, "viewer").json() == [found]
    assert json.loads((tmp_path / AUDIT).read_text())["outcome"] == scan_id


def test_scan_takes_exchange_and_settings_of_the_engine(
    api: Api, tmp_path: Path
) -> None:
    start(api, symbols=["SOLUSDT", "XRPUSDT"], duration_s=7)
    wait_for(lambda: not is_running(api))
    words = (tmp_path / SCANS / "arguments").read_text().splitlines()
    assert words[:4] == ["--symbols", "SOLUSDT,XRPUSDT", "--duration", "7"]
    assert words[4:8] == SETTINGS
    assert "--mode" not in words


def test_scan_that_fails_tells_its_last_words(api: Api) -> None:
    start(api, symbols=["FAILS"])
    wait_for(lambda: not is_running(api))
    told = api.ask("GET", "/scanner/status", "viewer").json()
    assert told["problem"] == "mft: no such symbol: FAILS"
    assert api.ask("GET", "/scanner/results", "viewer").json() == []


def test_scan_second_at_a_time_is_refused_until_the_first_is_stopped(
    api: Api,
) -> None:
    start(api, symbols=["HANGS"])
    assert is_running(api)
    reply = start(api, symbols=["BTCUSDT"])
    assert reply.status_code == HTTPStatus.CONFLICT
    assert "is still running" in reply.json()["detail"]
    assert (
        api.ask("POST", "/scanner/stop", "operator").status_code == HTTPStatus.ACCEPTED
    )
    wait_for(lambda: not is_running(api))
    told = api.ask("GET", "/scanner/status", "viewer").json()
    assert told["problem"] == "It was ended before it had seen the market"
    reply = api.ask("POST", "/scanner/stop", "operator")
    assert reply.status_code == HTTPStatus.CONFLICT


def test_scan_running_is_known_to_the_next_api(api: Api, tmp_path: Path) -> None:
    start(api, symbols=["HANGS"])
    later = Scans(tmp_path, command=SCAN)
    told = api.ask("GET", "/scanner/status", "viewer").json()
    lock = tmp_path / SCANS / told["scan_id"] / ".lock"
    wait_for(lock.exists)
    newest = later.newest()
    assert newest is not None
    assert newest.is_running


def test_scan_running_is_stopped_by_the_next_api(api: Api, tmp_path: Path) -> None:
    scan_id = start(api, symbols=["HANGS"]).json()["scan_id"]
    wait_for((tmp_path / SCANS / scan_id / ".lock").exists)
    gone, api.desk.scans = api.desk.scans, Scans(tmp_path, command=SCAN)
    assert is_running(api)
    reply = api.ask("POST", "/scanner/stop", "operator")
    assert reply.status_code == HTTPStatus.ACCEPTED
    wait_for(lambda: not is_running(api))
    told = api.ask("GET", "/scanner/status", "viewer").json()
    assert told["problem"] == "It was ended before it had seen the market"
    wait_for(lambda: not any(scan.is_running for scan in gone.all(1)))


def test_scan_that_ended_leaves_the_next_api_nothing_to_stop(
    api: Api, tmp_path: Path
) -> None:
    start(api, symbols=["BTCUSDT"])
    wait_for(lambda: not is_running(api))
    api.desk.scans = Scans(tmp_path, command=SCAN)
    reply = api.ask("POST", "/scanner/stop", "operator")
    assert reply.status_code == HTTPStatus.CONFLICT


def test_scan_whose_process_is_not_known_is_not_stopped_blindly(
    api: Api, tmp_path: Path
) -> None:
    scan_id = start(api, symbols=["HANGS"]).json()["scan_id"]
    wait_for((tmp_path / SCANS / scan_id / ".lock").exists)
    order = tmp_path / SCANS / f"{scan_id}.json"
    whole = json.loads(order.read_text())
    order.write_text(json.dumps({**whole, "pid": 0}))
    later = Scans(tmp_path, command=SCAN)
    with pytest.raises(Refusal, match=f"process of the scan {scan_id} is not known"):
        later.stop()
    assert is_running(api)


@pytest.mark.parametrize(
    ("order", "told"),
    [
        ({"symbols": ["btc usdt"]}, "symbols"),
        ({"symbols": ["BTCUSDT"], "duration_s": 0}, "duration_s"),
        ({"symbols": ["BTCUSDT"], "source": "dreamt"}, "source"),
        ({"symbols": ["--set"]}, "symbols"),
    ],
)
def test_scan_impossible_is_refused_in_words(
    api: Api, order: dict[str, object], told: str
) -> None:
    reply = start(api, **order)
    assert reply.status_code == HTTPStatus.UNPROCESSABLE_ENTITY
    assert told in reply.json()["detail"]
    assert api.ask("GET", "/scanner/scans", "viewer").json() == []


def test_scan_of_no_recording_yet_is_refused(api: Api) -> None:
    reply = start(api, source="recorded")
    assert reply.status_code == HTTPStatus.CONFLICT
    assert "has not finished a recording" in reply.json()["detail"]
    assert api.ask("GET", "/scanner/scans", "viewer").json() == []


def test_scan_without_symbols_takes_those_of_the_engine(
    api: Api, tmp_path: Path
) -> None:
    start(api)
    wait_for(lambda: not is_running(api))
    words = (tmp_path / SCANS / "arguments").read_text().splitlines()
    assert words[:2] == ["--symbols", "BTCUSDT"]


def test_scan_recorded_takes_the_finished_segments(api: Api, tmp_path: Path) -> None:
    recording = tmp_path / RECORDING
    recording.mkdir()
    for name in ("1.jsonl.zst", "2.jsonl.zst"):
        (recording / name).write_bytes(b"")
    done = recording / "1.jsonl.zst"
    write_certificate(done, Certificate(done.name, complete=True))
    start(api, source="recorded")
    wait_for(lambda: not is_running(api))
    words = (tmp_path / SCANS / "arguments").read_text().splitlines()
    assert words[0] == str(done)
    assert str(recording / "2.jsonl.zst") not in words


@pytest.mark.parametrize(
    ("scan_id", "status"),
    [
        ("20200101-000000", HTTPStatus.NOT_FOUND),
        ("../../etc", HTTPStatus.UNPROCESSABLE_ENTITY),
        ("x", HTTPStatus.UNPROCESSABLE_ENTITY),
    ],
)
def test_results_of_an_unknown_scan_are_refused(
    api: Api, scan_id: str, status: HTTPStatus
) -> None:
    reply = api.ask("GET", f"/scanner/results?scan_id={scan_id}", "viewer")
    assert reply.status_code == status
    assert api.ask("GET", "/scanner/results", "viewer").status_code == 404


def test_archive_loads_scans_beside_the_engine_each_once(
    api: Api, tmp_path: Path
) -> None:
    start(api, symbols=["BTCUSDT"])
    wait_for(lambda: not is_running(api))
    broken = tmp_path / SCANS / "broken"
    broken.mkdir()
    (broken / JOURNAL).write_bytes(b"no journal" * 100)
    engine = LiveEngine(tmp_path)
    engine.journal("run-1", run_entries("run-1", 1_700_000_000_000_000_000, 1))
    for _ in range(2):
        archive_live(ArchiveJob(tmp_path, is_once=True))
    store = ClickHouse.open_embedded(tmp_path / CLICKHOUSE)
    try:
        rows = store.query("SELECT run_id, symbol, cost_bps FROM scans ORDER BY run_id")
    finally:
        store.close()
    assert [(run_id, symbol) for run_id, symbol, _ in rows if run_id == "scan-1"] == [
        ("scan-1", "BTCUSDT")
    ]
