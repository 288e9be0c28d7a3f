"""`mft trade --mode loopback`: orders leave, and every one of them is accounted for."""

import json
import os
import signal
from decimal import Decimal
from functools import partial
from pathlib import Path

import pytest

from tests.flows.engine_process import kinds_of, rows_of, wait_for
from tests.flows.replay_samples import journal_of, run_mft
from tests.flows.trade_samples import (
    QUICK,
    account_of,
    approved_in,
    has_approved,
    is_reconciled,
    names_of,
    run_ids,
    trade,
    trades_of,
    venue_trades,
)


def test_mft_trade_loopback_agrees_with_the_exchange_to_the_last_digit(
    tmp_path: Path, exchange: str
) -> None:
    data = tmp_path / "data"
    engine = trade(exchange, data)
    try:
        wait_for(lambda: kinds_of(data).count("trade_closed") >= 3)
        status, out, err = engine.stop(signal.SIGTERM)
    finally:
        engine.end()
    assert status == 0, err
    account = account_of(exchange)
    assert account["positions"] == []
    assert trades_of(data) == venue_trades(account)
    assert Decimal(json.loads(out)["equity"]) == Decimal(account["wallet"])
    kinds = [row.kind for row in rows_of(data)]
    assert "reconciled" in kinds
    latency = json.loads(out)["order_latency"]
    assert latency["orders"] == kinds.count("approved")
    assert 0 < latency["placed_p50_ns"] <= latency["sent_p50_ns"]
    assert latency["sent_p50_ns"] <= latency["acked_p50_ns"]


def test_mft_trade_loopback_recording_replays_to_the_same_decisions(
    tmp_path: Path, exchange: str
) -> None:
    data = tmp_path / "data"
    engine = trade(exchange, data)
    try:
        wait_for(lambda: kinds_of(data).count("trade_closed") >= 2)
        status, _, err = engine.stop(signal.SIGTERM)
    finally:
        engine.end()
    assert status == 0, err
    [segment] = (data / "recording").glob("*.zst")
    out = tmp_path / "out"
    replayed = run_mft("replay", segment, "--out", out, *QUICK)
    assert replayed.returncode == 0, replayed.stderr
    ours = [(row.kind, row.body) for row in rows_of(data)][1:]
    theirs = [(row.kind, row.body) for row in journal_of(out)][1:]
    assert ours == theirs


@pytest.mark.untraced
def test_mft_trade_loopback_killed_again_and_again_loses_nothing(
    tmp_path: Path, exchange: str
) -> None:
    data = tmp_path / "data"
    for kill in range(1, 5):
        wanted = approved_in(data) + kill
        engine = trade(exchange, data)
        try:
            wait_for(partial(has_approved, data, wanted))
        finally:
            engine.end()  # kill -9
    engine = trade(exchange, data)
    try:
        wait_for(lambda: len(run_ids(data)) == 5)
        wait_for(lambda: is_reconciled(data))
        status, out, err = engine.stop(signal.SIGTERM)
    finally:
        engine.end()
    assert status == 0, err
    account = account_of(exchange)
    assert account["positions"] == []
    assert trades_of(data) == venue_trades(account)
    assert Decimal(json.loads(out)["equity"]) == Decimal(account["wallet"])
    assert set(names_of(account).values()) == {1}


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--mode", "real"], "Expected --mode paper, loopback, demo, live"),
        (["--mode", "live"], "Live trading needs a permit; none can be issued yet"),
        (["--mode", "loopback"], "Expected --exchange URL with --mode loopback"),
        (
            ["--mode", "loopback", "--exchange", "https://fapi.binance.com"],
            "Mode loopback does not sign requests to 'fapi.binance.com'",
        ),
        (
            ["--mode", "demo", "--exchange", "http://127.0.0.1:1"],
            "Mode demo does not sign requests to '127.0.0.1'",
        ),
        (["--mode", "demo"], "Expected an API key in MFT_BINANCE_KEY"),
    ],
)
def test_mft_trade_mode_that_cannot_be_is_refused_in_one_sentence(
    tmp_path: Path, arguments: list[str], said: str
) -> None:
    ended = run_mft("trade", *arguments, "--data", tmp_path / "data")
    assert ended.returncode == 2
    assert ended.stderr.startswith(f"mft: {said}"), ended.stderr
    assert not (tmp_path / "data").exists()


def test_mft_trade_loopback_key_that_is_not_accepted_is_one_sentence(
    tmp_path: Path, exchange: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(os.environ, "MFT_BINANCE_KEY", "another-key")
    monkeypatch.setitem(os.environ, "MFT_BINANCE_SECRET", "another-secret")
    mode = ("--mode", "loopback", "--exchange", exchange)
    ended = run_mft("trade", *mode, "--data", tmp_path / "data")
    assert ended.returncode == 2
    [sentence] = ended.stderr.splitlines()[-1:]
    assert "the key is not accepted: Invalid API-key" in sentence
    assert "another-" not in ended.stderr
