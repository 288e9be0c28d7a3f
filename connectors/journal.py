"""The journal: an append-only SQLite file of everything that was decided and done."""

import sqlite3
from collections.abc import Callable, Collection, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Protocol

import msgspec
from bytewax.outputs import FixedPartitionedSink, StatefulSinkPartition

from flows.domain.errors import JournalConflict, StoreError
from flows.domain.fault import Fault
from flows.domain.run import JournalEntry

_SCHEMA = """
CREATE TABLE IF NOT EXISTS events (
    run_id TEXT NOT NULL,
    sequence INTEGER NOT NULL,
    received_ns INTEGER NOT NULL,
    kind TEXT NOT NULL,
    symbol TEXT NOT NULL,
    body BLOB NOT NULL,
    PRIMARY KEY (run_id, sequence)
) WITHOUT ROWID
"""
_INSERT = "INSERT INTO events VALUES (?, ?, ?, ?, ?, ?)"
_SELECT = """
SELECT run_id, sequence, received_ns, kind, symbol, body FROM events
WHERE run_id = ? AND sequence BETWEEN ? AND ? ORDER BY sequence
"""
_NEWEST = """
SELECT run_id, sequence, received_ns, kind, symbol, body FROM events
WHERE run_id = ? AND sequence > ?
    AND (? = '[]' OR kind IN (SELECT value FROM json_each(?)))
    AND (? = '' OR symbol = ?)
ORDER BY sequence DESC LIMIT ?
"""
_BEFORE = "SELECT max(run_id) FROM events WHERE ? IS NULL OR run_id < ?"
_AFTER = "SELECT min(run_id) FROM events WHERE run_id > ?"
_LAST = "SELECT max(sequence) FROM events WHERE run_id = ?"

_encode = msgspec.json.Encoder().encode


class JournalRow(msgspec.Struct, frozen=True):
    """One journal entry as stored."""

    run_id: str
    sequence: int
    received_ns: int
    kind: str
    symbol: str
    body: bytes
    """The fact as JSON."""


def to_row(run_id: str, entry: JournalEntry) -> JournalRow:
    """The stored form of an entry; the same entry always gives the same bytes."""
    fact = entry.fact
    kind = str(fact.__struct_config__.tag)
    return JournalRow(
        run_id, entry.sequence, fact.received_ns, kind, fact.symbol, _encode(fact)
    )


class _Connection:
    """A SQLite connection whose errors say which file they come from."""

    def __init__(self, path: Path, uri: str) -> None:
        self.path = path
        with self.errors():
            self.sql = sqlite3.connect(
                uri, uri=True, isolation_level=None, check_same_thread=False
            )

    @contextmanager
    def errors(self) -> Iterator[None]:
        try:
            yield
        except (sqlite3.Error, OverflowError) as error:  # a number beyond 64 bits
            msg = f"{self.path}: the journal failed: {error}"
            raise StoreError(msg) from error

    def close(self) -> None:
        """Close the file; the last one to do so folds its write-ahead log into it."""
        with self.errors():
            self.sql.close()


class Journal:
    """Writes one process's journal; each writing process has a file of its own.

    A batch is committed whole or not at all. `is_durable` decides whether a commit
    survives a power cut (`synchronous=FULL`) or only the end of the process.
    """

    def __init__(self, path: Path, run_id: str, *, is_durable: bool = False) -> None:
        self._run_id = run_id
        self._connection = _Connection(path, f"{path.absolute().as_uri()}?mode=rwc")
        try:
            self._last = self._open(is_durable=is_durable)
        except StoreError:
            self._connection.close()
            raise

    def _open(self, *, is_durable: bool) -> int:
        """Prepare the file; the last sequence of the run that it holds."""
        with self._connection.errors():
            sql = self._connection.sql
            sql.execute("PRAGMA journal_mode = WAL")
            sql.execute(f"PRAGMA synchronous = {'FULL' if is_durable else 'NORMAL'}")
            sql.execute(_SCHEMA)
            return _last_sequence(sql, self._run_id)

    def append(self, entries: Sequence[JournalEntry]) -> None:
        """Commit entries; those held already must be equal, and are left alone.

        Raises JournalConflict where a sequence is held with other content, and
        StoreError where the file cannot be written.
        """
        rows = [to_row(self._run_id, entry) for entry in entries]
        self._compare([row for row in rows if row.sequence <= self._last])
        fresh = [row for row in rows if row.sequence > self._last]
        if not fresh:
            return
        self._check_order(fresh)
        with self._connection.errors():
            sql = self._connection.sql
            sql.execute("BEGIN IMMEDIATE")
            with sql:  # commits, or rolls back after any error
                sql.executemany(_INSERT, [msgspec.structs.astuple(r) for r in fresh])
        self._last = fresh[-1].sequence

    def close(self) -> None:
        """Fold the write-ahead log into the file and close it."""
        self._connection.close()

    def _compare(self, held: Sequence[JournalRow]) -> None:
        if not held:
            return
        first, last = held[0].sequence, held[-1].sequence
        with self._connection.errors():
            rows = _select(self._connection.sql, self._run_id, first, last)
        stored = {row.sequence: row for row in rows}
        for now in held:
            before = stored.get(now.sequence)
            if before != now:
                was = f"{before.kind} {before.body.decode()}" if before else "nothing"
                msg = (
                    f"{self._connection.path}: entry {now.sequence} of run "
                    f"{self._run_id} holds {was}, and "
                    f"is now {now.kind} {now.body.decode()}: not the same run"
                )
                raise JournalConflict(msg)

    def _check_order(self, fresh: Sequence[JournalRow]) -> None:
        for expected, row in enumerate(fresh, start=self._last + 1):
            if row.sequence != expected:
                msg = (
                    f"{self._connection.path}: expected entry {expected} of run "
                    f"{self._run_id}, was {row.sequence}"
                )
                raise StoreError(msg)


class JournalReader:
    """Reads a journal, also while another process writes it."""

    def __init__(self, path: Path) -> None:
        self._connection = _Connection(path, f"{path.absolute().as_uri()}?mode=ro")

    def runs(self) -> list[str]:
        """Run ids in the journal."""
        with self._connection.errors():
            rows = self._connection.sql.execute("SELECT DISTINCT run_id FROM events")
            return sorted(run_id for (run_id,) in rows)

    def runs_back(self) -> Iterator[str]:
        """Run ids from the last one back; those of live runs sort by time."""
        if not self.has_schema():
            return  # its writer was killed before it had begun
        run_id: str | None = None
        while True:
            with self._connection.errors():
                row = self._connection.sql.execute(_BEFORE, (run_id, run_id)).fetchone()
            run_id = row[0]
            if run_id is None:
                return
            yield run_id

    def run_after(self, run_id: str) -> str | None:
        """The id of the run after another; after '' the first one."""
        if not self.has_schema():
            return None
        with self._connection.errors():
            row = self._connection.sql.execute(_AFTER, (run_id,)).fetchone()
        return None if row[0] is None else str(row[0])

    def has_schema(self) -> bool:
        """Whether the writer got as far as its first table."""
        query = "SELECT count(*) FROM sqlite_master WHERE name = 'events'"
        with self._connection.errors():
            (count,) = self._connection.sql.execute(query).fetchone()
        return bool(count)

    def last_sequence(self, run_id: str) -> int:
        """The last sequence of a run, -1 where there is none."""
        with self._connection.errors():
            return _last_sequence(self._connection.sql, run_id)

    def events(self, run_id: str, first: int, last: int) -> list[JournalRow]:
        """Entries `first` to `last` (inclusive) of a run, in order."""
        with self._connection.errors():
            return _select(self._connection.sql, run_id, first, last)

    def newest(
        self,
        run_id: str,
        kinds: Collection[str],
        *,
        above: int,
        limit: int,
        symbol: str = "",
    ) -> list[JournalRow]:
        """The newest entries of a run, newest first; without kinds, of all.

        With a symbol, only what concerns it. Only those with a sequence greater than
        `above` are looked at.
        """
        wanted = msgspec.json.encode(sorted(kinds)).decode()
        asked = (run_id, above, wanted, wanted, symbol, symbol, limit)
        with self._connection.errors():
            return [
                JournalRow(*row) for row in self._connection.sql.execute(_NEWEST, asked)
            ]

    def reading(
        self, run_id: str, first: int, *, batch_size: int = 1_000
    ) -> Callable[[], list[JournalRow]]:
        """Each call gives the run's next entries, from `first` on, that are there."""
        position = first

        def read() -> list[JournalRow]:
            nonlocal position
            rows = self.events(run_id, position, position + batch_size - 1)
            position += len(rows)
            return rows

        return read

    def close(self) -> None:
        """Close the file."""
        self._connection.close()


def held_runs(path: Path) -> list[str]:
    """Run ids in the journal at `path`; none where it died before its first commit.

    Raises StoreError where the file is no journal.
    """
    if not path.stat().st_size:
        return []
    reader = JournalReader(path)
    try:
        return reader.runs() if reader.has_schema() else []
    finally:
        reader.close()


def _last_sequence(sql: sqlite3.Connection, run_id: str) -> int:
    (last,) = sql.execute(_LAST, (run_id,)).fetchone()
    return -1 if last is None else int(last)


def _select(
    sql: sqlite3.Connection, run_id: str, first: int, last: int
) -> list[JournalRow]:
    return [JournalRow(*row) for row in sql.execute(_SELECT, (run_id, first, last))]


class EntryStore(Protocol):
    """Keeps journal entries; a Journal, or what stands before one."""

    def append(self, entries: Sequence[JournalEntry]) -> None:
        """Commit entries. Raises StoreError."""


class _JournalPartition(StatefulSinkPartition[JournalEntry, None]):
    def __init__(self, journal: EntryStore, fault: Fault) -> None:
        self._append = journal.append
        self._fault = fault
        self._has_failed = False

    def write_batch(self, values: list[JournalEntry]) -> None:
        if not self._has_failed:
            try:
                self._append(values)
            except StoreError as error:
                self._has_failed = True
                self._fault.report(error)

    def snapshot(self) -> None:
        return None


class JournalSink(FixedPartitionedSink[JournalEntry, None]):
    """Appends entries to a journal, a commit per batch.

    One partition, because a journal has one order. Delivery: exactly once, since an
    entry that is held already is compared and not written again.
    """

    def __init__(self, journal: EntryStore, fault: Fault) -> None:
        self._journal = journal
        self._fault = fault

    def list_parts(self) -> list[str]:
        """The one partition."""
        return ["journal"]

    def build_part(
        self, step_id: str, for_part: str, resume_state: None
    ) -> StatefulSinkPartition[JournalEntry, None]:
        """Write where the journal ends."""
        return _JournalPartition(self._journal, self._fault)
