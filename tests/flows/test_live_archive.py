"""`mft archive` beside a live engine: everything once, whatever ends when."""

import signal
import sqlite3
import threading
from collections.abc import Callable, Sequence
from contextlib import suppress
from datetime import timedelta
from pathlib import Path
from typing import TypeVar

import clickhouse_connect
import pytest
from bytewax.testing import TestingSink, TestingSource

from connectors.binance.wire import decode
from connectors.clickhouse import ClickHouse, Item, Loaded
from connectors.output import ArchivedDirectory
from flows import live_archive
from flows.domain.books import Books
from flows.domain.errors import (
    ConfigurationError,
    MarketDataError,
    RecordingError,
    StoreError,
    StoreUnreachable,
)
from flows.domain.event import MarketTrade
from flows.domain.fault import Fault
from flows.domain.frame import RawFrame
from flows.domain.view import BookView
from flows.live_archive import (
    ArchiveJob,
    FrameItems,
    LiveArchive,
    archive_live,
    build_live_archive_flow,
)
from flows.settings import load
from tests.flows.archive_samples import BARS, dump
from tests.flows.engine_process import Running, wait_for
from tests.flows.live_samples import LiveEngine, run_entries, run_frames

T = TypeVar("T")


@pytest.fixture
def data(tmp_path: Path) -> Path:
    return tmp_path / "data"


def load_once(data: Path) -> Loaded:
    return archive_live(ArchiveJob(data, is_once=True))


def found_in(data: Path) -> dict[str, list[tuple[object, ...]]]:
    return inspect(data / "clickhouse", dump)


def inspect(directory: Path, look: Callable[[ClickHouse], T]) -> T:
    store = ClickHouse.open_embedded(directory)
    try:
        return look(store)
    finally:
        store.close()


def expected_views(engine: LiveEngine) -> list[tuple[str, str, int]]:
    """Run, symbol and update id of each view, from one pass over all frames."""
    settings = load()
    books = Books(
        depth=settings.imbalance_depth, stale_after_ms=settings.stale_after_ms
    )
    return sorted(
        (run_id, update.symbol, update.update_id)
        for run_id, frames in engine.frames.items()
        for frame in frames
        for update in books.apply(decode(frame))
        if isinstance(update, BookView)
    )


def expected_trades(engine: LiveEngine) -> list[tuple[str, int]]:
    events = (decode(frame) for frames in engine.frames.values() for frame in frames)
    return sorted(
        (event.symbol, event.trade_id)
        for event in events
        if isinstance(event, MarketTrade)
    )


def stored_views(
    found: dict[str, list[tuple[object, ...]]],
) -> list[tuple[object, ...]]:
    return sorted((row[0], row[2], row[4]) for row in found["book_views"])


def assert_everything_once(engine: LiveEngine, data: Path, entries: int) -> None:
    found = found_in(data)
    assert stored_views(found) == expected_views(engine)
    stored_trades = sorted((row[2], row[5]) for row in found["market_trades"])
    assert stored_trades == expected_trades(engine)
    by_run: dict[object, list[object]] = {}
    for row in found["journal"]:
        by_run.setdefault(row[0], []).append(row[1])
    assert {run: sorted(map(str, held), key=int) for run, held in by_run.items()} == {
        run: [str(number) for number in range(entries)] for run in engine.frames
    }


def entries_of(rounds: int) -> int:
    return len(run_entries("any", 0, rounds))


def test_build_live_archive_flow_step_names_are_pinned() -> None:
    sink: TestingSink[tuple[str, Item]] = TestingSink([])
    flow = build_live_archive_flow(
        "run",
        TestingSource([]),
        TestingSource([]),
        FrameItems(lambda _frame: iter(())),
        sink=sink,
        fault=Fault(),
    )
    assert flow.flow_id == "live_archive"
    assert [step.step_id for step in flow.substeps] == [
        "live_archive.journal",
        "live_archive.journal_rows",
        "live_archive.frames",
        "live_archive.frame_rows",
        "live_archive.rows",
        "live_archive.archive",
    ]


def test_archive_live_several_runs_and_segments_are_loaded_once(data: Path) -> None:
    engine = LiveEngine(data)
    for _ in range(3):
        engine.run()
    assert len(list((data / "recording").glob("*.zst"))) > 6
    first = load_once(data)
    assert_everything_once(engine, data, entries_of(3))
    before = found_in(data)
    again = load_once(data)
    assert first.blocks > 9
    assert (again.blocks, again.rows) == (0, {})
    assert found_in(data) == before


def test_archive_live_after_each_run_equals_once_at_the_end(
    data: Path, tmp_path: Path
) -> None:
    """Each time the books begin from the segments before."""
    engine, other = LiveEngine(data), LiveEngine(tmp_path / "other")
    for _ in range(3):
        engine.run()
        other.run()
        load_once(data)
    load_once(tmp_path / "other")
    assert found_in(data) == found_in(tmp_path / "other")
    assert_everything_once(engine, data, entries_of(3))


def test_archive_live_segment_without_snapshot_takes_its_books_from_before(
    data: Path,
) -> None:
    """The synthetic market tells one snapshot a run: later segments lean on it."""
    engine = LiveEngine(data, segment_s=2)
    engine.run(seconds=12)
    load_once(data)
    segments = sorted((data / "recording").glob("*.zst"))
    assert len(segments) >= 5
    frames = engine.frames["run-1"]
    more = run_frames(frames[0].received_ns, 16, seed=1)[len(frames) :]
    engine.record("run-1", more)
    load_once(data)
    assert_everything_once(engine, data, entries_of(3))


def test_archive_live_oldest_segment_removed_begins_with_what_is_there(
    data: Path,
) -> None:
    engine = LiveEngine(data)
    engine.run()
    engine.run()
    oldest = min((data / "recording").glob("*.zst"))
    oldest.unlink()
    loaded = load_once(data)
    assert loaded.holes == 0, "four seconds could be an exchange's silence"
    found = found_in(data)
    second = [row for row in expected_views(engine) if row[0] == "run-2"]
    assert stored_views(found) == second, "without a snapshot there is no view"
    assert {row[0] for row in found["market_trades"]} == {"run-1", "run-2"}
    assert len(found["journal"]) == 2 * entries_of(3)


def test_archive_live_journal_without_recording_is_loaded(data: Path) -> None:
    engine = LiveEngine(data)
    engine.journal("run-1", run_entries("run-1", 1, 2))
    load_once(data)
    assert len(found_in(data)["journal"]) == entries_of(2)


def test_mft_archive_serve_answers_readers_while_it_follows(data: Path) -> None:
    engine = LiveEngine(data)
    engine.journal("run-1", run_entries("run-1", 1, 2))
    archive = Running("archive", "--data", data, "--serve", 0, "--plain", "--json")
    try:
        wait_for((data / "archive.url").exists)
        client = clickhouse_connect.get_client(
            dsn=(data / "archive.url").read_text().strip(),
            username="reader",
            password=(data / "archive.token").read_text().strip(),
        )
        count = "SELECT count() FROM journal"
        wait_for(lambda: client.command(count) == entries_of(2))
        engine.journal("run-2", run_entries("run-2", 2, 3))
        wait_for(lambda: client.command(count) == entries_of(2) + entries_of(3))
        client.close()
        status, _, err = archive.stop(signal.SIGTERM)
    finally:
        archive.end()
    assert status == 0, err
    assert not (data / "archive.url").exists(), "nobody answers there any more"


def test_archive_live_serving_beside_a_server_is_refused(data: Path) -> None:
    job = ArchiveJob(data, "http://127.0.0.1:1", port=0)
    with pytest.raises(ConfigurationError, match="a server answers itself"):
        archive_live(job)


def test_archive_live_directory_without_journal_has_nothing_to_load(
    data: Path,
) -> None:
    data.mkdir()
    assert load_once(data).rows == {}


def test_archive_live_missing_directory_is_refused(data: Path) -> None:
    with pytest.raises(ConfigurationError, match="no such directory"):
        load_once(data)
    assert not data.exists()


def test_archive_live_second_archive_is_refused(data: Path) -> None:
    data.mkdir()
    held = ArchivedDirectory(data)
    with pytest.raises(ConfigurationError, match="another archive is reading here"):
        load_once(data)
    held.release()
    load_once(data)


def test_archive_live_damaged_certified_segment_is_an_error(data: Path) -> None:
    engine = LiveEngine(data)
    engine.run()
    segment = sorted((data / "recording").glob("*.zst"))[1]
    whole = segment.read_bytes()
    segment.write_bytes(whole[: len(whole) // 2])
    with pytest.raises(RecordingError, match=r"Expected \d+ lines as certified, was"):
        load_once(data)
    segment.write_bytes(whole)
    load_once(data)
    assert_everything_once(engine, data, entries_of(3))


def test_archive_live_malformed_frame_is_an_error_with_its_place(data: Path) -> None:
    engine = LiveEngine(data)
    run_id = engine.run(seconds=1)
    last_ns = engine.frames[run_id][-1].received_ns
    engine.record(run_id, [RawFrame(last_ns + 1, "aaausdt@aggTrade", b'{"e":"x"}')])
    with pytest.raises(MarketDataError, match=r"zst:1: malformed aaausdt@aggTrade"):
        load_once(data)


def test_archive_live_unreadable_settings_are_an_error(data: Path) -> None:
    engine = LiveEngine(data)
    entries = run_entries("run-1", 1, 1)
    engine.journal("run-1", entries[:1])
    with sqlite3.connect(data / "journal.sqlite") as sql:
        sql.execute("UPDATE events SET body = ?", (b"{",))
    sql.close()
    with pytest.raises(StoreError, match="journal entry 0 cannot be read"):
        load_once(data)


class Followed:
    """An archive in a thread that follows an engine."""

    def __init__(self, data: Path) -> None:
        self._store = ClickHouse.open_embedded(data / "clickhouse")
        self._store.migrate()
        self._directory = ArchivedDirectory(data)
        self.told = 0
        self._stop = threading.Event()
        self.loaded = Loaded()
        self._archive = LiveArchive(
            self._store,
            self._directory,
            is_once=False,
            on_status=self._on_status,
            stop=self._stop,
            loaded=self.loaded,
            poll=timedelta(milliseconds=5),
            block_size=100,
        )
        self._thread = threading.Thread(target=self._archive.run)
        self._thread.start()

    def _on_status(self, _loaded: Loaded) -> None:
        self.told += 1

    def wait_for(self, rows: Callable[[dict[str, int]], bool]) -> None:
        for _ in range(12_000):
            with suppress(RuntimeError):  # changed while it was copied
                if rows(dict(self.loaded.rows)):
                    return
            threading.Event().wait(0.005)
        raise AssertionError("waited in vain")

    def stop(self) -> None:
        self._stop.set()
        self._thread.join(30)
        assert not self._thread.is_alive()
        self._store.close()
        self._directory.release()


def _loads(table: str, rows: Sequence[object]) -> Callable[[dict[str, int]], bool]:
    return lambda loaded: loaded.get(table, 0) >= len(rows)


def test_archive_live_followed_engine_is_loaded_as_it_goes(data: Path) -> None:
    data.mkdir()
    archive = Followed(data)
    engine = LiveEngine(data)
    try:
        for number in range(1, 4):
            engine.run(seconds=6)
            archive.wait_for(_loads("book_views", expected_views(engine)))
            archive.wait_for(_loads("market_trades", expected_trades(engine)))
            entries = number * entries_of(3)
            archive.wait_for(_loads("journal", range(entries)))
    finally:
        archive.stop()
    assert archive.told > 0
    assert_everything_once(engine, data, entries_of(3))
    assert all(found_in(data)[bars] for bars in BARS)


def test_archive_live_segments_removed_unread_are_told_as_a_hole(data: Path) -> None:
    engine = LiveEngine(data, segment_s=20)
    engine.run(seconds=100)
    segments = sorted((data / "recording").glob("*.zst"))
    assert len(segments) == 5
    for segment in segments[1:3]:
        segment.unlink()
    assert load_once(data).holes == 1
    assert load_once(data).holes == 0, "what is loaded is not looked at again"


def test_archive_live_beginning_removed_unread_is_told_as_a_hole(data: Path) -> None:
    engine = LiveEngine(data, segment_s=40)
    engine.run(seconds=100)
    min((data / "recording").glob("*.zst")).unlink()
    assert load_once(data).holes == 1


class Flaky(ClickHouse):
    """Goes away once, within an insert."""

    has_failed = False

    def insert(
        self,
        table: str,
        columns: Sequence[str],
        rows: Sequence[tuple[object, ...]],
        token: str | None = None,
    ) -> None:
        if table == "market_trades" and not Flaky.has_failed:
            Flaky.has_failed = True
            raise StoreUnreachable("http://127.0.0.1:1: gone")
        super().insert(table, columns, rows, token)


def test_archive_live_store_away_for_a_while_is_waited_for(
    data: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    engine = LiveEngine(data)
    engine.run()
    monkeypatch.setattr(live_archive, "ClickHouse", Flaky)
    monkeypatch.setattr(live_archive, "_AGAIN_S", 0)
    job = ArchiveJob(data)

    def stop_when_loaded(loaded: Loaded) -> None:
        if loaded.rows.get("market_trades", 0) == len(expected_trades(engine)):
            signal.raise_signal(signal.SIGTERM)

    archive_live(job, stop_when_loaded)
    assert Flaky.has_failed
    assert_everything_once(engine, data, entries_of(3))


def test_archive_live_store_away_once_is_an_error(
    data: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    engine = LiveEngine(data)
    engine.run()
    Flaky.has_failed = False
    monkeypatch.setattr(live_archive, "ClickHouse", Flaky)
    with pytest.raises(StoreUnreachable, match="gone"):
        load_once(data)
