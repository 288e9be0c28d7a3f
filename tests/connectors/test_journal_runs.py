"""Which runs a journal holds, from the last one back."""

import sqlite3
from pathlib import Path

import pytest

from connectors.journal import Journal, JournalReader
from flows.domain.errors import StoreError
from flows.domain.event import Verb
from flows.domain.run import CommandHandled, JournalEntry


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "journal.sqlite"


def write(path: Path, run_id: str, entries: int = 1) -> None:
    journal = Journal(path, run_id)
    for sequence in range(entries):
        fact = CommandHandled(
            received_ns=sequence,
            symbol="",
            verb=Verb.PAUSE,
            operator="ann",
            reason="drill",
            is_accepted=True,
        )
        journal.append([JournalEntry(sequence, fact)])
    journal.close()


def runs_back(path: Path) -> list[str]:
    reader = JournalReader(path)
    try:
        return list(reader.runs_back())
    finally:
        reader.close()


def test_runs_back_several_runs_come_last_first_and_once(path: Path) -> None:
    for run_id in ("20260102T000000-b", "20260101T000000-c", "20260102T000000-a"):
        write(path, run_id, entries=3)
    expected = ["20260102T000000-b", "20260102T000000-a", "20260101T000000-c"]
    assert runs_back(path) == expected


def test_runs_back_journal_without_entry_has_no_run(path: Path) -> None:
    write(path, "run-1", entries=0)
    assert runs_back(path) == []


def test_runs_back_file_without_schema_has_no_run(path: Path) -> None:
    path.touch()
    assert runs_back(path) == []


def test_runs_back_run_begun_meanwhile_is_left_to_its_writer(path: Path) -> None:
    write(path, "run-1")
    write(path, "run-2")
    reader = JournalReader(path)
    try:
        runs = reader.runs_back()
        assert next(runs) == "run-2"
        write(path, "run-3")
        assert list(runs) == ["run-1"]
    finally:
        reader.close()


def test_runs_back_damaged_table_is_a_store_error(path: Path) -> None:
    with sqlite3.connect(path) as other:
        other.execute("CREATE TABLE events (something TEXT)")
    other.close()
    with pytest.raises(StoreError, match="the journal failed: no such column: run_id"):
        runs_back(path)
