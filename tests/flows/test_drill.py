"""Kill drills on real processes: each scenario ends flat, and stays flat."""

import json
import os
import signal
from pathlib import Path

import msgspec
import pytest

from connectors.kill_latch import read_latch
from flows.drill import OUTAGE_MS, Result, Scenario
from tests.flows.engine_process import kinds_of, wait_for
from tests.flows.replay_samples import run_mft
from tests.flows.trade_samples import account_of, is_reconciled, trade

PATIENCE_MS = 30_000
"""What a drill may take on a machine that is busy with other tests."""


def drilled(tmp_path: Path, scenario: Scenario) -> Result:
    out = tmp_path / "drill"
    arguments = ("--scenario", scenario.value, "--out", out, "--json")
    ended = run_mft("drill", "kill", *arguments, timeout_s=180)
    assert ended.stderr == ""
    [result] = msgspec.json.decode(ended.stdout, type=list[Result])
    kept = msgspec.json.decode((out / scenario.value / "result.json").read_bytes())
    assert kept == json.loads(ended.stdout)[0]
    assert result.is_passed == (ended.returncode == 0)
    return result


@pytest.mark.parametrize("scenario", Scenario)
def test_mft_drill_kill_ends_flat_whatever_is_broken(
    tmp_path: Path, scenario: Scenario
) -> None:
    result = drilled(tmp_path, scenario)
    assert result.is_passed, result
    assert result.flat_after_ms is not None
    least_ms = OUTAGE_MS // 2 if scenario is Scenario.UNAVAILABLE else 0
    assert least_ms <= result.flat_after_ms < PATIENCE_MS
    data = tmp_path / "drill" / scenario.value
    if scenario.is_by_watchdog:
        latch = read_latch(data / "KILLED", 0)
        assert latch is not None
        why = {
            Scenario.HUNG: "the engine hangs",
            Scenario.CRASHED: "the engine has died",
            Scenario.DISK_FULL: "cannot be read",  # it is empty, and kills all the same
        }
        assert why[scenario] in latch.detail
        return
    assert "flat after" in result.said
    is_unlatched = scenario is Scenario.NO_LATCH
    assert result.status == (1 if is_unlatched else 0), result.said
    assert ("kill latch cannot be written" in result.said) == is_unlatched


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--mode", "live"], "Live trading needs a permit"),
        (["--mode", "paper"], "Kill drills never run in mode paper"),
        (["--scenario", "earthquake"], "Expected --scenario healthy, frozen"),
    ],
)
def test_mft_drill_kill_what_cannot_be_rehearsed_is_refused(
    tmp_path: Path, arguments: list[str], said: str
) -> None:
    ended = run_mft("drill", "kill", *arguments, "--out", tmp_path / "drill")
    assert ended.returncode == 2
    assert ended.stderr.startswith(f"mft: {said}"), ended.stderr


def test_mft_trade_frozen_engine_goes_on_killed_and_reconciled(
    tmp_path: Path, exchange: str
) -> None:
    data = tmp_path / "data"
    engine = trade(exchange, data, "--set", "max_hold_s=600")
    try:
        wait_for(lambda: account_of(exchange)["positions"])
        engine.process.send_signal(signal.SIGSTOP)
        wait_for(lambda: not account_of(exchange)["positions"])  # the watchdog
        engine.process.send_signal(signal.SIGCONT)
        wait_for(lambda: "kill_completed" in kinds_of(data) and is_reconciled(data))
        status, out, err = engine.stop(signal.SIGTERM)
    finally:
        engine.end()
    assert status == 0, err
    assert json.loads(out)["killed"]["flat_after_ns"] is not None
    assert account_of(exchange)["positions"] == []
    assert json.loads(out)["equity"] == account_of(exchange)["wallet"]


def test_mft_trade_watchdog_that_ends_is_started_again(
    tmp_path: Path, exchange: str
) -> None:
    data = tmp_path / "data"
    engine = trade(exchange, data)
    try:
        wait_for(engine.children)
        [first] = engine.children()
        os.kill(first, signal.SIGKILL)
        wait_for(lambda: [pid for pid in engine.children() if pid != first])
        status, _, err = engine.stop(signal.SIGTERM)
    finally:
        engine.end()
    assert status == 0, err
    assert "watchdog_lost" in err
