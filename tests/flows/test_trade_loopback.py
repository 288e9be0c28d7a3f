"""`mft trade --mode loopback`: orders leave, and every one of them is accounted for."""

import json
import os
import signal
from collections import Counter
from collections.abc import Iterator
from decimal import Decimal
from functools import partial
from pathlib import Path
from typing import Any
from urllib.request import urlopen

import msgspec
import pytest

from connectors.journal import JournalReader, JournalRow
from tests.flows.engine_process import Running, kinds_of, rows_of, wait_for
from tests.flows.replay_samples import journal_of, run_mft

QUICK = ("--set", "max_hold_s=2", "--set", "cooldown_ms=200")


@pytest.fixture
def exchange() -> Iterator[str]:
    """A synthetic exchange's address."""
    running = Running("exchange", "--port", 0, "--seed", 3)
    try:
        yield running.line().split()[1]
    finally:
        running.end()


def account_of(url: str) -> dict[str, Any]:
    """The exchange's own record."""
    with urlopen(f"{url}/admin/account", timeout=30) as reply:  # noqa: S310 - loopback
        found: dict[str, Any] = json.load(reply)
        return found


def every_row(data: Path) -> list[JournalRow]:
    reader = JournalReader(data / "journal.sqlite")
    try:
        return [
            row
            for run_id in reader.runs_back()
            for row in reader.events(run_id, 0, reader.last_sequence(run_id))
        ]
    finally:
        reader.close()


def trades_of(data: Path) -> Counter[tuple[str, str]]:
    return Counter(
        (row.symbol, msgspec.json.decode(row.body)["trade_id"])
        for row in every_row(data)
        if row.kind in {"fill", "outside_fill"}
    )


def venue_trades(account: dict[str, Any]) -> Counter[tuple[str, str]]:
    return Counter((fill["symbol"], str(fill["id"])) for fill in account["fills"])


def trade(url: str, data: Path, *more: object) -> Running:
    mode = ("trade", "--mode", "loopback", "--exchange", url, "--data", data)
    return Running(*mode, "--plain", "--json", *QUICK, *more)


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
        wanted = _approved(data) + kill
        engine = trade(exchange, data)
        try:
            wait_for(partial(_has_approved, data, wanted))
        finally:
            engine.end()  # kill -9
    engine = trade(exchange, data)
    try:
        wait_for(lambda: len({row.run_id for row in _rows(data)}) == 5)
        wait_for(lambda: _is_reconciled(data))
        status, out, err = engine.stop(signal.SIGTERM)
    finally:
        engine.end()
    assert status == 0, err
    account = account_of(exchange)
    assert account["positions"] == []
    assert trades_of(data) == venue_trades(account)
    assert Decimal(json.loads(out)["equity"]) == Decimal(account["wallet"])
    names = Counter(order["clientOrderId"] for order in account["orders"])
    assert set(names.values()) == {1}


def _approved(data: Path) -> int:
    return sum(row.kind == "approved" for row in _rows(data))


def _has_approved(data: Path, count: int) -> bool:
    return _approved(data) >= count


def _rows(data: Path) -> list[JournalRow]:
    return every_row(data) if (data / "journal.sqlite").exists() else []


def _is_reconciled(data: Path) -> bool:
    told = [
        msgspec.json.decode(row.body)["is_reconciled"]
        for row in rows_of(data)
        if row.kind == "reconciled"
    ]
    return told[-1:] == [True]


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
