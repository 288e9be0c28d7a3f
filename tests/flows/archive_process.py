"""An archive in a process of its own, to be killed by the crash test.

    python -m tests.flows.archive_process STORE JOURNAL STOP_FILE RECORDING

It tells each insert on standard output, so that the test can kill within it.
"""

import sys
from collections.abc import Sequence
from datetime import timedelta
from pathlib import Path

from connectors.binance.wire import decode
from connectors.clickhouse import ClickHouse
from connectors.recording import merged_frames
from connectors.replay import ReplaySource
from flows.archive import Market, archive
from flows.domain.books import Books
from flows.domain.fault import Fault
from flows.settings import load
from tests.flows.archive_samples import RUN

BLOCK_SIZE = 40


def tell(line: str) -> None:
    """Write a line for the test to see at once."""
    sys.stdout.write(line + "\n")
    sys.stdout.flush()


class TellingClickHouse(ClickHouse):
    """Says each insert before it begins."""

    def insert(
        self,
        table: str,
        columns: Sequence[str],
        rows: Sequence[tuple[object, ...]],
        token: str | None = None,
    ) -> None:
        """Insert, after one line on standard output."""
        tell(f"insert {table}")
        super().insert(table, columns, rows, token)


def market_of(recording: Path, fault: Fault) -> Market:
    """The recording with the default settings."""
    settings = load()
    return Market(
        ReplaySource(merged_frames([recording]), batch_size=16, fault=fault),
        decode,
        Books(depth=5, stale_after_ms=settings.stale_after_ms),
        settings.zone_rule,
    )


def main(directory: str, journal: str, stop_file: str, recording: str) -> None:
    """Follow the journal until the stop file is there."""
    store = TellingClickHouse.open_embedded(Path(directory))
    store.migrate()
    archive(
        store,
        RUN,
        Path(journal),
        lambda fault: market_of(Path(recording), fault),
        until=Path(stop_file).exists,
        poll=timedelta(milliseconds=5),
        block_size=BLOCK_SIZE,
    )
    store.close()
    tell("done")


if __name__ == "__main__":
    main(*sys.argv[1:])
