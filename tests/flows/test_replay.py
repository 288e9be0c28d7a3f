"""A replay from recording to report, database and CSV files."""

import csv
import hashlib
import os
import re
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

COUNTS = ("depth_events", "applied", "stale", "gaps", "duplicates", "waiting")
"""All depth events of a symbol, then what became of them."""


def _job(out: Path, *recordings: Path, **options: Any) -> ReplayJob:
    assignments = options.pop("assignments", ())
    return ReplayJob(recordings, out, load(None, assignments), **options)


def _rows(path: Path) -> list[dict[str, str]]:
    with path.open(newline="") as file:
        return list(csv.DictReader(file))


@pytest.fixture(scope="module")
def traded(tmp_path_factory: pytest.TempPathFactory) -> ReplayJob:
    """A finished replay of a market long enough for some trades."""
    folder = tmp_path_factory.mktemp("traded")
    job = _job(folder / "out", synthetic(folder, seconds=180))
    replay(job)
    return job


@pytest.fixture(scope="module")
def short(tmp_path_factory: pytest.TempPathFactory) -> ReplayJob:
    """A finished replay of a few seconds."""
    folder = tmp_path_factory.mktemp("short")
    job = _job(folder / "out", synthetic(folder, seconds=20))
    replay(job)
    return job


def test_replay_report_has_the_keys_and_types_that_are_promised(
    traded: ReplayJob,
) -> None:
    report = report_of(traded.out)
    assert set(report["symbols"]) == {"BTCUSDT", "ETHUSDT"}
    for facts in report["symbols"].values():
        for name in (*COUNTS, "book_ticker_checked", "book_ticker_equal"):
            assert type(facts[name]) is int
        for side in ("best_bid", "best_ask"):
            assert [type(part) for part in facts[side]] == [str, str]
        assert set(facts["views"]) == {"BUY", "SELL", "NEUTRAL"}
        assert set(facts["signals"]) == {"BUY", "SELL"}
        assert facts["note"] is None
    totals = report["totals"]
    for name in ("orders", "fills", "trades", "messages"):
        assert type(totals[name]) is int
    for name in ("win_rate", "profit_factor", "elapsed_s", "messages_per_s"):
        assert type(totals[name]) is float
    for amount in (*totals["pnl"].values(), totals["max_drawdown"], totals["equity"]):
        assert type(amount) is str
        assert "E" not in amount
    assert set(totals["pnl"]) == {"gross", "fees", "net"}
    assert {type(count) for count in totals["refused"].values()} <= {int}
    assert totals["kill"] is None


def test_replay_counts_of_depth_events_add_up(traded: ReplayJob) -> None:
    report = report_of(traded.out)
    for facts in report["symbols"].values():
        assert facts["depth_events"] == sum(facts[name] for name in COUNTS[1:])
    depth_events = [facts["depth_events"] for facts in report["symbols"].values()]
    assert report["totals"]["messages"] == sum(depth_events)


@pytest.mark.untraced
def test_replay_daily_loss_is_reported_as_kill(tmp_path: Path) -> None:
    limit = "max_daily_loss=0.01"
    job = _job(tmp_path / "out", synthetic(tmp_path, seconds=60), assignments=[limit])
    totals: Any = replay(job)["totals"]
    assert totals["kill"]["reason"] == "daily_loss"
    assert re.fullmatch(r"2026-01-01T00:0[01]:\d\d\.\d{9}Z", totals["kill"]["at"])
    assert totals["open_positions"] == {}
    assert totals["trades"] == 1


def test_replay_synthetic_market_figures_agree_with_each_other(
    traded: ReplayJob,
) -> None:
    out = traded.out
    totals = report_of(out)["totals"]
    pnl = {name: Decimal(value) for name, value in totals["pnl"].items()}
    assert totals["trades"] > 0
    assert pnl["net"] == pnl["gross"] - pnl["fees"]
    assert Decimal(totals["equity"]) == 10_000 + pnl["net"]
    assert totals["orders"] == len(_rows(out / "orders.csv"))
    assert totals["fills"] == len(_rows(out / "fills.csv"))
    trades = _rows(out / "trades.csv")
    assert totals["trades"] == len(trades)
    assert totals["wins"] == sum(Decimal(trade["net"]) > 0 for trade in trades)
    if not totals["open_positions"]:
        assert pnl["net"] == sum(Decimal(trade["net"]) for trade in trades)
    fees = sum(Decimal(fill["fee"]) for fill in _rows(out / "fills.csv"))
    assert fees == pnl["fees"]
    signals = _rows(out / "signals.csv")
    refused = sum(totals["refused"].values())
    entries = sum(order["purpose"] == "entry" for order in _rows(out / "orders.csv"))
    assert len(signals) == refused + entries


def test_replay_database_holds_every_journal_row_and_view(short: ReplayJob) -> None:
    out = short.out
    report = report_of(out)
    applied = sum(facts["applied"] for facts in report["symbols"].values())
    store = ClickHouse.open_embedded(out / "clickhouse")
    try:
        ((journal,),) = store.query("SELECT count() FROM journal")
        ((views,),) = store.query("SELECT count() FROM book_views")
    finally:
        store.close()
    assert journal == len(journal_of(out))
    assert views == applied


@pytest.mark.untraced
@pytest.mark.parametrize("batch_size", [1, 7, 256])
def test_replay_batch_size_never_changes_the_journal(
    tmp_path: Path, short: ReplayJob, batch_size: int
) -> None:
    usual = without_timing(report_of(short.out))
    for name in ("first", "second"):
        out = tmp_path / name
        assignments = [f"batch_size={batch_size}"]
        job = _job(out, *short.recordings, assignments=assignments)
        assert without_timing(replay(job)) == usual
        assert journal_of(out) == journal_of(short.out)


@pytest.mark.untraced
@pytest.mark.parametrize("name", [CLIP, "usdm_4alts_20210722_30s.jsonl.gz"])
def test_replay_recorded_market_equals_what_is_known_of_it(
    tmp_path: Path, name: str
) -> None:
    out = tmp_path / "out"
    report: Any = replay(_job(out, recorded(name), with_views=True))
    views = _rows(out / "views.csv")
    for symbol, known in expected_symbols(name).items():
        facts = report["symbols"][symbol]
        assert facts["depth_events"] == known["depth"]
        assert facts["applied"] == known["applied"]
        assert facts["stale"] == known["stale_before_snapshot"]
        assert (facts["gaps"], facts["crossed"]) == (0, 0)
        assert facts["best_bid"] == known["final_best_bid"]
        assert facts["best_ask"] == known["final_best_ask"]
        assert facts["book_ticker_checked"] == facts["book_ticker_equal"] > 50
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


def test_replay_finished_output_is_refused_and_left_alone(short: ReplayJob) -> None:
    before = (short.out / "report.json").read_bytes()
    with pytest.raises(ConfigurationError, match="holds a finished run"):
        replay(short)
    assert (short.out / "report.json").read_bytes() == before


def test_replay_unfinished_output_of_other_settings_is_refused(tmp_path: Path) -> None:
    out = tmp_path / "out"
    recording = synthetic(tmp_path, seconds=5)
    first = replay(_job(out, recording))
    (out / "report.json").unlink()
    with pytest.raises(ConfigurationError, match=r"holds run .*other input"):
        replay(_job(out, recording, assignments=["target_bps=21"]))
    assert without_timing(replay(_job(out, recording))) == without_timing(first)


def test_replay_damaged_line_leaves_the_given_directory_empty(tmp_path: Path) -> None:
    lines = lines_of(synthetic(tmp_path, seconds=5))
    lines[200] = lines[200][:40] + b"\n"
    damaged = write_lines(tmp_path / "damaged.jsonl.gz", lines)
    out = tmp_path / "out"
    out.mkdir()
    with pytest.raises(RecordingError, match=r"damaged\.jsonl\.gz:201: "):
        replay(_job(out, damaged))
    assert list(out.iterdir()) == []


def test_replay_pipe_is_refused_because_it_is_read_once(tmp_path: Path) -> None:
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    with pytest.raises(RecordingError, match="pipe: cannot be read: it is read twice"):
        replay(_job(tmp_path / "out", pipe))
    assert not (tmp_path / "out").exists()


def test_replay_file_name_that_is_no_text_is_replayed(tmp_path: Path) -> None:
    recording = tmp_path / os.fsdecode(b"odd-\xff.jsonl.gz")
    synthetic(tmp_path, seconds=3).rename(recording)
    replay(_job(tmp_path / "out", recording))
    assert b"1:odd-\\\\udcff.jsonl.gz" in journal_of(tmp_path / "out")[0].body


def test_replay_unusable_instruments_leave_no_output(tmp_path: Path) -> None:
    info = tmp_path / "info.json"
    info.write_text("{}")
    recording = synthetic(tmp_path, seconds=3)
    with pytest.raises(ConfigurationError, match="not an exchangeInfo file"):
        replay(_job(tmp_path / "out", recording, instruments=info))
    assert not (tmp_path / "out").exists()


@pytest.mark.untraced
def test_replay_given_instruments_decide_the_step(tmp_path: Path) -> None:
    info = tmp_path / "info.json"
    info.write_text(
        '{"symbols": [{"symbol": "ETHUSDT", "filters": ['
        '{"filterType": "PRICE_FILTER", "tickSize": "0.01"},'
        '{"filterType": "LOT_SIZE", "stepSize": "0.1"},'
        '{"filterType": "MIN_NOTIONAL", "notional": "5"}]}]}'
    )
    recording = synthetic(tmp_path, seconds=60)
    replay(_job(tmp_path / "given", recording, instruments=info))
    quantities = {
        Decimal(order["quantity"])
        for order in _rows(tmp_path / "given" / "orders.csv")
        if order["symbol"] == "ETHUSDT" and order["purpose"] == "entry"
    }
    assert quantities == {Decimal("0.3")}
