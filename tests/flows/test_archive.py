"""The archive flow: what it loads, how it ends, how it fails."""

import sqlite3
import subprocess
import sys
from collections.abc import Callable
from datetime import timedelta
from decimal import Decimal
from pathlib import Path
from typing import TypeVar

import msgspec
import pytest
from bytewax.testing import TestingSink, TestingSource
from bytewax.visualize import to_plantuml

from connectors.binance.wire import decode
from connectors.clickhouse import ClickHouse, Item
from connectors.journal import Journal, JournalReader
from connectors.recording import RecordingWriter, merged_frames
from flows.archive import Archived, Market, archive, archive_replay, build_archive_flow
from flows.domain.books import Books
from flows.domain.errors import MalformedFrame, StoreError
from flows.domain.fault import Fault
from flows.domain.frame import RawFrame
from flows.domain.imbalance import strength
from flows.domain.run import JournalEntry
from flows.domain.view import BookView
from flows.settings import load
from tests.flows.archive_samples import (
    RUN,
    dump,
    facts_of_every_kind,
    frames,
    journal_entries,
    run_started,
    write_recording,
)

ROOT = Path(__file__).parents[2]
EVENTS = 400
T = TypeVar("T")


def write_journal(path: Path, entries: list[JournalEntry]) -> Path:
    journal = Journal(path, RUN)
    journal.append(entries)
    journal.close()
    return path


@pytest.fixture
def journal(tmp_path: Path) -> Path:
    """A finished run of every kind."""
    return write_journal(tmp_path / "journal.sqlite", journal_entries(20))


@pytest.fixture
def recording(tmp_path: Path) -> Path:
    """A small recording, over midnight."""
    return write_recording(tmp_path / "recording.jsonl.gz", EVENTS)


def load_replay(
    directory: Path, journal: Path, *recordings: Path, block_size: int = 64
) -> Archived:
    return archive_replay(
        directory,
        RUN,
        journal,
        recordings=recordings,
        settings=load(),
        block_size=block_size,
    )


def views_of(recording: Path) -> list[BookView]:
    books = Books(depth=5, stale_after_ms=3000)
    updates = [
        update
        for frame in merged_frames([recording])
        for update in books.apply(decode(frame))
    ]
    return [update for update in updates if isinstance(update, BookView)]


def inspect(directory: Path, look: Callable[[ClickHouse], T]) -> T:
    store = ClickHouse.open_embedded(directory)
    try:
        return look(store)
    finally:
        store.close()


def test_build_archive_flow_step_names_are_pinned() -> None:
    fault = Fault()
    books = Books(depth=5, stale_after_ms=1)
    source: TestingSource[RawFrame] = TestingSource([])
    market = Market(source, decode, books, load().zone_rule)
    sink: TestingSink[tuple[str, Item]] = TestingSink([])
    flow = build_archive_flow(RUN, TestingSource([]), market, sink, fault)
    assert flow.flow_id == "archive"
    assert [step.step_id for step in flow.substeps] == [
        "archive.journal",
        "archive.journal_rows",
        "archive.frames",
        "archive.books",
        "archive.imbalance",
        "archive.view_rows",
        "archive.trade_rows",
        "archive.rows",
        "archive.archive",
    ]
    assert to_plantuml(flow, recursive=False)


def test_archive_replay_holds_the_journal_and_every_view(
    tmp_path: Path, journal: Path, recording: Path
) -> None:
    done = load_replay(tmp_path / "store", journal, recording)
    found = inspect(tmp_path / "store", dump)
    reader = JournalReader(journal)
    written = reader.events(RUN, 0, 10_000)
    reader.close()
    assert sorted((r[1], r[4], r[5]) for r in found["journal"]) == [
        (row.sequence, row.kind, row.body.decode()) for row in written
    ]
    views = views_of(recording)
    rule = load().zone_rule
    assert len(views) == EVENTS
    stored = sorted(found["book_views"], key=lambda row: int(row[1]))
    for number, (view, row) in enumerate(zip(views, stored, strict=True)):
        assert row[1] == number
        assert row[4] == view.update_id
        assert row[5] == [view.price(price) for price, _ in view.bids]
        assert row[8] == [view.quantity(quantity) for _, quantity in view.asks]
        assert row[11:13] == (view.bid_volume, view.ask_volume)
        assert row[13] == rule.judge(view).zone.value
        exact = strength(view.bid_volume, view.ask_volume)
        assert abs(Decimal(row[17]) - exact) < Decimal("1e-12")
    assert len(found["market_trades"]) == len(range(0, EVENTS, 3))
    assert done.unrepresentable == {}
    assert done.rows["book_views"] == EVENTS


def test_archive_replay_bars_equal_their_recomputation(
    tmp_path: Path, journal: Path, recording: Path
) -> None:
    load_replay(tmp_path / "store", journal, recording)

    def check(store: ClickHouse) -> None:
        for bars, bucket in (("1s", "toDateTime"), ("1m", "toStartOfMinute")):
            found = store.query(
                "SELECT bucket, open, high, low, close, views, "
                "buy_views, sell_views, mean_spread "
                f"FROM book_bars_{bars} ORDER BY bucket"
            )
            expected = store.query(
                "WITH toDecimal256(best_bid + best_ask, 12) / 2 AS mid "
                f"SELECT {bucket}(toDateTime(received_at)) AS bucket, "
                "argMin(mid, sequence), max(mid), min(mid), argMax(mid, sequence), "
                "count(), countIf(zone = 'BUY'), countIf(zone = 'SELL'), "
                "sum(toDecimal256(best_ask - best_bid, 12)) / count() "
                "FROM book_views GROUP BY bucket ORDER BY bucket"
            )
            assert found == expected
            assert len(found) >= 2
        trades = store.query("SELECT sum(trades), sum(volume) FROM market_trades_1m")
        assert trades == store.query("SELECT count(), sum(quantity) FROM market_trades")
        pnl = store.query("SELECT sum(trades), sum(net), sum(fees) FROM pnl_1m")
        assert pnl == store.query(
            "SELECT count(), sum(net), sum(fees) FROM trades_closed"
        )

    inspect(tmp_path / "store", check)


def test_archive_replay_again_loads_nothing(
    tmp_path: Path, journal: Path, recording: Path
) -> None:
    first = load_replay(tmp_path / "store", journal, recording)
    before = inspect(tmp_path / "store", dump)
    again = load_replay(tmp_path / "store", journal, recording, block_size=7)
    assert first.blocks > 3
    assert (again.blocks, again.rows) == (0, {})
    assert inspect(tmp_path / "store", dump) == before


def test_archive_replay_block_size_changes_no_row(
    tmp_path: Path, journal: Path, recording: Path
) -> None:
    load_replay(tmp_path / "small", journal, recording, block_size=37)
    load_replay(tmp_path / "large", journal, recording, block_size=100_000)
    small = inspect(tmp_path / "small", dump)
    assert small == inspect(tmp_path / "large", dump)


def test_archive_replay_reports_progress_in_bytes(
    tmp_path: Path, journal: Path, recording: Path
) -> None:
    seen: list[int] = []
    archive_replay(
        tmp_path / "store",
        RUN,
        journal,
        recordings=[recording],
        settings=load(),
        on_progress=seen.append,
    )
    assert sum(seen) == recording.stat().st_size


def test_archive_replay_numbers_too_long_are_reported_by_table(
    tmp_path: Path, journal: Path
) -> None:
    path = tmp_path / "long.jsonl.gz"
    long = "1" * 30 + "." + "2" * 30
    with RecordingWriter.create(path) as writer:
        for frame in frames(20):
            payload = frame.payload
            if frame.stream.endswith("@trade"):
                message = msgspec.json.decode(payload)
                payload = msgspec.json.encode({**message, "p": long})
            writer.write(msgspec.structs.replace(frame, payload=payload))
    done = load_replay(tmp_path / "store", journal, path)
    assert done.unrepresentable == {"market_trades": 7}
    assert "market_trades" not in {t for t, n in done.rows.items() if n}
    kept = inspect(
        tmp_path / "store", lambda s: s.query("SELECT row FROM unrepresentable")
    )
    assert {msgspec.json.decode(row)["price"] for (row,) in kept} == {long}


def test_archive_replay_malformed_frame_raises_without_a_backtrace(
    tmp_path: Path, journal: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "bad.jsonl.gz"
    with RecordingWriter.create(path) as writer:
        for frame in frames(20):
            writer.write(frame)
        writer.write(RawFrame(10**18 * 2, "btcusdt@trade", b'{"e":"trade"}'))
    with pytest.raises(MalformedFrame, match=r"bad\.jsonl\.gz:29"):
        load_replay(tmp_path / "store", journal, path)
    assert capfd.readouterr().err == ""


def test_archive_unreadable_entry_raises_store_error(tmp_path: Path) -> None:
    path = write_journal(tmp_path / "j.sqlite", [JournalEntry(0, run_started())])
    with sqlite3.connect(path) as sql:
        sql.execute("UPDATE events SET body = ?", (b"{",))
    sql.close()
    with pytest.raises(StoreError, match=r"journal entry 0 .run_started. cannot be"):
        load_replay(tmp_path / "store", path)


def test_archive_followed_journal_without_end_stops_when_told(tmp_path: Path) -> None:
    facts = [run_started(), *facts_of_every_kind(run_started().received_ns, 1)]
    entries = [JournalEntry(number, fact) for number, fact in enumerate(facts)]
    path = write_journal(tmp_path / "j.sqlite", entries[:5])
    writer = Journal(path, RUN)
    looks = 0

    def until() -> bool:
        nonlocal looks
        looks += 1
        if looks == 3:  # it has caught up once; there is more now
            writer.append(entries[5:])
        return looks > 4

    store = ClickHouse.open_embedded(tmp_path / "store")
    store.migrate()
    done = archive(store, RUN, path, until=until, poll=timedelta(milliseconds=1))
    found = dump(store)
    store.close()
    writer.close()
    assert [row[1] for row in sorted(found["journal"])] == list(range(len(entries)))
    assert done.blocks == 2


def test_archive_replay_full_disk_ends_with_one_sentence(
    tmp_path: Path, journal: Path, recording: Path
) -> None:
    """Every limit on file size, from hopeless to just enough."""
    code = (
        "import sys; from pathlib import Path\n"
        "from flows.archive import archive_replay\n"
        "from flows.domain.errors import TradingError\n"
        "from flows.settings import load\n"
        "store, journal, recording = map(Path, sys.argv[1:])\n"
        "try: archive_replay(store, 'run-1', journal, recordings=[recording],\n"
        "                    settings=load())\n"
        "except TradingError as error: sys.exit(str(error))\n"
    )
    command = [sys.executable, "-c", code]
    for blocks in (0, 1, 8, 24, 64):
        store = tmp_path / f"store-{blocks}"
        limited = f'ulimit -f {blocks}; exec "$@"'
        paths = [str(store), str(journal), str(recording)]
        done = subprocess.run(
            ["/bin/bash", "-c", limited, "bash", *command, *paths],
            cwd=ROOT,
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
        )
        assert done.returncode == 1, (blocks, done.stderr)
        [sentence] = done.stderr.splitlines()
        assert sentence.startswith(str(tmp_path)), blocks
