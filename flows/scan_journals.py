"""The journals of scans beside a live engine, into its archive.

A scan journals all that it found in one commit, so a journal that has entries is whole.
"""

from contextlib import closing
from pathlib import Path

import structlog

from connectors.clickhouse import BlockWriter, ClickHouse, JournalRows, Loaded
from connectors.journal import JournalReader, JournalRow, held_runs
from connectors.output import JOURNAL
from flows.archive import BLOCK_SIZE, journal_items
from flows.domain.errors import StoreError

_log = structlog.get_logger()


class ScanJournals:
    """Loads scans as they come, each once."""

    def __init__(self, store: ClickHouse, directory: Path, loaded: Loaded) -> None:
        self._store = store
        self._directory = directory
        self._loaded = loaded
        self._done: set[Path] = set()

    def load(self) -> None:
        """Load the scans that have ended since the last call.

        One that cannot be read is passed over. Raises StoreError where the store fails.
        """
        for path in sorted(self._directory.glob(f"*/{JOURNAL}")):
            if path in self._done:
                continue
            try:
                runs = _runs(path)
            except (OSError, StoreError) as error:
                _log.warning("scan_not_archived", reason=str(error))
                self._done.add(path)
                continue
            for run_id, rows in runs.items():
                writer = BlockWriter(
                    self._store, run_id, block_size=BLOCK_SIZE, loaded=self._loaded
                )
                writer.add(journal_items(JournalRows(run_id), rows))
                writer.finish()
                self._done.add(path)


def _runs(path: Path) -> dict[str, list[JournalRow]]:
    """The entries by run; none where the scan has not ended."""
    run_ids = held_runs(path)
    with closing(JournalReader(path)) as reader:
        return {
            run_id: reader.events(run_id, 0, reader.last_sequence(run_id))
            for run_id in run_ids
        }
