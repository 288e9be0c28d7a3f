"""The ledger of blocks: what is loaded, and what must be removed after a crash.

A block is a fixed range of the numbers of one source of a run: journal sequences, the
counted views or trades of a replay's recordings, or the frames of one segment of a live
recording. Its life is in `archive_blocks`:

    planned   boundaries and number are durable, nothing is inserted yet
    loaded    every table holds all of it
    dropped   it was cut off, and whatever had arrived of it has been removed

Every row, also in the targets of materialised views, carries the number of its block.
So a block that a crash cut off is removed from every table, and its range is loaded
again from its source, which is durable, as a new block: right however much later, and
however the source has grown.

Sending it again under the same deduplication token would be simpler, and loses rows:
ClickHouse logs a token before it commits the part, and a process killed between the
two finds the token known and the part missing (seen once in 26 kills). Tokens guard
only against a request that the client sends twice.

One writer per run: an embedded store admits one process; on a server it is a rule.
"""

import time
from typing import NamedTuple

from connectors.clickhouse.client import ClickHouse
from flows.domain.errors import StoreError

_COLUMNS = ("number", "run_id", "source", "first", "last", "state")
_LOADED = """
SELECT source, max(last) + 1 FROM archive_blocks
WHERE run_id = {run:String} AND state = 'loaded' GROUP BY source
"""
_CUT_OFF = """
SELECT number, source, first, last FROM archive_blocks WHERE run_id = {run:String}
GROUP BY number, source, first, last HAVING max(state) = 'planned' ORDER BY number
"""
_EARLIER = """
SELECT count() FROM archive_blocks WHERE state = 'loaded'
AND startsWith(source, {kind:String}) AND source < {source:String}
"""
_HIGHEST = "SELECT max(number) FROM archive_blocks"
_TABLES = """
SELECT name FROM system.tables
WHERE database = currentDatabase() AND engine LIKE '%MergeTree' AND name IN
    (SELECT table FROM system.columns
     WHERE database = currentDatabase() AND name = 'block')
ORDER BY name
"""
_RUNNING = """
SELECT count() FROM system.processes
WHERE startsWith(Settings['insert_deduplication_token'], {token:String})
"""
_OF_BLOCK = "WHERE run_id = {run:String} AND block = {block:UInt64}"
_PATIENCE_S = 60


class Block(NamedTuple):
    """A range of one source's numbers, both ends included."""

    number: int
    """Never used twice by a run."""
    source: str
    first: int
    last: int


class Ledger:
    """Which numbers of a run are loaded. Opening it removes what a crash cut off."""

    def __init__(self, store: ClickHouse, run_id: str) -> None:
        self._store = store
        self._run_id = run_id
        run = {"run": run_id}
        self._next: dict[str, int] = dict(store.query(_LOADED, run))
        for values in store.query(_CUT_OFF, run):
            self._drop(Block(*values))
        [(highest,)] = store.query(_HIGHEST)
        self._number = int(highest)

    def next_number(self, source: str) -> int:
        """The first number of a source that is not loaded."""
        return self._next.get(source, 0)

    def has_loaded_before(self, source: str) -> bool:
        """Whether a source `kind/name` of an earlier name is loaded, of any run."""
        kind = source.partition("/")[0] + "/"
        found = self._store.query(_EARLIER, {"kind": kind, "source": source})
        return bool(found[0][0])

    def plan(self, source: str, last: int) -> Block:
        """Fix the boundaries of the source's next block, durably."""
        self._number += 1
        block = Block(self._number, source, self.next_number(source), last)
        self._record(block, "planned")
        return block

    def confirm(self, block: Block) -> None:
        """Every table holds the block."""
        self._record(block, "loaded")
        self._next[block.source] = block.last + 1

    def token(self, block: Block, table: str) -> str:
        """The deduplication token of the block's rows in one table."""
        return f"{self._prefix(block)}{table}/{block.source}/{block.first}-{block.last}"

    def _prefix(self, block: Block) -> str:
        return f"{self._run_id}/{block.number}/"

    def _drop(self, block: Block) -> None:
        self._await_end_of_inserts(block)
        parameters = {"run": self._run_id, "block": block.number}
        for (table,) in self._store.query(_TABLES):
            [(rows,)] = self._store.query(
                f"SELECT count() FROM {table} {_OF_BLOCK}",  # noqa: S608 - own names
                parameters,
            )
            if rows:
                self._store.command(
                    f"ALTER TABLE {table} DELETE {_OF_BLOCK} SETTINGS mutations_sync=2",
                    parameters,
                )
        self._record(block, "dropped")

    def _await_end_of_inserts(self, block: Block) -> None:
        """A server may go on with an insert whose client has died."""
        deadline = time.monotonic() + _PATIENCE_S
        while self._store.query(_RUNNING, {"token": self._prefix(block)}) != [(0,)]:
            if time.monotonic() > deadline:
                msg = f"{self._store.place}: block {block.number} is still being loaded"
                raise StoreError(msg)
            time.sleep(0.1)

    def _record(self, block: Block, state: str) -> None:
        row = (block.number, self._run_id, *block[1:], state)
        self._store.insert("archive_blocks", _COLUMNS, [row])
