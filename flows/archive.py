"""The archive dataflow: a journal and its recordings into ClickHouse.

    journal -> journal_rows ────────────────────┐
    frames -> books -> imbalance -> view_rows ──┼─> rows -> archive
           -> trade_rows ───────────────────────┘

Views come from the same operators as in trading, so the archive shows what was traded
on. Step names are part of stored state: a test pins them.
"""

from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from datetime import timedelta
from functools import partial
from pathlib import Path

import bytewax.operators as op
import msgspec
from bytewax.dataflow import Dataflow
from bytewax.inputs import Source
from bytewax.operators import KeyedStream
from bytewax.outputs import Sink

from connectors.binance.wire import decode
from connectors.clickhouse import (
    BlockSink,
    BlockWriter,
    CaughtUp,
    ClickHouse,
    Item,
    JournalRows,
    TradeRows,
    ViewRows,
)
from connectors.journal import JournalReader, JournalRow
from connectors.recording import merged_frames
from connectors.replay import ReplaySource
from connectors.tail import TailSource
from flows.domain.books import Books
from flows.domain.event import Event
from flows.domain.fault import Fault
from flows.domain.frame import RawFrame
from flows.domain.imbalance import ImbalanceRule
from flows.operators.books import books
from flows.operators.imbalance import imbalance
from flows.operators.keyed import keyed
from flows.run import run
from flows.settings import Settings

BLOCK_SIZE = 20_000
"""Journal entries, views or trades in a block; what a crash costs to send again."""

_KEY = "archive"

_UNREPRESENTABLE = """
SELECT table, count() FROM unrepresentable WHERE run_id = {run:String} GROUP BY table
"""


@dataclass(frozen=True)
class Market:
    """Recorded frames and how they become views."""

    frames: Source[RawFrame]
    decode: Callable[[RawFrame], Event]
    books: Books
    rule: ImbalanceRule


class Archived(msgspec.Struct, frozen=True):
    """What an archive run has done."""

    blocks: int
    rows: dict[str, int]
    """Rows loaded by this run, by table; less than all where it resumed."""
    unrepresentable: dict[str, int]
    """Rows of the whole run that are kept as text, by table: a number was too long."""


def build_archive_flow(
    run_id: str,
    journal: Source[JournalRow | None],
    market: Market | None,
    sink: Sink[tuple[str, Item]],
    fault: Fault,
) -> Dataflow:
    """Wire the flow; without `market` the journal alone is loaded."""
    flow = Dataflow("archive")
    entries = op.input("journal", flow, journal)
    mapper = partial(journal_items, JournalRows(run_id))
    streams = [keyed("journal_rows", entries, _KEY, mapper, fault)]
    if market is not None:
        streams += _market_rows(flow, run_id, market, fault)
    op.output("archive", op.merge("rows", *streams), sink)
    return flow


def _market_rows(
    flow: Dataflow, run_id: str, market: Market, fault: Fault
) -> list[KeyedStream[Item]]:
    frames = op.input("frames", flow, market.frames)
    updates = books("books", frames, market.decode, market.books, fault)
    zoned = imbalance("imbalance", updates, market.rule, fault)
    trades = TradeRows(run_id, market.decode)
    return [
        keyed("view_rows", zoned, _KEY, ViewRows(run_id), fault),
        keyed("trade_rows", frames, _KEY, trades, fault),
    ]


def journal_items(
    rows: JournalRows, entries: Sequence[JournalRow | None]
) -> Iterator[Item]:
    """Entries as items of the source `journal`; None where it has caught up.

    Behind the last entry nothing comes that would have it loaded: it is caught up, too.
    """
    for entry in entries:
        if entry is not None:
            yield rows(entry)
        if entry is None or is_last(entry):
            yield CaughtUp("journal")


def is_last(row: JournalRow) -> bool:
    """Whether a run has no entry after this one."""
    return row.kind == "run_ended"


def archive(
    store: ClickHouse,
    run_id: str,
    journal_path: Path,
    market: Callable[[Fault], Market] | None = None,
    *,
    until: Callable[[], bool] | None = None,
    poll: timedelta = timedelta(seconds=1),
    block_size: int = BLOCK_SIZE,
) -> Archived:
    """Load a run into a migrated store, each row exactly once; resumes by itself.

    With `until` the journal is followed while it grows, asked every `poll`, to its
    `run_ended` entry or until `until()` is true. Raises what ended the flow early.
    """
    fault = Fault()
    writer = BlockWriter(store, run_id, block_size=block_size)
    reader = JournalReader(journal_path)
    try:
        entries = TailSource(
            reader.reading(run_id, writer.next_number("journal")),
            is_last,
            fault,
            until=until,
            poll=poll,
        )
        found = market(fault) if market else None
        sink = BlockSink(writer, fault)
        run(build_archive_flow(run_id, entries, found, sink, fault), fault)
    finally:
        reader.close()
    odd = dict(store.query(_UNREPRESENTABLE, {"run": run_id}))
    return Archived(writer.loaded.blocks, writer.loaded.rows, odd)


def archive_replay(
    directory: Path,
    run_id: str,
    journal_path: Path,
    *,
    recordings: Sequence[Path],
    settings: Settings,
    on_progress: Callable[[int], None] = lambda _more: None,
    block_size: int = BLOCK_SIZE,
) -> Archived:
    """Load a finished replay into the embedded store in `directory`.

    `on_progress` is told how many bytes of the recordings have been read since its last
    call. Running it again resumes it. Raises the TradingError that prevents it.
    """

    def market(fault: Fault) -> Market:
        frames = merged_frames(recordings, on_progress)
        return Market(
            ReplaySource(frames, batch_size=settings.batch_size, fault=fault),
            decode,
            Books(
                depth=settings.imbalance_depth, stale_after_ms=settings.stale_after_ms
            ),
            settings.zone_rule,
        )

    with ExitStack() as stack:
        store = ClickHouse.open_embedded(directory)
        stack.callback(store.close)
        store.migrate()
        return archive(store, run_id, journal_path, market, block_size=block_size)
