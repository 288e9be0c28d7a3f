"""The journal: whole batches, once, and loud about anything that contradicts them."""

import signal
import sqlite3
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from random import Random

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from connectors.journal import Journal, JournalReader, JournalSink, held_runs, to_row
from flows.domain.errors import JournalConflict, StoreError
from flows.domain.event import Verb
from flows.domain.fault import Fault
from flows.domain.run import CommandHandled, JournalEntry, Journalled

RUN = "run-1"


def entry(sequence: int, reason: str = "drill") -> JournalEntry:
    fact = CommandHandled(
        received_ns=1_000 + sequence,
        symbol="",
        verb=Verb.PAUSE,
        operator="ann",
        reason=reason,
        is_accepted=True,
    )
    return JournalEntry(sequence, fact)


def entries(first: int, last: int) -> list[JournalEntry]:
    return [entry(sequence) for sequence in range(first, last + 1)]


def held(path: Path, run_id: str = RUN) -> list[JournalEntry]:
    reader = JournalReader(path)
    try:
        rows = reader.events(run_id, 0, 1_000_000)
        decode = msgspec.json.Decoder(Journalled).decode
        return [JournalEntry(row.sequence, decode(row.body)) for row in rows]
    finally:
        reader.close()


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "journal.sqlite"


@pytest.fixture
def journal(path: Path) -> Iterator[Journal]:
    opened = Journal(path, RUN)
    yield opened
    opened.close()


def test_append_batches_are_read_back_in_order(journal: Journal, path: Path) -> None:
    journal.append(entries(0, 2))
    journal.append([])
    journal.append(entries(3, 9))
    assert held(path) == entries(0, 9)


def test_to_row_entry_gives_the_columns_of_its_fact() -> None:
    row = to_row(RUN, entry(3))
    assert (row.run_id, row.sequence, row.received_ns) == (RUN, 3, 1_003)
    assert (row.kind, row.symbol) == ("command_handled", "")
    assert msgspec.json.decode(row.body)["kind"] == "command_handled"
    assert row == to_row(RUN, entry(3))


@settings(deadline=None, max_examples=40)
@given(st.lists(st.integers(1, 7), max_size=6), st.lists(st.integers(1, 7), max_size=6))
def test_append_run_again_in_other_batches_changes_nothing(
    tmp_path_factory: pytest.TempPathFactory, first: list[int], second: list[int]
) -> None:
    path = tmp_path_factory.mktemp("journal") / "journal.sqlite"
    for sizes in (first, second):
        journal, begin = Journal(path, RUN), 0
        for size in sizes:
            journal.append(entries(begin, begin + size - 1))
            begin += size
        journal.close()
    assert held(path) == entries(0, max(sum(first), sum(second)) - 1)


def test_append_other_content_is_a_conflict_that_shows_both(
    journal: Journal, path: Path
) -> None:
    journal.append(entries(0, 4))
    with pytest.raises(JournalConflict) as caught:
        journal.append([entry(2), entry(3, "other"), entry(4), entry(5)])
    text = str(caught.value)
    assert text.startswith(f"{path}: entry 3 of run {RUN} holds command_handled ")
    assert '"reason":"drill"' in text
    assert '"reason":"other"' in text
    assert held(path) == entries(0, 4)


def test_append_entry_that_should_be_held_and_is_not_is_a_conflict(
    journal: Journal, path: Path
) -> None:
    journal.append(entries(0, 4))
    with sqlite3.connect(path) as other:
        other.execute("DELETE FROM events WHERE sequence = 2")
    other.close()
    with pytest.raises(JournalConflict, match="entry 2 of run run-1 holds nothing"):
        journal.append(entries(1, 5))


@pytest.mark.parametrize("sequences", [[6], [5, 7], [6, 5], [5, 5]])
def test_append_with_a_hole_is_a_store_error_and_writes_nothing(
    journal: Journal, path: Path, sequences: list[int]
) -> None:
    journal.append(entries(0, 4))
    with pytest.raises(StoreError, match="expected entry"):
        journal.append([entry(sequence) for sequence in sequences])
    assert held(path) == entries(0, 4)
    journal.append(entries(5, 6))
    assert held(path) == entries(0, 6)


def test_append_two_runs_in_a_file_are_apart(journal: Journal, path: Path) -> None:
    journal.append(entries(0, 1))
    other = Journal(path, "run-0")
    other.append([entry(0, "other")])
    other.close()
    assert held(path) == entries(0, 1)
    assert held(path, "run-0") == [entry(0, "other")]
    assert held_runs(path) == ["run-0", RUN]


def test_append_failing_in_the_middle_writes_nothing(
    journal: Journal, path: Path
) -> None:
    journal.append(entries(0, 1))
    with sqlite3.connect(path) as other:
        other.execute(
            "CREATE TRIGGER full BEFORE INSERT ON events WHEN NEW.sequence = 4"
            " BEGIN SELECT RAISE(FAIL, 'database or disk is full'); END"
        )
    with pytest.raises(StoreError, match="database or disk is full") as caught:
        journal.append(entries(2, 6))
    assert str(caught.value).startswith(f"{path}: the journal failed: ")
    assert held(path) == entries(0, 1)
    with other:
        other.execute("DROP TRIGGER full")
    other.close()
    journal.append(entries(2, 6))
    assert held(path) == entries(0, 6)


def test_append_time_too_large_for_the_file_leaves_no_transaction(
    journal: Journal, path: Path
) -> None:
    huge = msgspec.structs.replace(entry(0).fact, received_ns=2**63)
    with pytest.raises(StoreError, match="too large"):
        journal.append([JournalEntry(0, huge)])
    journal.append(entries(0, 1))
    assert held(path) == entries(0, 1)


def test_append_second_writer_of_the_run_is_a_store_error(
    journal: Journal, path: Path
) -> None:
    other = Journal(path, RUN)
    other.append(entries(0, 1))
    with pytest.raises(StoreError, match="UNIQUE constraint failed"):
        journal.append(entries(0, 2))
    other.close()
    assert held(path) == entries(0, 1)


@pytest.mark.parametrize(("is_durable", "level"), [(True, 2), (False, 1)])
def test_journal_durability_sets_the_synchronous_level(
    path: Path, is_durable: bool, level: int
) -> None:
    journal = Journal(path, RUN, is_durable=is_durable)
    sql = journal._connection.sql
    assert sql.execute("PRAGMA synchronous").fetchone() == (level,)
    assert sql.execute("PRAGMA journal_mode").fetchone() == ("wal",)
    journal.close()


def test_close_journal_leaves_one_file(path: Path) -> None:
    journal = Journal(path, RUN)
    journal.append(entries(0, 1))
    journal.close()
    assert [file.name for file in path.parent.iterdir()] == [path.name]
    with pytest.raises(StoreError, match="Cannot operate on a closed database"):
        journal.append(entries(2, 3))


# Reading -----------------------------------------------------------------------------


def test_reader_while_a_writer_writes_sees_whole_batches(
    journal: Journal, path: Path
) -> None:
    journal.append(entries(0, 1))
    reader = JournalReader(path)
    assert reader.last_sequence(RUN) == 1
    journal.append(entries(2, 6))
    assert reader.last_sequence(RUN) == 6
    assert [row.sequence for row in reader.events(RUN, 1, 3)] == [1, 2, 3]
    assert reader.last_sequence("another") == -1
    assert reader.has_schema()
    reader.close()


def test_reader_cannot_write(journal: Journal, path: Path) -> None:
    journal.append(entries(0, 1))
    reader = JournalReader(path)
    with pytest.raises(sqlite3.OperationalError, match="readonly"):
        reader._connection.sql.execute("DELETE FROM events")
    reader.close()


def test_reader_missing_file_is_a_store_error(path: Path) -> None:
    with pytest.raises(StoreError) as caught:
        JournalReader(path)
    assert str(caught.value).startswith(f"{path}: the journal failed: unable to open")


def test_journal_file_that_is_none_is_a_store_error(path: Path) -> None:
    path.write_bytes(b"this is not a database" * 100)
    for use in (lambda: Journal(path, RUN), lambda: held_runs(path)):
        with pytest.raises(StoreError) as caught:
            use()
        assert str(caught.value) == (
            f"{path}: the journal failed: file is not a database"
        )


def test_journal_folder_missing_is_a_store_error(tmp_path: Path) -> None:
    with pytest.raises(StoreError, match="unable to open database file"):
        Journal(tmp_path / "missing" / "journal.sqlite", RUN)


def test_held_runs_file_without_commit_is_none(path: Path) -> None:
    path.touch()
    assert held_runs(path) == []
    sqlite3.connect(path).execute("CREATE TABLE other (x)").connection.close()
    assert held_runs(path) == []


def test_journal_path_of_odd_characters_is_that_path(tmp_path: Path) -> None:
    path = tmp_path / "a?b=c#d%20 é.sqlite"
    journal = Journal(path, RUN)
    journal.append(entries(0, 0))
    journal.close()
    assert [file.name for file in tmp_path.iterdir()] == [path.name]
    assert held_runs(path) == [RUN]


# The sink ----------------------------------------------------------------------------


def test_write_batch_store_error_is_reported_and_ends_writing(
    journal: Journal, path: Path
) -> None:
    fault = Fault()
    sink = JournalSink(journal, fault)
    (name,) = sink.list_parts()
    partition = sink.build_part("journal", name, None)
    partition.write_batch(entries(0, 1))
    partition.write_batch([entry(1, "other"), entry(2)])
    assert isinstance(fault.error, JournalConflict)
    partition.write_batch(entries(2, 3))
    assert held(path) == entries(0, 1)
    assert partition.snapshot() is None


# A writer that dies ------------------------------------------------------------------

BATCH = 7
WRITER = f"""
import sys
from pathlib import Path
from connectors.journal import Journal
from tests.connectors.test_journal import RUN, entries

journal = Journal(Path(sys.argv[1]), RUN)
print("ready", flush=True)
for batch in range(1_000_000):
    journal.append(entries({BATCH} * batch, {BATCH} * batch + {BATCH - 1}))
"""


@pytest.mark.parametrize("seed", range(6))
def test_append_writer_killed_at_any_moment_leaves_whole_batches(
    path: Path, seed: int
) -> None:
    command = [sys.executable, "-c", WRITER, str(path)]
    writer = subprocess.Popen(command, stdout=subprocess.PIPE)
    assert writer.stdout is not None
    assert writer.stdout.readline() == b"ready\n"
    time.sleep(Random(seed).uniform(0, 0.1))
    writer.send_signal(signal.SIGKILL)
    assert writer.wait() == -signal.SIGKILL
    writer.stdout.close()
    found = held(path)
    assert len(found) % BATCH == 0
    assert found == entries(0, len(found) - 1)
    journal = Journal(path, RUN)
    journal.append(entries(0, len(found) + BATCH - 1))
    journal.close()
    assert held(path) == entries(0, len(found) + BATCH - 1)
