"""A replay from recording to report, database and CSV files."""

import csv
import hashlib
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from connectors.clickhouse import ClickHouse
from flows.domain.errors import ConfigurationError, MarketDataError, RecordingError
from flows.replay import ReplayJob, replay
from flows.settings import load
from tests.flows.replay_samples import (
    journal_of,
    lines_of,
    report_of,
    synthetic,
    without_timing,
    write_lines,
)
from tests.recordings import CLIP, NO_SNAPSHOT, expected_symbols, recorded


def _job(out: Path, *recordings: Path, **options: Any) -> ReplayJob:
    assignments = options.pop("assignments", ())
    return ReplayJob(recordings, out, load(None, assignments), **options)


def _rows(path: Path) -> list[dict[str, str]]:
    with path.open(newline="") as file:
        return list(csv.DictReader(file))


def test_replay_synthetic_market_figures_agree_with_each_other(tmp_path: Path) -> None:
    out = tmp_path / "out"
    recording = synthetic(tmp_path, seconds=240)
    report = replay(_job(out, recording))
    totals: Any = report["totals"]
    pnl = {name: Decimal(value) for name, value in totals["pnl"].items()}
    assert report_of(out) == report
    assert totals["trades"] > 0
    assert pnl["net"] == pnl["gross"] - pnl["fees"]
    assert Decimal(totals["equity"]) == 10_000 + pnl["net"]
    assert totals["orders"] == len(_rows(out / "orders.csv"))
    assert totals["fills"] == len(_rows(out / "fills.csv"))
    trades = _rows(out / "trades.csv")
    assert totals["trades"] == len(trades)
    assert totals["wins"] == sum(Decimal(trade["net"]) > 0 for trade in trades)
    fees = sum(Decimal(fill["fee"]) for fill in _rows(out / "fills.csv"))
    assert fees == pnl["fees"]
    signals = _rows(out / "signals.csv")
    refused = sum(totals["refused"].values())
    entries = sum(order["purpose"] == "entry" for order in _rows(out / "orders.csv"))
    assert len(signals) == refused + entries


def test_replay_database_holds_every_journal_row_and_view(tmp_path: Path) -> None:
    out = tmp_path / "out"
    report: Any = replay(_job(out, synthetic(tmp_path, seconds=20)))
    applied = sum(facts["applied"] for facts in report["symbols"].values())
    store = ClickHouse.open_embedded(out / "clickhouse")
    try:
        ((journal,),) = store.query("SELECT count() FROM journal")
        ((views,),) = store.query("SELECT count() FROM book_views")
    finally:
        store.close()
    assert journal == len(journal_of(out))
    assert views == applied


@pytest.mark.parametrize("batch_size", [1, 7, 256])
def test_replay_batch_size_never_changes_the_journal(
    tmp_path: Path, batch_size: int
) -> None:
    recording = synthetic(tmp_path, seconds=30)
    usual = replay(_job(tmp_path / "usual", recording))
    for name in ("first", "second"):
        out = tmp_path / name
        job = _job(out, recording, assignments=[f"batch_size={batch_size}"])
        assert without_timing(replay(job)) == without_timing(usual)
        assert journal_of(out) == journal_of(tmp_path / "usual")


def test_replay_recorded_clip_equals_what_is_known_of_it(tmp_path: Path) -> None:
    out = tmp_path / "out"
    report: Any = replay(_job(out, recorded(CLIP), with_views=True))
    views = _rows(out / "views.csv")
    for symbol, known in expected_symbols(CLIP).items():
        facts = report["symbols"][symbol]
        assert facts["depth_events"] == known["depth"]
        assert facts["applied"] == known["applied"]
        assert facts["stale"] == known["stale_before_snapshot"]
        assert (facts["gaps"], facts["crossed"]) == (0, 0)
        assert facts["best_bid"] == known["final_best_bid"]
        assert facts["best_ask"] == known["final_best_ask"]
        assert facts["book_ticker_checked"] == facts["book_ticker_equal"] > 500
        tops = [
            ",".join([v["update_id"], v["bid_price"], v["bid_quantity"]])
            + f",{v['ask_price']},{v['ask_quantity']}\n"
            for v in views
            if v["symbol"] == symbol
        ]
        assert sum(facts["views"].values()) == len(tops) == known["applied"]
        digest = hashlib.sha256("".join(tops).encode()).hexdigest()
        assert digest == known["top_digest"]


def test_replay_without_snapshot_ends_without_trade_and_says_why(
    tmp_path: Path,
) -> None:
    report: Any = replay(_job(tmp_path / "out", recorded(NO_SNAPSHOT)))
    facts = report["symbols"]["BTCUSDT"]
    assert facts["applied"] == 0
    assert facts["waiting"] == facts["depth_events"] == 3_929
    assert facts["best_bid"] is None
    assert "never became valid" in facts["note"]
    assert report["totals"]["trades"] == report["totals"]["orders"] == 0


def test_replay_market_that_is_not_traded_says_so(tmp_path: Path) -> None:
    recording = recorded("coinm_10contracts_20210722_30s.jsonl.gz")
    report: Any = replay(_job(tmp_path / "out", recording))
    facts = report["symbols"]["BCHUSD_PERP"]
    assert facts["note"] == ("Trading is off: coin-m builds books and signals only.")
    assert facts["applied"] > 0
    assert set(report["totals"]["refused"]) == {"not_traded"}


def test_replay_spot_and_futures_of_one_symbol_is_refused_with_its_line(
    tmp_path: Path,
) -> None:
    spot = recorded("spot_btcusdt_20240808-09.jsonl.gz")
    futures = recorded("usdm_btcusdt_20240808.jsonl.gz")
    out = tmp_path / "out"
    with pytest.raises(MarketDataError, match=r"\.jsonl\.gz:\d+: .*spot.*usd-m"):
        replay(_job(out, spot, futures))
    assert not out.exists()


def test_replay_finished_output_is_refused_and_left_alone(tmp_path: Path) -> None:
    out = tmp_path / "out"
    recording = synthetic(tmp_path, seconds=5)
    replay(_job(out, recording))
    before = (out / "report.json").read_bytes()
    with pytest.raises(ConfigurationError, match="holds a finished run"):
        replay(_job(out, recording))
    assert (out / "report.json").read_bytes() == before


def test_replay_unfinished_output_of_other_settings_is_refused(tmp_path: Path) -> None:
    out = tmp_path / "out"
    recording = synthetic(tmp_path, seconds=5)
    replay(_job(out, recording))
    (out / "report.json").unlink()
    with pytest.raises(ConfigurationError, match=r"holds run .*other input"):
        replay(_job(out, recording, assignments=["target_bps=21"]))
    assert without_timing(replay(_job(out, recording)))["run_id"]


def test_replay_damaged_line_leaves_the_given_directory_empty(tmp_path: Path) -> None:
    lines = lines_of(synthetic(tmp_path, seconds=5))
    lines[200] = lines[200][:40] + b"\n"
    damaged = write_lines(tmp_path / "damaged.jsonl.gz", lines)
    out = tmp_path / "out"
    out.mkdir()
    with pytest.raises(RecordingError, match=r"damaged\.jsonl\.gz:201: "):
        replay(_job(out, damaged))
    assert list(out.iterdir()) == []


def test_replay_given_instruments_change_step_and_run_id(tmp_path: Path) -> None:
    recording = synthetic(tmp_path, seconds=60)
    info = tmp_path / "info.json"
    info.write_text(
        '{"symbols": [{"symbol": "ETHUSDT", "filters": ['
        '{"filterType": "PRICE_FILTER", "tickSize": "0.01"},'
        '{"filterType": "LOT_SIZE", "stepSize": "0.1"},'
        '{"filterType": "MIN_NOTIONAL", "notional": "5"}]}]}'
    )
    usual = replay(_job(tmp_path / "usual", recording))
    given = replay(_job(tmp_path / "given", recording, instruments=info))
    assert usual["run_id"] != given["run_id"]
    quantities = {
        Decimal(order["quantity"])
        for order in _rows(tmp_path / "given" / "orders.csv")
        if order["symbol"] == "ETHUSDT" and order["purpose"] == "entry"
    }
    assert quantities == {Decimal("0.3")}
