"""ClickHouse: the embedded store of a run, or a server by URL; one interface for both.

Everything goes through `clickhouse-connect`. Rows travel as Arrow, because its decimals
are scaled integers: no number passes through a float or a rounding context.
"""

from __future__ import annotations

import fcntl
import hashlib
import os
import re
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from importlib.resources import files
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import clickhouse_connect
import msgspec
import pyarrow as pa  # type: ignore[import-untyped]  # ships no types
from clickhouse_connect.driver.client import Client
from clickhouse_connect.driver.exceptions import ClickHouseError, OperationalError

from connectors.clickhouse.columns import Column, Unrepresentable
from flows.domain.errors import StoreError, StoreUnreachable

_INSERT_SETTINGS = {
    "deduplicate_blocks_in_dependent_materialized_views": 1,
    # without these one block could reach a table as several, or not at all
    "async_insert": 0,
    "max_insert_threads": 1,
    "max_partitions_per_insert_block": 0,
}
_HISTORY = """
CREATE TABLE IF NOT EXISTS schema_migrations
(
    number UInt32,
    name String,
    checksum String,
    applied_at DateTime64(9, 'UTC') DEFAULT now64(9)
)
ENGINE = MergeTree
ORDER BY number
SETTINGS fsync_after_insert = 1, fsync_part_directory = 1
"""
_COMMENT = re.compile(r"^--.*\n?", re.MULTILINE)
_TRAILER = re.compile(r"\s*\(version [^()]*(\([^()]*\))?\)\s*$")
_LOCK_FILE = "status"  # the engine keeps it locked while it is open

Values = tuple[object, ...]


class NotExact(StoreError):  # noqa: N818 - named like the domain's errors
    """A number fits no column exactly; nothing was inserted."""


class Migration(msgspec.Struct, frozen=True):
    """One numbered change of the schema."""

    number: int
    name: str
    sql: str

    @property
    def checksum(self) -> str:
        """sha256 of the text; an applied migration must never change."""
        return hashlib.sha256(self.sql.encode()).hexdigest()

    def statements(self) -> list[str]:
        """The statements, without comments; each may be run again without harm."""
        parts = _COMMENT.sub("", self.sql).split(";\n")
        return [part.strip() for part in parts if part.strip()]


def shipped_migrations() -> list[Migration]:
    """The migrations in the package, in order of their numbers."""
    folder = files("connectors") / "migrations"
    found = [
        Migration(int(item.name[:4]), item.name.removesuffix(".sql"), item.read_text())
        for item in folder.iterdir()
        if item.name.endswith(".sql")
    ]
    return sorted(found, key=lambda migration: migration.number)


class ClickHouse:
    """A connection. Every failure is a StoreError that says where and doing what."""

    def __init__(self, client: Client, place: str) -> None:
        self.place = place
        """The directory, or the server without its credentials."""
        self._client = client
        self._columns: dict[str, dict[str, Column]] = {}

    @classmethod
    def open_embedded(cls, directory: Path) -> ClickHouse:
        """Open the store in `directory`, which is made where it is missing.

        One process holds a directory at a time: a second one gets a StoreError at once.
        Do not fork after this: the child would hang.
        """
        place = str(directory)
        with _errors(place, "cannot be opened"):
            directory.mkdir(parents=True, exist_ok=True)
            _check_free(directory)
            client = clickhouse_connect.get_client(interface="chdb", path=place)
        return cls(client, place)

    @classmethod
    def open_url(cls, dsn: str, *, answers_within_s: int = 300) -> ClickHouse:
        """Connect to a server: `http(s)://user:password@host:port/database`.

        A question that is not answered within `answers_within_s` raises
        StoreUnreachable.
        """
        try:
            parts = urlsplit(dsn)
            place = f"{parts.scheme}://{parts.hostname or ''}:{parts.port or ''}"
        except ValueError as error:
            msg = f"Expected a URL of a ClickHouse server: {error}"
            raise StoreError(msg) from None
        with _errors(place, "cannot be reached"):
            client = clickhouse_connect.get_client(
                dsn=dsn, send_receive_timeout=answers_within_s
            )
        return cls(client, place)

    def migrate(self, migrations: Sequence[Migration] | None = None) -> list[str]:
        """Bring the schema up to date; the names of what was applied.

        Raises StoreError where an applied migration has been edited since, or where
        the store was made by a newer version.
        """
        pending = shipped_migrations() if migrations is None else migrations
        self.command(_HISTORY)
        rows = self.query("SELECT number, name, checksum FROM schema_migrations")
        applied = {number: (name, checksum) for number, name, checksum in rows}
        known = {migration.number for migration in pending}
        for number in sorted(applied.keys() - known):
            msg = f"{self.place}: made by a newer version: {applied[number][0]}"
            raise StoreError(msg)
        return [m.name for m in pending if self._apply(m, applied.get(m.number))]

    def _apply(self, migration: Migration, applied: tuple[str, str] | None) -> bool:
        if applied is not None:
            if applied[1] == migration.checksum:
                return False
            msg = (
                f"{self.place}: migration {migration.name} was edited after it was "
                f"applied (sha256 {applied[1][:12]}, now {migration.checksum[:12]})"
            )
            raise StoreError(msg)
        for statement in migration.statements():
            self.command(statement)
        self._columns.clear()
        row = (migration.number, migration.name, migration.checksum)
        self.insert("schema_migrations", ("number", "name", "checksum"), [row])
        return True

    def columns(self, table: str) -> dict[str, Column]:
        """The columns of a table by name."""
        known = self._columns.get(table)
        if known is None:
            rows = self.query(
                "SELECT name, type FROM system.columns "
                "WHERE database = currentDatabase() AND table = {table:String}",
                {"table": table},
            )
            if not rows:
                msg = f"{self.place}: there is no table {table}"
                raise StoreError(msg)
            known = {str(name): Column(str(name), str(kind)) for name, kind in rows}
            self._columns[table] = known
        return known

    def insert(
        self,
        table: str,
        columns: Sequence[str],
        rows: Sequence[Values],
        token: str | None = None,
    ) -> None:
        """Insert rows exactly.

        Times are integers in the unit of their column, decimals are Decimal or
        pairs (scaled integer, decimals), arrays of them (scaled integers, decimals).
        A request sent twice under one token changes nothing the second time, in the
        table and in every materialised view behind it. Raises NotExact, with nothing
        inserted, where a column cannot hold a value, and StoreError.
        """
        if not rows:
            return
        kinds = self.columns(table)
        try:
            encoded = pa.table(
                {
                    name: kinds[name].encode(values)
                    for name, values in zip(
                        columns, zip(*rows, strict=True), strict=True
                    )
                }
            )
        except Unrepresentable as error:
            msg = f"{self.place}: table {table}: {error}"
            raise NotExact(msg) from error
        once: dict[str, object] = {"insert_deduplicate": 0}
        if token is not None:
            once = {"insert_deduplicate": 1, "insert_deduplication_token": token}
        settings = {**_INSERT_SETTINGS, **once}
        with _errors(self.place, f"cannot insert into {table}"):
            self._client.insert_arrow(table, encoded, settings=settings)

    def split(
        self, table: str, columns: Sequence[str], rows: Sequence[Values]
    ) -> tuple[list[Values], list[Values]]:
        """`rows` that the table holds exactly, and those that it cannot."""
        kinds = [self.columns(table)[name] for name in columns]
        exact: list[Values] = []
        rest: list[Values] = []
        for row in rows:
            fits = all(kind.fits(value) for kind, value in zip(kinds, row, strict=True))
            (exact if fits else rest).append(row)
        return exact, rest

    def query(
        self, sql: str, parameters: Mapping[str, object] | None = None
    ) -> list[tuple[Any, ...]]:  # the query decides the types
        """The rows of a query."""
        with _errors(self.place, "cannot answer a query"):
            answer = self._client.query(sql, parameters=dict(parameters or {}))
            return [tuple(row) for row in answer.result_rows]

    def command(self, sql: str, parameters: Mapping[str, object] | None = None) -> None:
        """Carry out a statement that returns nothing."""
        with _errors(self.place, "cannot carry out a statement"):
            self._client.command(sql, parameters=dict(parameters or {}))

    def close(self) -> None:
        """Close the connection; an embedded store can then be opened by others."""
        with _errors(self.place, "cannot be closed"):
            self._client.close()


def _check_free(directory: Path) -> None:
    """Ask before the engine does: it would complain on standard error."""
    path = directory / _LOCK_FILE
    if not path.exists():
        return
    with path.open("rb") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            msg = f"{directory}: cannot be opened: another process holds it"
            raise StoreError(msg) from None


@contextmanager
def _errors(place: str, what: str) -> Iterator[None]:
    """Turn the client's and the system's errors into one sentence."""
    try:
        yield
    except OperationalError as error:
        msg = f"{place}: {what}: {_reason(error)}"
        raise StoreUnreachable(msg) from error
    except (ClickHouseError, OSError, pa.ArrowException) as error:
        msg = f"{place}: {what}: {_reason(error)}"
        raise StoreError(msg) from error


def _reason(error: Exception) -> str:
    if isinstance(error, OSError) and error.errno is not None:
        return os.strerror(error.errno)
    text = _TRAILER.sub("", str(error)).strip()
    return text.splitlines()[0] if text else type(error).__name__
