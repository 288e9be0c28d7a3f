"""A running engine under an operator's hand, on the loopback exchange."""

import signal
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import msgspec
import pytest

from connectors.control.protocol import Handled, Request
from flows import remote
from flows.domain.errors import TradingError
from tests.flows.engine_process import (
    PATIENCE_S,
    Running,
    kinds_of,
    rows_of,
    told_by,
    wait_for,
)
from tests.flows.replay_samples import journal_of, run_mft


@pytest.fixture(scope="module")
def url() -> Iterator[str]:
    """A synthetic exchange."""
    running = Running("exchange", "--port", 0, "--seed", 3)
    try:
        yield running.line().split()[1]
    finally:
        running.end()


def is_running(data: Path) -> bool:
    try:
        return bool(remote.status(data))
    except TradingError:
        return False


@contextmanager
def trading(url: str, data: Path) -> Iterator[Running]:
    """An engine that can be asked."""
    engine = Running("trade", "--exchange", url, "--data", data, "--plain")
    try:
        wait_for(lambda: is_running(data))
        yield engine
    finally:
        if engine.process.poll() is None:
            engine.process.send_signal(signal.SIGCONT)
        engine.end()


def say(data: Path, verb: str, reason: str = "drill") -> Handled:
    return remote.command(data, Request(verb, "ann", reason))


def bodies(data: Path, kind: str, since_ns: int = 0) -> list[dict[str, Any]]:
    """Journalled facts of a kind, by the last run, from a time on."""
    return [
        msgspec.json.decode(row.body)
        for row in rows_of(data)
        if row.kind == kind and row.received_ns >= since_ns
    ]


def entries(data: Path, since_ns: int = 0) -> list[dict[str, Any]]:
    """Entry orders sent."""
    orders = [body["order"] for body in bodies(data, "approved", since_ns)]
    return [order for order in orders if order["purpose"] == "entry"]


def refusals(data: Path, since_ns: int) -> set[str]:
    return {body["reason"] for body in bodies(data, "refused", since_ns)}


def is_flat(data: Path) -> bool:
    told = remote.status(data)
    return not (told.positions or told.orders)


def check_replay(data: Path, out: Path) -> None:
    """The last run's recording gives its journal again."""
    segment = max((data / "recording").glob("*.zst"))
    replayed = run_mft("replay", segment, "--out", out)
    assert replayed.returncode == 0, replayed.stderr
    assert told_by(rows_of(data)) == told_by(journal_of(out))


def test_command_every_verb_does_what_it_says_and_replays_the_same(
    tmp_path: Path, url: str
) -> None:
    data = tmp_path / "data"
    with trading(url, data) as engine:
        wait_for(lambda: entries(data))
        paused = say(data, "pause")
        wait_for(lambda: "paused" in refusals(data, paused.received_ns))
        assert remote.status(data).is_paused
        flattened = say(data, "flatten")
        wait_for(lambda: is_flat(data))
        assert entries(data, paused.received_ns) == []
        assert remote.status(data).is_flattening
        resumed = say(data, "resume")
        assert resumed.received_ns > flattened.received_ns
        wait_for(lambda: remote.status(data).positions)
        killed = say(data, "kill", "odd fills")
        assert killed.is_accepted
        wait_for((data / "KILLED").exists)  # at once, but for a very slow disk
        wait_for(lambda: is_flat(data))
        wait_for(lambda: "killed" in refusals(data, killed.received_ns))
        assert entries(data, killed.received_ns) == []
        stopped = say(data, "stop")
        assert stopped.is_accepted
        out, err = engine.process.communicate(timeout=PATIENCE_S)
        assert engine.process.returncode == 0, err
        assert "KILLED: command" in out
    assert bodies(data, "command_handled")[-1]["verb"] == "stop"
    assert kinds_of(data)[-1] == "run_ended"
    assert (data / "KILLED").exists()
    assert not (data / "control.sock").exists()
    check_replay(data, tmp_path / "out")


def test_kill_outlives_a_restart_until_a_reset_with_a_reason(
    tmp_path: Path, url: str
) -> None:
    data = tmp_path / "data"
    with trading(url, data) as engine:
        assert say(data, "kill", "odd fills").is_accepted
        engine.process.kill()
    with trading(url, data) as engine:
        wait_for(lambda: "killed" in refusals(data, 0))
        assert entries(data) == []
        told = remote.status(data)
        assert told.killed is not None
        assert (told.killed.reason, told.killed.detail) == ("command", "odd fills")
        refused = say(data, "reset", " ")
        assert (refused.is_accepted, refused.detail) == (
            False,
            "a reset needs a reason",
        )
        wait_for((data / "KILLED").exists)
        wait_for(lambda: not remote.status(data).alarm)
        reset = say(data, "reset", "fills explained")
        assert (reset.is_accepted, reset.alarm) == (True, "")
        assert not (data / "KILLED").exists()
        wait_for(lambda: entries(data, reset.received_ns))
        (data / "KILLED").touch()
        wait_for(lambda: bodies(data, "kill_tripped"))
        say(data, "stop")
        engine.process.communicate(timeout=PATIENCE_S)
    check_replay(data, tmp_path / "out")


def test_kill_frozen_engine_leaves_a_latch_that_kills_it_once_it_goes_on(
    tmp_path: Path, url: str
) -> None:
    data = tmp_path / "data"
    with trading(url, data) as engine:
        wait_for(lambda: entries(data))
        engine.process.send_signal(signal.SIGSTOP)
        killed = run_mft("kill", "--data", data, "--reason", "frozen", timeout_s=30)
        assert killed.returncode == 2
        assert "does not answer; its kill latch is in place" in killed.stderr
        assert (data / "KILLED").exists()
        assert bodies(data, "kill_tripped") == []
        engine.process.send_signal(signal.SIGCONT)
        wait_for(lambda: bodies(data, "kill_tripped"))
        wait_for(lambda: is_flat(data))
        [tripped] = bodies(data, "kill_tripped")
        assert tripped["detail"] == "frozen"
        assert engine.stop(signal.SIGTERM)[0] == 0


def test_mft_control_commands_tell_what_became_of_them(
    tmp_path: Path, url: str
) -> None:
    data = tmp_path / "data"
    at = ("--data", data)
    with trading(url, data) as engine:
        wait_for(lambda: remote.status(data).counts.orders)
        shown = run_mft("status", *at)
        assert shown.returncode == 0, shown.stderr
        assert "BTCUSDT: SYNCED" in shown.stdout
        killed = run_mft("kill", *at, "--reason", "drill", "--operator", "ann")
        assert "kill accepted" in killed.stdout + killed.stderr  # there: a slow disk
        assert bodies(data, "command_handled")[-1]["operator"] == "ann"
        reset = run_mft("reset", *at, "--reason", "")
        assert (reset.returncode, reset.stdout) == (1, "")
        assert reset.stderr == "mft: reset refused: a reset needs a reason\n"
        assert run_mft("stop", *at).returncode == 0
        _, err = engine.process.communicate(timeout=PATIENCE_S)
        assert engine.process.returncode == 0, err


def test_mft_kill_without_an_engine_is_not_lost_on_the_next(
    tmp_path: Path, url: str
) -> None:
    data = tmp_path / "data"
    data.mkdir()
    killed = run_mft("kill", "--data", data, "--reason", "holiday", "--operator", "ann")
    assert killed.returncode == 0
    assert "No engine is running" in killed.stdout
    assert "the next one starts killed" in killed.stdout
    with trading(url, data) as engine:
        wait_for(lambda: "killed" in refusals(data, 0))
        assert entries(data) == []
        assert say(data, "stop").is_accepted
        engine.process.communicate(timeout=PATIENCE_S)
    [opened] = bodies(data, "account_opened")
    assert opened["opening"]["kill_reason"] == "command"
