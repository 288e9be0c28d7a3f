"""What the API tells of an engine and lets it do."""

import asyncio
import json
import os
import threading
import time
from http import HTTPStatus
from pathlib import Path
from typing import Any, NoReturn

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from starlette.testclient import WebSocketTestSession
from starlette.websockets import WebSocketDisconnect

from api.http.apart import SECRETS
from api.http.audit import AUDIT, Audit
from api.http.desk import COOKIE
from api.http.kill import KillDesk, KillProgress
from api.http.link import patch_between
from connectors.binance.signing import Mode
from connectors.binance.transport import DEMO
from connectors.journal import Journal
from connectors.output import ACCESS, JOURNAL, KILL_LATCH, DataDirectory
from flows.domain.errors import StoreError
from flows.domain.run import JournalEntry
from flows.flatten import Access, leave_access
from flows.telemetry import OrderLatencyTold
from tests.api.http.samples import Api, engine_in, merged, serving
from tests.domain.scene import START_NS, Scene
from tests.flows.archive_samples import (
    facts_of_every_kind,
    journal_entries,
    run_started,
)
from tests.flows.engine_process import wait_for
from tests.flows.telemetry_samples import observer_of

BOOK = {
    "state": "SYNCED",
    "view_age_ms": 12,
    "depth_events": 40,
    "gaps": 1,
    "zone": "BUY",
    "ratio": "3.5",
    "bids": [["99.9", "2"]],
    "asks": [["100.0", "1"]],
}
PATIENCE_S = 30
STATE: dict[str, Any] = {
    "run_id": "run-1",
    "begun_anew": 2,
    "books": {"BTCUSDT": BOOK},
    "messages": {"depth": 40, "trade": 3},
    "positions": [{"symbol": "BTCUSDT", "net": "-0.5"}],
    "orders": [],
    "equity": "9999.5",
    "day_pnl": "-0.5",
    "drawdown": "0.5",
    "fees": "0.25",
    "funding": "-0.1",
    "limits": {"daily_loss": {"used": "0.5", "limit": "500"}},
    "killed": None,
    "alarm": "",
    "is_paused": False,
    "latency": {"views": 40, "p50_ns": 1_000, "p99_ns": 2_000, "p999_ns": 3_000},
    "order_latency": dict.fromkeys(OrderLatencyTold.__struct_fields__, 0),
    "gross": "-0.25",
    "histograms": {
        "decision": {"count": 40, "total_ns": 60_000, "below": [39] * 17 + [40]}
    },
    "counts": {
        "signals": 3,
        "orders": 2,
        "refused": {"cooldown": 1},
        "fills": 2,
        "trades": 1,
        "book_states": {"BTCUSDT": {"SYNCED": 2, "GAP": 1}},
        "entries": 7,
    },
    "recorder_waiting_bytes": 512,
    "now_ns": 1_700_000_000_000_000_000,
}


def whole_state() -> dict[str, Any]:
    """A state with everything that an engine tells."""
    observer = observer_of(Scene())
    told: dict[str, Any] = msgspec.to_builtins(observer.look(START_NS))
    return told


def wait_until_done(api: Api) -> dict[str, Any]:
    """The end of a kill."""
    end = time.monotonic() + PATIENCE_S
    while True:
        told: dict[str, Any] = api.ask("GET", "/engine/kill", "viewer").json()
        if told["is_done"]:
            return told
        assert time.monotonic() < end, "waited in vain"
        time.sleep(0.02)


def wait_for_engine(api: Api) -> None:
    """Until the API has heard of the engine."""
    with api.client.websocket_connect("/engine/stream", headers=bearer(api)) as socket:
        while socket.receive_json()["sequence"] < 3:
            pass
    assert api.desk.link.engine is not None


def bearer(api: Api, who: str = "viewer") -> dict[str, str]:
    return {"Authorization": f"Bearer {api.tokens[who]}", "host": "127.0.0.1:8080"}


@pytest.mark.parametrize("verb", ["pause", "resume", "flatten", "stop"])
def test_command_reaches_the_engine_with_who_and_why(tmp_path: Path, verb: str) -> None:
    with engine_in(tmp_path) as engine, serving(tmp_path) as api:
        reply = api.ask("POST", f"/engine/{verb}", "operator", json={"reason": "news"})
        assert reply.status_code == HTTPStatus.OK
        assert reply.json()["is_accepted"] is True
        assert engine.told == [(verb, "operator (token)", "news")]
    [line] = (tmp_path / AUDIT).read_text().splitlines()
    told = json.loads(line)
    assert (told["verb"], told["who"]) == (verb, "operator (token)")
    assert (told["reason"], told["outcome"]) == ("news", "accepted")


def test_command_refused_by_the_engine_is_a_conflict_with_its_words(
    tmp_path: Path,
) -> None:
    with engine_in(tmp_path) as engine, serving(tmp_path) as api:
        engine.refuses = "positions or orders are still open"
        body = {"reason": "checked", "rebase_peak": True}
        reply = api.ask("POST", "/engine/reset", "operator", json=body)
        assert reply.status_code == HTTPStatus.CONFLICT
        assert reply.json()["detail"].endswith("positions or orders are still open")
    assert "refused: positions" in (tmp_path / AUDIT).read_text()


def test_command_without_an_engine_is_a_conflict_and_kept(tmp_path: Path) -> None:
    with serving(tmp_path) as api:
        reply = api.ask("POST", "/engine/pause", "operator", json={})
        assert reply.status_code == HTTPStatus.CONFLICT
        assert "No engine is running" in reply.json()["detail"]
    assert "No engine is running" in (tmp_path / AUDIT).read_text()


@pytest.mark.parametrize(
    ("verb", "body", "where"),
    [
        ("reset", {}, "body.reason"),
        ("reset", {"reason": ""}, "body.reason"),
        ("pause", {"reason": "x" * 2_001}, "body.reason"),
        ("pause", {"why": "x"}, "body.why"),
        ("pause", [], "body"),
    ],
)
def test_command_malformed_body_says_what_and_where(
    tmp_path: Path, verb: str, body: object, where: str
) -> None:
    with engine_in(tmp_path) as engine, serving(tmp_path) as api:
        reply = api.ask("POST", f"/engine/{verb}", "operator", json=body)
        assert reply.status_code == HTTPStatus.UNPROCESSABLE_ENTITY
        assert reply.json()["errors"][0]["where"] == where
        assert engine.told == []


def test_state_without_an_engine_is_plain(tmp_path: Path) -> None:
    with serving(tmp_path) as api:
        told = api.ask("GET", "/engine/status", "viewer").json()
        assert (told["engine"], told["age_ms"], told["kill"]) == (None, None, None)
        assert told["process"]["is_running"] is False
        for path in ("position", "orders", "books", "risk"):
            reply = api.ask("GET", f"/engine/{path}", "viewer")
            assert reply.status_code == HTTPStatus.CONFLICT
        assert api.ask("GET", "/engine/fills", "viewer").json() == []
        ready = api.ask("GET", "/health/ready", "viewer")
        assert ready.status_code == HTTPStatus.SERVICE_UNAVAILABLE
        assert ready.json()["why"] == "no engine is running"
        assert "mft_engine_up 0.0" in api.ask("GET", "/metrics", "viewer").text


def test_state_of_an_engine_is_told_as_it_is(tmp_path: Path) -> None:
    with engine_in(tmp_path, **STATE), serving(tmp_path) as api:
        wait_for_engine(api)
        assert api.ask("GET", "/engine/status", "viewer").json()["engine"] == STATE
        for path, name in (
            ("position", "positions"),
            ("orders", "orders"),
            ("books", "books"),
        ):
            reply = api.ask("GET", f"/engine/{path}", "viewer")
            assert reply.json() == STATE[name]
        risk = api.ask("GET", "/engine/risk", "viewer").json()
        assert risk["refused"] == {"cooldown": 1}
        assert risk["limits"] == STATE["limits"]
        ready = api.ask("GET", "/health/ready", "viewer")
        assert (ready.status_code, ready.json()["why"]) == (HTTPStatus.OK, "")


@pytest.mark.parametrize(
    ("change", "why"),
    [
        ({"killed": {"reason": "drawdown"}}, "killed: drawdown"),
        ({"books": {"BTCUSDT": BOOK | {"state": "GAP"}}}, "no book is SYNCED"),
        ({"books": {}}, "no book is SYNCED"),
    ],
)
def test_ready_engine_that_cannot_trade_says_why(
    tmp_path: Path, change: dict[str, Any], why: str
) -> None:
    with engine_in(tmp_path, **(STATE | change)), serving(tmp_path) as api:
        wait_for_engine(api)
        reply = api.ask("GET", "/health/ready", "viewer")
        assert reply.status_code == HTTPStatus.SERVICE_UNAVAILABLE
        assert reply.json()["why"] == why


def test_metrics_of_an_engine_have_its_figures(tmp_path: Path) -> None:
    with engine_in(tmp_path, **STATE), serving(tmp_path) as api:
        wait_for_engine(api)
        lines = api.ask("GET", "/metrics", "viewer").text.splitlines()
    for line in (
        'mft_book_state{state="SYNCED",symbol="BTCUSDT"} 1.0',
        'mft_book_state{state="GAP",symbol="BTCUSDT"} 0.0',
        'mft_book_view_age_seconds{symbol="BTCUSDT"} 0.012',
        'mft_gaps_total{symbol="BTCUSDT"} 1.0',
        "mft_equity 9999.5",
        "mft_funding -0.1",
        "mft_killed 0.0",
        "mft_alarm 0.0",
        'mft_limit_used{limit="daily_loss"} 0.5',
        'mft_latency_seconds_bucket{le="3.2768e-05",stage="decision"} 39.0',
        'mft_latency_seconds_bucket{le="+Inf",stage="decision"} 40.0',
        'mft_latency_seconds_sum{stage="decision"} 6e-05',
        'mft_latency_seconds_bucket{le="0.004980736",stage="decision"} 39.0',
        'mft_latency_seconds_bucket{le="0.019922944",stage="decision"} 39.0',
        'mft_book_entered_total{state="GAP",symbol="BTCUSDT"} 1.0',
        'mft_book_entered_total{state="STALE",symbol="BTCUSDT"} 0.0',
        'mft_resyncs_total{symbol="BTCUSDT"} 1.0',
        'mft_messages_total{kind="trade"} 3.0',
        "mft_engine_begun_anew_total 2.0",
        "mft_engine_wanted 0.0",
        "mft_recorder_waiting_bytes 512.0",
        "mft_gross -0.25",
        "mft_fills_total 2.0",
        "mft_signals_total 3.0",
        'mft_refused_total{reason="cooldown"} 1.0',
        'mft_refused_total{reason="paused"} 0.0',
    ):
        assert line in lines


def test_metrics_of_an_engine_that_runs_and_says_nothing_tell_so(
    tmp_path: Path,
) -> None:
    with DataDirectory(tmp_path), serving(tmp_path) as api:
        lines = api.ask("GET", "/metrics", "viewer").text.splitlines()
        assert "mft_engine_up 1.0" in lines
        assert "mft_engine_answers 0.0" in lines
        with engine_in(tmp_path, **STATE):
            wait_for_engine(api)
            lines = api.ask("GET", "/metrics", "viewer").text.splitlines()
            assert "mft_engine_answers 1.0" in lines


def journal_of(path: Path, run_id: str, number: int) -> None:
    """A journal that holds so many entries of a run."""
    journal = Journal(path, run_id)
    journal.append(journal_entries(number)[:number])
    journal.close()


@pytest.mark.parametrize(
    ("run_id", "held", "lag"), [("run-1", 7, 0), ("run-1", 4, 3), ("run-0", 7, 7)]
)
def test_metrics_journal_lag_is_what_its_file_does_not_hold(
    tmp_path: Path, run_id: str, held: int, lag: int
) -> None:
    journal_of(tmp_path / JOURNAL, run_id, held)
    with engine_in(tmp_path, **STATE), serving(tmp_path) as api:
        wait_for_engine(api)
        lines = api.ask("GET", "/metrics", "viewer").text.splitlines()
    assert f"mft_journal_lag_entries {lag}.0" in lines
    assert "mft_journal_readable 1.0" in lines


def test_metrics_of_a_journal_that_is_gone_or_broken_say_so(tmp_path: Path) -> None:
    with engine_in(tmp_path, **STATE), serving(tmp_path) as api:
        wait_for_engine(api)
        told = api.ask("GET", "/metrics", "viewer").text
        assert "mft_journal_lag_entries 7.0" in told
        (tmp_path / JOURNAL).write_bytes(b"no database" * 100)
        told = api.ask("GET", "/metrics", "viewer").text
    assert "mft_journal_readable 0.0" in told
    assert "mft_journal_lag_entries" not in told
    assert "mft_equity 9999.5" in told


def test_metrics_of_an_engine_that_was_given_up_say_it_is_wanted(
    tmp_path: Path,
) -> None:
    with serving(tmp_path) as api:
        assert "mft_engine_wanted 0.0" in api.ask("GET", "/metrics", "viewer").text
        api.desk.supervisor.want(["--symbols", "no-such-thing", "--nonsense"])
        wait_for(lambda: api.desk.supervisor.standing.problem)
        assert not api.desk.supervisor.standing.is_wanted
        assert "mft_engine_wanted 1.0" in api.ask("GET", "/metrics", "viewer").text
        api.desk.supervisor.release()
        assert "mft_engine_wanted 0.0" in api.ask("GET", "/metrics", "viewer").text


def test_metrics_of_a_killed_account_say_so_without_an_engine(tmp_path: Path) -> None:
    with serving(tmp_path) as api:
        assert "mft_killed 0.0" in api.ask("GET", "/metrics", "viewer").text
        (tmp_path / KILL_LATCH).touch()
        assert "mft_killed 1.0" in api.ask("GET", "/metrics", "viewer").text
    killed = STATE | {"killed": {"reason": "drawdown"}}
    (tmp_path / KILL_LATCH).unlink()
    with engine_in(tmp_path, **killed), serving(tmp_path) as api:
        wait_for_engine(api)
        assert "mft_killed 1.0" in api.ask("GET", "/metrics", "viewer").text


def test_stream_client_that_says_anything_is_told_on(tmp_path: Path) -> None:
    with engine_in(tmp_path, **STATE), serving(tmp_path) as api:
        headers = bearer(api)
        with api.client.websocket_connect("/engine/stream", headers=headers) as socket:
            socket.send_bytes(b"\x00")
            socket.send_text("hello")
            assert [socket.receive_json()["sequence"] for _ in range(4)] == [1, 2, 3, 4]


def test_stream_tells_a_snapshot_then_patches_that_make_the_newest_state(
    tmp_path: Path,
) -> None:
    with engine_in(tmp_path, **STATE) as engine, serving(tmp_path) as api:
        wait_for_engine(api)
        headers = bearer(api)
        with api.client.websocket_connect("/engine/stream", headers=headers) as socket:
            first = socket.receive_json()
            assert (first["type"], first["sequence"]) == ("snapshot", 1)
            state, sequence = first["state"], 1
            assert state["engine"]["equity"] == "9999.5"
            engine.state = STATE | {"equity": "9000.0", "positions": []}
            while state["engine"]["equity"] != "9000.0":
                told = socket.receive_json()
                sequence += 1
                assert (told["type"], told["sequence"]) == ("delta", sequence)
                state = merged(state, told["patch"])
            assert state["engine"] == engine.state


def test_stream_without_news_says_that_it_is_there(tmp_path: Path) -> None:
    with serving(tmp_path) as api:
        headers = bearer(api)
        with api.client.websocket_connect("/engine/stream", headers=headers) as socket:
            assert socket.receive_json()["type"] == "snapshot"
            for sequence in (2, 3):
                told = socket.receive_json()
                assert (told["sequence"], told["patch"]) == (sequence, {})


def _read_on(socket: WebSocketTestSession) -> NoReturn:
    while True:
        socket.receive_json()


def test_stream_of_a_session_that_is_logged_out_of_ends(tmp_path: Path) -> None:
    with engine_in(tmp_path, **STATE), serving(tmp_path) as api:
        header = api.login("viewer")
        own = {
            "host": "127.0.0.1:8080",
            "cookie": f"{COOKIE}={api.client.cookies[COOKIE]}",
        }
        with api.client.websocket_connect("/engine/stream", headers=own) as socket:
            assert socket.receive_json()["type"] == "snapshot"
            assert api.ask("DELETE", "/session", headers=header).status_code == 204
            with pytest.raises(WebSocketDisconnect) as ended:
                _read_on(socket)
        assert ended.value.reason == "the session is over"


@pytest.mark.parametrize("header", [{}, {"Authorization": "Bearer guess"}])
def test_stream_without_a_token_is_refused(
    tmp_path: Path, header: dict[str, str]
) -> None:
    with serving(tmp_path) as api:
        headers = {**header, "host": "127.0.0.1:8080"}
        with (
            pytest.raises(WebSocketDisconnect) as refused,
            api.client.websocket_connect("/engine/stream", headers=headers),
        ):
            pass
        assert refused.value.code == 1008


def test_stream_of_a_foreign_page_is_refused(tmp_path: Path) -> None:
    with serving(tmp_path) as api:
        api.login("operator")
        headers = {"host": "127.0.0.1:8080", "origin": "http://evil.example"}
        with (
            pytest.raises(WebSocketDisconnect) as refused,
            api.client.websocket_connect("/engine/stream", headers=headers),
        ):
            pass
        assert refused.value.reason == "Pages of evil.example may not ask here"


def test_kill_of_an_engine_on_paper_follows_it_until_it_is_flat(tmp_path: Path) -> None:
    killed = {"reason": "command", "detail": "", "since_ns": 1, "flat_after_ns": None}
    state = whole_state()
    with engine_in(tmp_path, **state) as engine, serving(tmp_path) as api:
        reply = api.ask("POST", "/engine/kill", "operator", json={"reason": "wrong"})
        assert reply.status_code == HTTPStatus.ACCEPTED
        assert engine.told == [("kill", "operator (token)", "wrong")]
        again = api.ask("POST", "/engine/kill", "operator")
        assert again.status_code == HTTPStatus.ACCEPTED
        assert [verb for verb, *_ in engine.told] == ["kill", "kill"]
        engine.state = state | {"killed": killed | {"flat_after_ns": 7_000_000}}
        told = wait_until_done(api)
    assert told["after_ms"] == 7
    assert told["problem"] == ""
    assert "the engine has taken the kill" in told["steps"]


def test_kill_is_forgotten_once_its_switch_is_reset(tmp_path: Path) -> None:
    killed = {"reason": "command", "detail": "", "since_ns": 1, "flat_after_ns": 9}
    begun_ns = time.time_ns()
    with engine_in(tmp_path, **whole_state()) as engine, serving(tmp_path) as api:
        wait_for_engine(api)
        assert api.ask("POST", "/engine/kill", "operator").status_code == 202
        engine.state = whole_state() | {"killed": killed}
        assert begun_ns <= wait_until_done(api)["asked_ns"] <= time.time_ns()
        wait_for(
            lambda: api.ask("GET", "/engine/risk", "viewer").json()["killed"]
            is not None
        )
        engine.state = whole_state()
        wait_for(
            lambda: api.ask("GET", "/engine/status", "viewer").json()["kill"] is None
        )


def test_kill_that_failed_is_told_on_beside_an_engine_that_trades() -> None:
    desk = KillDesk(Path("nowhere"), Audit(Path("nowhere")))
    desk.progress = KillProgress([], 1, is_done=True, problem="the disk hangs")
    desk.notice({"killed": None})
    assert desk.progress is not None
    desk.close()


def test_kill_that_is_reset_while_it_is_followed_is_forgotten_at_its_end() -> None:
    desk = KillDesk(Path("nowhere"), Audit(Path("nowhere")))
    told = desk.progress = KillProgress([], 1)
    desk.notice({"killed": {"reason": "command"}})
    desk.notice({"killed": None})
    assert desk.progress, "it is followed still"
    desk._finish(StoreError("the disk hangs"), told, lambda: None)
    desk.close()
    assert told.problem == "the disk hangs"
    assert vars(desk)["progress"] is None


def test_metrics_beside_an_engine_of_an_earlier_version_tell_the_rest(
    tmp_path: Path,
) -> None:
    old = STATE | {"counts": STATE["counts"] | {"book_states": {"SYNCED": 2}}}
    old["counts"].pop("entries")
    for name in ("messages", "begun_anew"):
        old.pop(name)
    old["histograms"] = {"decision": {"count": 1, "total_ns": 1, "below": [1] * 16}}
    with engine_in(tmp_path, **old), serving(tmp_path) as api:
        wait_for_engine(api)
        reply = api.ask("GET", "/metrics", "viewer")
    assert reply.status_code == HTTPStatus.OK
    assert "mft_equity 9999.5" in reply.text
    assert "mft_latency_seconds_bucket" not in reply.text
    assert "mft_journal_lag_entries" not in reply.text


def test_kill_without_an_engine_leaves_the_latch(tmp_path: Path) -> None:
    with serving(tmp_path) as api:
        assert api.ask("POST", "/engine/kill", "operator").status_code == 202
        told = wait_until_done(api)
    assert (tmp_path / KILL_LATCH).exists()
    assert any("kill latch is in place" in step for step in told["steps"])


@pytest.mark.parametrize("name", [AUDIT, KILL_LATCH])
def test_kill_while_the_disk_hangs_is_answered_and_others_are_heard(
    tmp_path: Path, name: str
) -> None:
    hangs = name if name == AUDIT else f"{name}.{os.getpid()}.partial"
    os.mkfifo(tmp_path / hangs)  # to open it for writing waits for ever
    with serving(tmp_path) as api:
        assert api.ask("POST", "/engine/kill", "operator").status_code == 202
        told = wait_until_done(api)
        assert api.ask("GET", "/health/live").status_code == HTTPStatus.OK
    if name == AUDIT:
        assert (tmp_path / KILL_LATCH).exists()
    else:
        assert "not written yet: the disk hangs" in told["problem"]


def test_kill_without_the_accounts_keys_is_followed_on_the_engine(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in SECRETS:
        monkeypatch.delenv(name, raising=False)
    leave_access(tmp_path / ACCESS, Access(Mode.DEMO, DEMO.rest))
    killed = {"reason": "command", "detail": "", "since_ns": 1, "flat_after_ns": 9}
    state = whole_state() | {"killed": killed}
    with engine_in(tmp_path, **state), serving(tmp_path) as api:
        assert api.ask("POST", "/engine/kill", "operator").status_code == 202
        told = wait_until_done(api)
    assert (told["after_ms"], told["problem"]) == (0, "")
    assert "the engine has taken the kill" in told["steps"]
    assert any("cannot be asked from here" in step for step in told["steps"])


def test_stop_while_the_engine_is_starting_ends_it(tmp_path: Path) -> None:
    with serving(tmp_path) as api:
        api.desk.supervisor._command = ("sh", "-c", "exec sleep 600")
        started = api.ask("POST", "/engine/start", "operator", json={})
        assert started.status_code == HTTPStatus.ACCEPTED
        wait_for(lambda: api.desk.supervisor._child is not None)
        reply = api.ask("POST", "/engine/stop", "operator", json={"reason": "no"})
        assert reply.status_code == HTTPStatus.OK, reply.text
        assert reply.json()["detail"] == "it was still starting"
        wait_for(lambda: api.desk.supervisor._child is None)
        assert not api.desk.supervisor.standing.is_wanted
    *_, line = (tmp_path / AUDIT).read_text().splitlines()
    assert json.loads(line)["outcome"] == "it was still starting"


def test_kill_while_every_other_thread_waits_is_told_at_once(tmp_path: Path) -> None:
    go_on = threading.Event()
    with engine_in(tmp_path, **whole_state()) as engine, serving(tmp_path) as api:

        async def occupy() -> None:
            loop = asyncio.get_running_loop()
            for _ in range(64):  # more than the loop has threads of its own
                loop.run_in_executor(None, go_on.wait)

        try:
            assert api.client.portal is not None
            api.client.portal.call(occupy)
            reply = api.ask("POST", "/engine/kill", "operator")
            assert reply.status_code == HTTPStatus.ACCEPTED
            assert [verb for verb, *_ in engine.told] == ["kill"]
        finally:
            go_on.set()


def test_kill_whose_latch_cannot_be_written_says_so(tmp_path: Path) -> None:
    (tmp_path / KILL_LATCH).mkdir()
    with serving(tmp_path) as api:
        assert api.ask("POST", "/engine/kill", "operator").status_code == 202
        told = wait_until_done(api)
    assert f"{KILL_LATCH}: " in told["problem"]
    assert told["after_ms"] is None


def test_journal_entries_are_told_newest_first_and_by_kind(tmp_path: Path) -> None:
    entries = journal_entries(3)
    for run_id in ("20260101T000000000-aaaaaaaa", "20260102T000000000-bbbbbbbb"):
        journal = Journal(tmp_path / JOURNAL, run_id)
        journal.append(entries)
        journal.close()
    with serving(tmp_path) as api:
        told = api.ask("GET", "/engine/events?limit=1000", "viewer").json()
        assert len(told) == 2 * len(entries)
        places = [(entry["run_id"], entry["sequence"]) for entry in told]
        assert places == sorted(places, reverse=True)
        fills = api.ask("GET", "/engine/fills", "viewer").json()
        assert {fill["kind"] for fill in fills} == {"fill", "outside_fill"}
        assert {f["price"] for f in fills if f["kind"] == "fill"} == {"31000.05"}
        assert len(api.ask("GET", "/engine/fills?limit=3", "viewer").json()) == 3
        wrong = api.ask("GET", "/engine/signals?limit=0", "viewer")
        assert wrong.json()["errors"][0]["where"] == "query.limit"


def test_journal_entries_of_a_quiet_symbol_are_told_however_busy_others_are(
    tmp_path: Path,
) -> None:
    quiet = [run_started(), *facts_of_every_kind(START_NS, 0)]
    busy = [
        msgspec.structs.replace(fact, symbol="ETHUSDT")
        for number in range(1, 30)
        for fact in facts_of_every_kind(START_NS, number)
    ]
    journal = Journal(tmp_path / JOURNAL, "20260101T000000000-aaaaaaaa")
    journal.append([JournalEntry(*one) for one in enumerate([*quiet, *busy])])
    journal.close()
    with serving(tmp_path) as api:
        for path in ("fills", "signals", "events"):
            asked = f"/engine/{path}?symbol=BTCUSDT&limit=20"
            told = api.ask("GET", asked, "viewer").json()
            assert {entry["symbol"] for entry in told} == {"BTCUSDT"}
            newest = api.ask("GET", f"/engine/{path}?limit=20", "viewer").json()
            assert {entry["symbol"] for entry in newest} == {"ETHUSDT"}
        asked = "/engine/events?symbol=BTCUSDT&kind=signal"
        [signal] = api.ask("GET", asked, "viewer").json()
        assert signal["kind"] == "signal"
        none = api.ask("GET", "/engine/fills?symbol=SOLUSDT", "viewer")
        assert none.json() == []
        for wrong in ("btcusdt", "BTC%20USDT", "A" * 41):
            reply = api.ask("GET", f"/engine/fills?symbol={wrong}", "viewer")
            assert reply.status_code == HTTPStatus.UNPROCESSABLE_ENTITY
            assert reply.json()["errors"][0]["where"] == "query.symbol"


def test_openapi_describes_what_is_sent(tmp_path: Path) -> None:
    with serving(tmp_path) as api:
        described = api.app.openapi()
    schemas = described["components"]["schemas"]
    assert "equity" in schemas["Telemetry"]["properties"]
    assert described["security"] == [{"token": []}, {"page": []}]
    for path in described["paths"].values():
        for operation in path.values():
            assert operation["summary"]
            assert operation["description"]


json_values = st.recursive(
    st.booleans() | st.integers(-9, 9) | st.text(max_size=3),
    lambda inner: st.lists(inner, max_size=3)
    | st.dictionaries(st.text(max_size=2), inner, max_size=4),
    max_leaves=12,
)


@given(before=json_values, after=json_values)
def test_patch_between_any_two_values_makes_one_of_the_other(
    before: object, after: object
) -> None:
    assert merged(before, patch_between(before, after)) == after
