"""Blocks into ClickHouse, each exactly once (how: see the ledger)."""

from collections.abc import Iterable, Sequence
from typing import NamedTuple

import msgspec
from bytewax.outputs import FixedPartitionedSink, StatefulSinkPartition

from connectors.clickhouse.client import ClickHouse, NotExact
from connectors.clickhouse.facts import COLUMNS, TableRow, Values
from connectors.clickhouse.ledger import Block, Ledger
from connectors.clickhouse.rows import Numbered, verbatim
from flows.domain.errors import StoreError, TradingError
from flows.domain.fault import Fault

_UNREPRESENTABLE = ("run_id", "sequence", "table", "row", "block")


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
    holes: int = 0
    """Stretches of a live run of which there is no recording."""


class BlockWriter:
    """Gathers numbered items into blocks and loads them, each exactly once.

    Numbers that are loaded already are passed over; a hole in a source is an error.
    """

    def __init__(
        self,
        store: ClickHouse,
        run_id: str,
        *,
        block_size: int,
        loaded: Loaded | None = None,
    ) -> None:
        self.loaded = Loaded() if loaded is None else loaded
        """What has been done; writers of several runs may share it."""
        self._store = store
        self._run_id = run_id
        self._block_size = block_size
        self._ledger = Ledger(store, run_id)
        self._gathered: dict[str, list[Numbered]] = {}

    def next_number(self, source: str) -> int:
        """The first number of a source that is not loaded."""
        return self._ledger.next_number(source)

    def has_loaded_before(self, source: str) -> bool:
        """Whether a like source of an earlier name is loaded, of whichever run."""
        return self._ledger.has_loaded_before(source)

    def add(self, items: Iterable[Item]) -> None:
        """Take items in the order of their source. Raises StoreError."""
        for item in items:
            if isinstance(item, CaughtUp):
                self._load(item.source)
            elif item.number >= self._ledger.next_number(item.source):
                self._gather(item)

    def finish(self) -> None:
        """Load what is left at the end of all sources. Raises StoreError."""
        for source in list(self._gathered):
            self._load(source)

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
        if len(gathered) >= self._block_size:
            self._load(item.source)

    def _load(self, source: str) -> None:
        items = self._gathered.pop(source, None)
        if not items:
            return
        block = self._ledger.plan(source, items[-1].number)
        by_table: dict[str, list[Values]] = {}
        for item in items:
            for table, values in item.rows:
                by_table.setdefault(table, []).append((*values, block.number))
        odd: list[TableRow] = []
        for table, rows in sorted(by_table.items()):
            odd += self._insert(block, table, rows)
        self._keep_verbatim(block, odd)
        self._ledger.confirm(block)
        self.loaded.blocks += 1

    def _insert(self, block: Block, table: str, rows: list[Values]) -> list[TableRow]:
        """Insert what fits, give back what does not."""
        columns, token = _columns(table), self._ledger.token(block, table)
        odd: list[Values] = []
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
            (*values[:2], table, verbatim(COLUMNS[table], values[:-1]), block.number)
            for table, values in odd
        ]
        token = self._ledger.token(block, "unrepresentable")
        self._store.insert("unrepresentable", _UNREPRESENTABLE, rows, token)
        self.loaded.unrepresentable += len(rows)


def _columns(table: str) -> tuple[str, ...]:
    return (*COLUMNS[table], "block")


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

    One partition, because a run has one writer; another worker gains nothing.
    Delivery: exactly once, also over kill -9: the ledger in the store says what is
    loaded and what must go, so the flow's own recovery is not needed.
    """

    def __init__(self, writer: BlockWriter, fault: Fault) -> None:
        self._writer = writer
        self._fault = fault

    def list_parts(self) -> list[str]:
        """The one partition."""
        return ["archive"]

    def build_part(
        self, step_id: str, for_part: str, resume_state: None
    ) -> StatefulSinkPartition[Item, None]:
        """Go on where the ledger ends."""
        return _BlockPartition(self._writer, self._fault)
