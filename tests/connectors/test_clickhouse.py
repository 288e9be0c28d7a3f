"""The ClickHouse connector against the embedded engine, and its errors."""

import shutil
import subprocess
import sys
from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path
from typing import cast

import msgspec
import pytest
from clickhouse_connect.driver import exceptions
from clickhouse_connect.driver.client import Client

from connectors.clickhouse import (
    BlockWriter,
    CaughtUp,
    ClickHouse,
    JournalRows,
    Ledger,
    NotExact,
)
from connectors.clickhouse.client import Migration, shipped_migrations
from connectors.clickhouse.facts import COLUMNS, TableRow, fact_rows
from connectors.clickhouse.rows import Numbered
from connectors.journal import to_row
from flows.domain.errors import StoreError
from flows.domain.run import JournalEntry, Journalled
from tests.flows.archive_samples import (
    BASE_TABLES,
    RUN,
    START_NS,
    facts_of_every_kind,
    run_ended,
    run_started,
)

ROOT = Path(__file__).parents[2]
VIEW = ("run_id", "sequence", "symbol", "received_at", "bid_volume", "ask_volume")
TRADE = ("run_id", "sequence", "symbol", "received_at", "price", "quantity")


@pytest.fixture(scope="module")
def template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The directory of a migrated store: copying it is faster than migrating."""
    directory = tmp_path_factory.mktemp("template")
    store = ClickHouse.open_embedded(directory)
    store.migrate()
    store.close()
    return directory


@pytest.fixture
def store(template: Path, tmp_path: Path) -> Iterator[ClickHouse]:
    """A migrated embedded store."""
    shutil.copytree(template, tmp_path / "clickhouse", symlinks=True)
    store = ClickHouse.open_embedded(tmp_path / "clickhouse")
    yield store
    store.close()


def view(sequence: int, volume: object = Decimal("1.5")) -> tuple[object, ...]:
    return (RUN, sequence, "BTCUSDT", START_NS + sequence, volume, Decimal(0))


def count(store: ClickHouse, table: str) -> int:
    [(found,)] = store.query(f"SELECT count() FROM {table}")
    return int(found)


# Migrations ----------------------------------------------------------------------


def test_migrate_new_store_applies_every_migration_in_order(tmp_path: Path) -> None:
    store = ClickHouse.open_embedded(tmp_path)
    shipped = shipped_migrations()
    assert [m.number for m in shipped] == list(range(1, len(shipped) + 1))
    assert store.migrate() == [m.name for m in shipped]
    history = store.query("SELECT number, checksum FROM schema_migrations ORDER BY 1")
    assert history == [(m.number, m.checksum) for m in shipped]
    assert store.migrate() == []
    store.close()


def test_migrate_edited_migration_raises_naming_it(store: ClickHouse) -> None:
    first, *others = shipped_migrations()
    edited = [Migration(first.number, first.name, first.sql + "-- x\n"), *others]
    with pytest.raises(StoreError, match="0001_ledger was edited after it was applied"):
        store.migrate(edited)


def test_migrate_store_of_newer_version_raises(store: ClickHouse) -> None:
    with pytest.raises(StoreError, match="made by a newer version: 0006_scan_costs"):
        store.migrate(shipped_migrations()[:-1])


def test_migrate_interrupted_goes_on_where_it_stopped(store: ClickHouse) -> None:
    broken = Migration(
        99,
        "0099_x",
        "CREATE TABLE IF NOT EXISTS x (a UInt8)\n"
        "ENGINE = MergeTree ORDER BY a;\nNONSENSE;\n",
    )
    with pytest.raises(StoreError, match="NONSENSE"):
        store.migrate([*shipped_migrations(), broken])
    mended = Migration(99, "0099_x", broken.sql.replace("NONSENSE;\n", ""))
    assert store.migrate([*shipped_migrations(), mended]) == ["0099_x"]


def test_migrate_every_table_has_window_and_syncs(store: ClickHouse) -> None:
    made = store.query(
        "SELECT name, create_table_query FROM system.tables WHERE "
        "database = currentDatabase() AND engine LIKE '%MergeTree' "
        "AND name NOT IN ('schema_migrations', 'archive_blocks')"
    )
    assert {name for name, _ in made} >= set(BASE_TABLES)
    for name, query in made:
        assert "non_replicated_deduplication_window = 1000" in query, name
        assert "fsync_after_insert = 1" in query, name
        assert "`block` UInt64" in query, name
        assert "TTL received_at" not in query, name


# Inserts -------------------------------------------------------------------------


def test_insert_same_token_twice_counts_once_in_table_and_views(
    store: ClickHouse,
) -> None:
    rows = [view(n) for n in range(10)]
    for _ in range(2):
        store.insert("book_views", VIEW, rows, "token")
    assert count(store, "book_views") == 10
    for bars in ("book_bars_1s", "book_bars_1m"):
        query = f"SELECT sum(views) FROM {bars}"
        [(views,)] = store.query(query)
        assert views == 10, bars


@pytest.mark.parametrize(
    ("value", "stored"),
    [
        (Decimal("0.000000000001"), "0.000000000001"),
        (Decimal("1E+3"), "1000"),
        (Decimal("12345678901234567890123456.5"), "12345678901234567890123456.5"),
        ((6180020, 2), "61800.2"),
        ((1_500_000_000_000_000, 15), "1.5"),
    ],
)
def test_insert_decimal_is_stored_exactly(
    store: ClickHouse, value: object, stored: str
) -> None:
    store.insert("book_views", VIEW, [view(0, value)])
    assert store.query("SELECT toString(bid_volume) FROM book_views") == [(stored,)]


@pytest.mark.parametrize(
    "value",
    [
        Decimal("0.0000000000001"),
        Decimal("1E+26"),
        Decimal("-1E+26"),
        Decimal("NaN"),
        Decimal("Infinity"),
        Decimal("1E-99999"),
        (1, 13),
        None,
    ],
)
def test_insert_number_that_does_not_fit_raises_and_inserts_nothing(
    store: ClickHouse, value: object
) -> None:
    rows = [view(0), view(1, value)]
    with pytest.raises(NotExact, match="book_views: column bid_volume"):
        store.insert("book_views", VIEW, rows)
    assert count(store, "book_views") == 0
    assert store.split("book_views", VIEW, rows) == (rows[:1], rows[1:])


def test_insert_time_keeps_every_nanosecond(store: ClickHouse) -> None:
    store.insert("book_views", VIEW, [view(0)])
    times = store.query("SELECT toUnixTimestamp64Nano(received_at) FROM book_views")
    assert times == [(START_NS,)]


def test_insert_without_ask_volume_leaves_the_ratio_null(store: ClickHouse) -> None:
    store.insert("book_views", VIEW, [view(0)])
    found = store.query("SELECT ratio, imbalance, strength FROM book_views")
    assert found == [(None, 1.0, 1.0)]


def test_query_product_of_large_prices_and_quantities_does_not_overflow(
    store: ClickHouse,
) -> None:
    row = (RUN, 0, "X", START_NS, Decimal("99999999.12345678"), Decimal("1000.5"))
    store.insert("market_trades", TRADE, [row])
    exact = Decimal("99999999.12345678") * Decimal("1000.5")
    assert store.query("SELECT sum(price * quantity) FROM market_trades") == [(exact,)]
    assert store.query("SELECT notional FROM market_trades_1m") == [(exact,)]


def test_ttl_old_recording_survives_and_old_insert_expires(store: ClickHouse) -> None:
    store.insert("book_views", VIEW, [view(0)])
    with_age = (*VIEW, "inserted_at")
    store.insert("book_views", with_age, [(*view(1), 1_626_998_399)])
    for table in ("book_views", "book_bars_1s_state"):
        store.command(f"OPTIMIZE TABLE {table} FINAL")
    assert store.query("SELECT sequence FROM book_views") == [(0,)]
    assert store.query("SELECT sum(views) FROM book_bars_1s") == [(1,)]


# Facts ---------------------------------------------------------------------------


def test_fact_rows_every_journalled_kind_fills_its_tables(store: ClickHouse) -> None:
    facts = [run_started(), *facts_of_every_kind(START_NS, 1), run_ended(START_NS)]
    kinds = set(Journalled.__args__)
    assert {type(fact) for fact in facts} == kinds, "a kind has no sample here"
    writer = BlockWriter(store, RUN, block_size=5)
    rows = JournalRows(RUN)
    entries = [JournalEntry(number, fact) for number, fact in enumerate(facts)]
    writer.add(rows(to_row(RUN, entry)) for entry in entries)
    writer.finish()
    typed = set(BASE_TABLES) - {"book_views", "market_trades", "unrepresentable"}
    assert {table for table in typed if not count(store, table)} == set()
    assert count(store, "journal") == len(facts)
    [status] = store.query("SELECT client_order_id, status FROM order_states")
    assert status == ("o-1", "FILLED")
    [run] = store.query("SELECT mode, inputs, equity, max_drawdown FROM runs")
    expected = (Decimal("9999.718625"), Decimal("0.281375"))
    assert run == ("paper", {"a.jsonl": "00ff"}, *expected)
    [pnl] = store.query("SELECT trades, wins, gross, fees, net FROM pnl_1m")
    assert pnl == (1, 0, Decimal("-0.25"), Decimal("0.031375"), Decimal("-0.281375"))


def test_fact_rows_each_row_has_its_table_s_columns() -> None:
    for fact in (run_started(), *facts_of_every_kind(1, 1), run_ended(2)):
        for table, values in fact_rows(fact):
            assert len(values) + 4 == len(COLUMNS[table]), table


def test_journal_rows_unknown_kind_is_kept_verbatim_only() -> None:
    row = to_row(RUN, JournalEntry(3, run_started()))
    later = msgspec.structs.replace(row, kind="invented_later", body=b'{"a":1}')
    [(table, values)] = JournalRows(RUN)(later).rows
    assert table == "journal"
    assert values == (RUN, 3, "", START_NS, "invented_later", '{"a":1}')


def test_journal_rows_unreadable_body_raises_with_its_sequence() -> None:
    row = msgspec.structs.replace(
        to_row(RUN, JournalEntry(3, run_started())), body=b'{"kind":"fill"}'
    )
    with pytest.raises(StoreError, match="run run-1: journal entry 3"):
        JournalRows(RUN)(row)


# Blocks --------------------------------------------------------------------------


def numbered(number: int, volume: object = Decimal(1)) -> Numbered:
    row = (RUN, number, "BTCUSDT", START_NS + number, number, ((), 0), ((), 0))
    rest = (((), 0), ((), 0), None, None, volume, Decimal(1), "NEUTRAL", False)
    return Numbered("views", number, START_NS, (TableRow("book_views", row + rest),))


def test_writer_rows_too_long_for_a_column_are_kept_verbatim(
    store: ClickHouse,
) -> None:
    long = Decimal("123456789012345678901234567890.123456789012345678901234567891")
    writer = BlockWriter(store, RUN, block_size=10)
    writer.add([numbered(0), numbered(1, long), numbered(2, (7, 13))])
    writer.finish()
    assert (writer.loaded.rows, writer.loaded.unrepresentable) == ({"book_views": 1}, 2)
    kept = store.query("SELECT table, sequence, row FROM unrepresentable ORDER BY 2")
    assert [(table, number) for table, number, _ in kept] == [
        ("book_views", 1),
        ("book_views", 2),
    ]
    volumes = [msgspec.json.decode(row)["bid_volume"] for _, _, row in kept]
    assert volumes == [str(long), "0.0000000000007"]


def test_writer_caught_up_loads_what_is_there(store: ClickHouse) -> None:
    writer = BlockWriter(store, RUN, block_size=10)
    writer.add([numbered(0), numbered(1), CaughtUp("views"), numbered(2)])
    assert count(store, "book_views") == 2
    assert writer.next_number("views") == 2


def test_writer_loaded_numbers_are_passed_over(store: ClickHouse) -> None:
    for _ in range(2):
        writer = BlockWriter(store, RUN, block_size=3)
        writer.add([numbered(n) for n in range(7)])
        writer.finish()
    assert writer.loaded.blocks == 0
    assert count(store, "book_views") == 7


def test_writer_hole_in_a_source_raises(store: ClickHouse) -> None:
    writer = BlockWriter(store, RUN, block_size=3)
    with pytest.raises(StoreError, match="Expected views 1 of run run-1, was 2"):
        writer.add([numbered(0), numbered(2)])


def test_ledger_block_cut_off_is_removed_with_its_bars(store: ClickHouse) -> None:
    writer = BlockWriter(store, RUN, block_size=3)
    writer.add([numbered(n) for n in range(3)])
    ledger = Ledger(store, RUN)
    block = ledger.plan("views", 5)
    columns = (*COLUMNS["book_views"], "block")
    cut_off = [(*numbered(n).rows[0].values, block.number) for n in (3, 4)]
    store.insert("book_views", columns, cut_off, ledger.token(block, "book_views"))
    assert store.query("SELECT views FROM book_bars_1s") == [(5,)]

    again = BlockWriter(store, RUN, block_size=4)
    assert store.query("SELECT views FROM book_bars_1s") == [(3,)]
    again.add([numbered(n) for n in range(7)])
    assert store.query("SELECT sequence FROM book_views ORDER BY 1") == [
        (n,) for n in range(7)
    ]
    assert store.query("SELECT views FROM book_bars_1m") == [(7,)]
    states = store.query(
        "SELECT number, first, last, toString(max(state)) FROM archive_blocks "
        "GROUP BY number, first, last ORDER BY number"
    )
    assert states == [(1, 0, 2, "loaded"), (2, 3, 5, "dropped"), (3, 3, 6, "loaded")]


def test_ledger_other_run_s_blocks_are_left_alone(store: ClickHouse) -> None:
    other = Ledger(store, "run-2")
    other.plan("views", 5)
    Ledger(store, RUN)
    states = store.query("SELECT run_id, toString(state) FROM archive_blocks")
    assert states == [("run-2", "planned")]


# Errors --------------------------------------------------------------------------


class BrokenClient:
    """Fails every call with a given error."""

    def __init__(self, error: Exception) -> None:
        self._error = error

    def _fail(self, *_: object, **__: object) -> None:
        raise self._error

    query = command = insert_arrow = close = _fail


def _client_errors() -> list[type[Exception]]:
    found: list[type[Exception]] = [
        kind
        for kind in vars(exceptions).values()
        if isinstance(kind, type) and issubclass(kind, exceptions.ClickHouseError)
    ]
    assert len(found) >= 10
    return found


@pytest.mark.parametrize("kind", _client_errors())
@pytest.mark.parametrize("call", ["query", "command", "close"])
def test_errors_of_the_client_become_store_errors(
    kind: type[Exception], call: str
) -> None:
    takes_text = kind is not exceptions.StreamClosedError
    error = kind(*(("Code: 1. Sorry",) if takes_text else ()))
    store = ClickHouse(cast("Client", BrokenClient(error)), "here")
    arguments = () if call == "close" else ("SELECT 1",)
    with pytest.raises(StoreError, match=r"^here: cannot ") as caught:
        getattr(store, call)(*arguments)
    assert caught.value.__cause__ is error


def test_errors_of_the_system_are_one_sentence() -> None:
    error = OSError(28, "No space left on device")
    store = ClickHouse(cast("Client", BrokenClient(error)), "here")
    with pytest.raises(StoreError) as caught:
        store.command("x")
    sentence = "here: cannot carry out a statement: No space left on device"
    assert str(caught.value) == sentence


def test_query_wrong_name_raises_the_engine_s_reason(store: ClickHouse) -> None:
    with pytest.raises(StoreError, match="nope"):
        store.query("SELECT nope")


def test_insert_unknown_table_raises(store: ClickHouse) -> None:
    with pytest.raises(StoreError, match="there is no table nope"):
        store.insert("nope", ("a",), [(1,)])


def test_open_embedded_second_process_gets_a_plain_error(
    store: ClickHouse, tmp_path: Path
) -> None:
    code = (
        "import sys; from pathlib import Path\n"
        "from connectors.clickhouse import ClickHouse\n"
        "from flows.domain.errors import StoreError\n"
        "try: ClickHouse.open_embedded(Path(sys.argv[1]))\n"
        "except StoreError as error: sys.exit(str(error))\n"
    )
    second = subprocess.run(
        [sys.executable, "-c", code, str(tmp_path / "clickhouse")],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert second.returncode == 1
    [line] = second.stderr.splitlines()
    assert line.endswith("clickhouse: cannot be opened: another process holds it")
    assert count(store, "book_views") == 0


def test_open_embedded_path_is_a_file_raises(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(StoreError, match="file: cannot be opened"):
        ClickHouse.open_embedded(tmp_path / "file")


def test_open_url_nobody_there_raises_without_the_password() -> None:
    with pytest.raises(StoreError) as caught:
        ClickHouse.open_url("http://me:secret@127.0.0.1:9/mft")
    assert str(caught.value).startswith("http://127.0.0.1:9: cannot be reached")
    assert "secret" not in str(caught.value)
