"""`mft scan`: what it prints is what it keeps, over recordings and the live market."""

import json
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from connectors.clickhouse import ClickHouse
from tests.flows.replay_samples import journal_of, run_mft, synthetic


def scanned(*arguments: object) -> list[dict[str, Any]]:
    """What `mft scan` prints as JSON."""
    ended = run_mft("scan", *arguments, "--json")
    assert ended.returncode == 0, ended.stderr
    found: list[dict[str, Any]] = json.loads(ended.stdout)
    return found


def kept_in(out: Path) -> list[tuple[Any, ...]]:
    """Symbol, verdict, reasons, cost and seconds of each row in ClickHouse."""
    store = ClickHouse.open_embedded(out / "clickhouse")
    try:
        return store.query(
            "SELECT symbol, verdict, reasons, cost_bps, seconds FROM scans "
            "ORDER BY cost_bps"
        )
    finally:
        store.close()


def test_mft_scan_recording_keeps_in_clickhouse_what_it_prints(tmp_path: Path) -> None:
    out = tmp_path / "out"
    found = scanned(synthetic(tmp_path, seconds=90), "--out", out)
    assert {one["symbol"] for one in found} == {"BTCUSDT", "ETHUSDT"}
    assert kept_in(out) == [
        (
            one["symbol"],
            one["verdict"],
            "; ".join(one["reasons"]),
            Decimal(one["cost_bps"]),
            one["seconds"],
        )
        for one in found
    ]
    kinds = [row.kind for row in journal_of(out)]
    assert kinds == ["run_started", "scanned", "scanned"]


def test_mft_scan_live_market_is_watched_for_the_duration(
    tmp_path: Path, exchange: str
) -> None:
    symbols = ("--symbols", "BTCUSDT", "--exchange", exchange)
    (one,) = scanned(*symbols, "--duration", 4, "--out", tmp_path / "out")
    assert one["symbol"] == "BTCUSDT"
    assert one["seconds"] >= 2
    assert Decimal(one["cost_bps"]) > Decimal(one["fee_bps"])


def test_mft_scan_summary_shows_each_instrument_with_its_reasons(
    tmp_path: Path,
) -> None:
    recording = synthetic(tmp_path, seconds=30)
    ended = run_mft("scan", recording, "--out", tmp_path / "out", "--sort", "depth")
    assert ended.returncode == 0, ended.stderr
    assert "BTCUSDT: Doubtful: only 29 s were seen" in ended.stdout
    assert str(tmp_path / "out") in ended.stdout
    assert " 29 s" in ended.stdout
    assert (
        "Fees of 10 bps a round trip (setting taker_fee_bps) alone ask for 71.4 % of "
        "trades to win."
    ) in ended.stdout


def test_mft_scan_summary_names_hold_and_fees_as_they_are_set(tmp_path: Path) -> None:
    options = ("--set", "max_hold_s=5", "--set", "taker_fee_bps=4.5")
    recording = synthetic(tmp_path, seconds=30)
    ended = run_mft("scan", recording, "--out", tmp_path / "out", *options)
    assert ended.returncode == 0, ended.stderr
    assert "vol 5 s" in ended.stdout
    assert "Fees of 9 bps a round trip" in ended.stdout


def test_mft_scan_filters_show_only_what_was_asked_for(tmp_path: Path) -> None:
    recording = synthetic(tmp_path, seconds=30)
    wanted = ("--symbols", "ethusdt", "--verdict", "doubtful")
    found = scanned(recording, "--out", tmp_path / "a", *wanted)
    assert [one["symbol"] for one in found] == ["ETHUSDT"]
    assert scanned(recording, "--out", tmp_path / "b", "--verdict", "suitable") == []


@pytest.mark.parametrize(
    ("option", "value"), [("--sort", "beauty"), ("--verdict", "splendid")]
)
def test_mft_scan_unknown_column_or_verdict_is_refused_with_what_there_is(
    tmp_path: Path, option: str, value: str
) -> None:
    recording = synthetic(tmp_path, seconds=2)
    ended = run_mft("scan", recording, "--out", tmp_path / "out", option, value)
    assert ended.returncode == 2
    assert f"Expected {option} as one of" in ended.stderr
    assert not (tmp_path / "out").exists()


def test_mft_scan_unreadable_recording_leaves_nothing_behind(tmp_path: Path) -> None:
    broken = tmp_path / "broken.jsonl.gz"
    broken.write_bytes(b"no recording")
    ended = run_mft("scan", broken, "--out", tmp_path / "out")
    assert ended.returncode == 1
    assert str(broken) in ended.stderr
    assert not (tmp_path / "out").exists()
