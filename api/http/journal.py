"""The newest entries of an engine's journal, whatever run they are of."""

from collections.abc import Collection
from pathlib import Path

import msgspec

from api.http.link import Json
from connectors.journal import JournalReader
from connectors.output import JOURNAL

_CHUNK = 2_000
_MOST_READ = 200_000
"""Entries looked at for one answer; older ones are in ClickHouse."""


def newest(data: Path, kinds: Collection[str] | None, limit: int) -> list[Json]:
    """Entries of some kinds, or of all, newest first. Raises StoreError."""
    path = data / JOURNAL
    if not path.exists():
        return []
    found: list[Json] = []
    left = _MOST_READ
    reader = JournalReader(path)
    try:
        for run_id in reader.runs_back():
            last = reader.last_sequence(run_id)
            while last >= 0 and left > 0:
                first = max(0, last - _CHUNK + 1)
                rows = reader.events(run_id, first, last)
                for row in reversed(rows):
                    if kinds is None or row.kind in kinds:
                        place = {"run_id": run_id, "sequence": row.sequence}
                        found.append({**msgspec.json.decode(row.body), **place})
                        if len(found) == limit:
                            return found
                left -= len(rows)
                last = first - 1
    finally:
        reader.close()
    return found
