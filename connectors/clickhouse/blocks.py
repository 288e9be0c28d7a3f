"""Blocks into ClickHouse, each exactly once.

A block is a fixed range of the numbers of one source of a run: journal sequences, or the
counted views or trades of its recordings. Its life is in the table `archive_blocks`:

    planned   boundaries and a number of its own are durable, nothing is inserted yet
    loaded    every table holds all of it
    dropping  the run is being removed, in order to be loaded anew
    dropped   removed

After a crash a planned block is built again from its source, which is durable, and sent
again with the same tokens: what had arrived is dropped by the deduplication window of
each table and each target of a materialised view, what had not arrived is filled in.
A token lasts only as long as the window. Where so many parts have been inserted since
the plan that it may have left the window, the run is removed and loaded anew under new
numbers. So no row depends on how much later a load is resumed.

One writer per run: an embedded store admits one process; on a server it is a rule.
"""

from collections.abc import Iterable, Sequence
from typing import NamedTuple

import msgspec
from bytewax.outputs import FixedPartitionedSink, StatefulSinkPartition

from connectors.clickhouse.client import DEDUPLICATION_WINDOW, ClickHouse, NotExact
from connectors.clickhouse.rows import COLUMNS, Numbered, TableRow, verbatim
from flows.domain.errors import StoreError, TradingError
from flows.domain.fault import Fault
from flows.domain.units import NS_PER_DAY

PARTITION = "archive"
"""Key of the sink's only partition."""

_LEDGER = "archive_blocks"
_LEDGER_COLUMNS = ("number", "run_id", "source", "first", "last", "days", "state")
_UNREPRESENTABLE = ("run_id", "table", "sequence", "row")
_BLOCKS = """
SELECT number, source, first, last, days, toString(max(state)) FROM archive_blocks
WHERE run_id = {run:String}
GROUP BY number, source, first, last, days ORDER BY number
"""
_PARTS_SINCE = """
SELECT sum(days) FROM archive_blocks WHERE state = 'planned' AND number > {number:UInt64}
"""
_TABLES = """
SELECT DISTINCT table FROM system.columns
WHERE database = currentDatabase() AND name = 'run_id' AND table IN
    (SELECT name FROM system.tables
     WHERE database = currentDatabase() AND engine LIKE '%MergeTree')
ORDER BY table
"""


class Block(NamedTuple):
    """A range of one source's numbers, both ends included."""

    number: int
    """Never used twice in a store."""
    source: str
    first: int
    last: int
    days: int
    """UTC days of its rows: the most parts it adds to any table."""


class CaughtUp(NamedTuple):
    """A growing source has nothing more for now: what is there may be loaded."""

    source: str


Item = Numbered | CaughtUp


class Loaded(msgspec.Struct):
    """What a writer has done."""

    blocks: int = 0
    rows: dict[str, int] = {}
    """Rows by table."""
    unrepresentable: int = 0
    """Rows kept as text because a number fits no column."""


class Ledger:
    """Which blocks of a run are planned and which are loaded."""

    def __init__(self, store: ClickHouse, run_id: str) -> None:
        self._store = store
        self._run_id = run_id
        self._next: dict[str, int] = {}
        self._planned: dict[str, Block] = {}
        self._recover()

    def next_number(self, source: str) -> int:
        """The first number of a source that is not loaded."""
        return self._next.get(source, 0)

    def planned(self, source: str) -> Block | None:
        """The block that was planned and perhaps sent, but not confirmed."""
        return self._planned.get(source)

    def plan(self, source: str, last: int, days: int) -> Block:
        """Fix the boundaries of the source's next block, durably."""
        [(highest,)] = self._store.query(f"SELECT max(number) FROM {_LEDGER}")
        first = self.next_number(source)
        block = Block(int(highest) + 1, source, first, last, days)
        self._record([block], "planned")
        self._planned[source] = block
        return block

    def confirm(self, block: Block) -> None:
        """Every table holds the block."""
        self._record([block], "loaded")
        del self._planned[block.source]
        self._next[block.source] = block.last + 1

    def token(self, block: Block, table: str) -> str:
        """The deduplication token of the block's rows in one table."""
        place = f"{self._run_id}/{block.source}/{table}"
        return f"{place}/{block.first}-{block.last}/{block.number}"

    def drop(self) -> None:
        """Remove every row of the run, so that it is loaded anew.

        Interrupted, it is finished when the ledger is opened next.
        """
        states = self._states()
        blocks = [b for b, state in states if state in ("planned", "loaded")]
        self._record(blocks, "dropping")
        self._finish_drop(blocks + [b for b, state in states if state == "dropping"])
        self._next.clear()
        self._planned.clear()

    def _recover(self) -> None:
        states = self._states()
        if any(state == "dropping" for _, state in states):
            self.drop()
            return
        for block, state in states:
            if state == "loaded":
                self._next[block.source] = block.last + 1
            elif state == "planned":
                self._planned[block.source] = block
        if any(self._is_past_window(block) for block in self._planned.values()):
            self.drop()

    def _is_past_window(self, block: Block) -> bool:
        [(parts,)] = self._store.query(_PARTS_SINCE, {"number": block.number})
        return int(parts) + block.days > DEDUPLICATION_WINDOW

    def _finish_drop(self, blocks: Sequence[Block]) -> None:
        for (table,) in self._store.query(_TABLES):
            if table != _LEDGER:
                self._store.command(
                    f"ALTER TABLE {table} DELETE WHERE run_id = {{run:String}} "
                    "SETTINGS mutations_sync = 2",
                    {"run": self._run_id},
                )
        self._record(blocks, "dropped")

    def _states(self) -> list[tuple[Block, str]]:
        rows = self._store.query(_BLOCKS, {"run": self._run_id})
        return [(Block(*values), state) for *values, state in rows]

    def _record(self, blocks: Sequence[Block], state: str) -> None:
        rows = [
            (b.number, self._run_id, b.source, b.first, b.last, b.days, state)
            for b in blocks
        ]
        if rows:
            token = f"{self._run_id}/{rows[0][0]}-{rows[-1][0]}/{state}"
            self._store.insert(_LEDGER, _LEDGER_COLUMNS, rows, token)


class BlockWriter:
    """Gathers numbered items into blocks and loads them, each exactly once.

    Numbers that are loaded already are passed over; a hole in a source is an error.
    """

    def __init__(self, store: ClickHouse, run_id: str, *, block_size: int) -> None:
        self.loaded = Loaded()
        self._store = store
        self._run_id = run_id
        self._block_size = block_size
        self._ledger = Ledger(store, run_id)
        self._gathered: dict[str, list[Numbered]] = {}

    def next_number(self, source: str) -> int:
        """The first number of a source that is not loaded."""
        return self._ledger.next_number(source)

    def add(self, items: Iterable[Item]) -> None:
        """Take items in the order of their source. Raises StoreError."""
        for item in items:
            if isinstance(item, CaughtUp):
                self._load_gathered(item.source)
            elif item.number >= self._ledger.next_number(item.source):
                self._gather(item)

    def finish(self) -> None:
        """Load what is left at the end of all sources.

        Raises StoreError where a source has become shorter than a planned block.
        """
        for source in list(self._gathered):
            self._load_gathered(source)
            if block := self._ledger.planned(source):
                msg = (
                    f"Expected {source} of run {self._run_id} to reach {block.last} "
                    "as when its load began, but it is shorter"
                )
                raise StoreError(msg)

    def _gather(self, item: Numbered) -> None:
        gathered = self._gathered.setdefault(item.source, [])
        expected = self._ledger.next_number(item.source) + len(gathered)
        if item.number != expected:
            msg = (
                f"Expected {item.source} {expected} of run {self._run_id}, "
                f"was {item.number}"
            )
            raise StoreError(msg)
        gathered.append(item)
        planned = self._ledger.planned(item.source)
        size = planned.last - planned.first + 1 if planned else self._block_size
        if len(gathered) >= size:
            self._load(item.source, planned)

    def _load_gathered(self, source: str) -> None:
        if self._gathered.get(source) and self._ledger.planned(source) is None:
            self._load(source, None)

    def _load(self, source: str, planned: Block | None) -> None:
        items = self._gathered.pop(source)
        days = len({item.received_ns // NS_PER_DAY for item in items})
        block = planned or self._ledger.plan(source, items[-1].number, days)
        by_table: dict[str, list[tuple[object, ...]]] = {}
        for item in items:
            for table, values in item.rows:
                by_table.setdefault(table, []).append(values)
        odd: list[TableRow] = []
        for table, rows in sorted(by_table.items()):
            odd += self._insert(block, table, rows)
        self._keep_verbatim(block, odd)
        self._ledger.confirm(block)
        self.loaded.blocks += 1

    def _insert(
        self, block: Block, table: str, rows: list[tuple[object, ...]]
    ) -> list[TableRow]:
        """Insert what fits, give back what does not."""
        columns, token = COLUMNS[table], self._ledger.token(block, table)
        odd: list[tuple[object, ...]] = []
        try:
            self._store.insert(table, columns, rows, token)
        except NotExact:
            rows, odd = self._store.split(table, columns, rows)
            self._store.insert(table, columns, rows, token)
        counts = self.loaded.rows
        counts[table] = counts.get(table, 0) + len(rows)
        return [TableRow(table, row) for row in odd]

    def _keep_verbatim(self, block: Block, odd: Sequence[TableRow]) -> None:
        rows = [
            (self._run_id, table, values[1], verbatim(COLUMNS[table], values))
            for table, values in odd
        ]
        token = self._ledger.token(block, "unrepresentable")
        self._store.insert("unrepresentable", _UNREPRESENTABLE, rows, token)
        self.loaded.unrepresentable += len(rows)


class _BlockPartition(StatefulSinkPartition[Item, None]):
    def __init__(self, writer: BlockWriter, fault: Fault) -> None:
        self._writer = writer
        self._fault = fault

    def write_batch(self, values: list[Item]) -> None:
        if self._fault.error is None:
            try:
                self._writer.add(values)
            except TradingError as error:
                self._fault.report(error)

    def snapshot(self) -> None:
        return None

    def close(self) -> None:
        if self._fault.error is None:
            try:
                self._writer.finish()
            except TradingError as error:
                self._fault.report(error)


class BlockSink(FixedPartitionedSink[Item, None]):
    """Loads blocks into ClickHouse.

    One partition, `archive`, because a run has one writer; another worker gains nothing.
    Delivery: exactly once, also over kill -9: the ledger in the store says what is
    loaded, so the flow's own recovery is not needed.
    """

    def __init__(self, writer: BlockWriter, fault: Fault) -> None:
        self._writer = writer
        self._fault = fault

    def list_parts(self) -> list[str]:
        """The one partition."""
        return [PARTITION]

    def build_part(
        self, step_id: str, for_part: str, resume_state: None
    ) -> StatefulSinkPartition[Item, None]:
        """Go on where the ledger ends."""
        return _BlockPartition(self._writer, self._fault)
