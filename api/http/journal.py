"""What the journals in a directory hold, as JSON values."""

from collections.abc import Collection
from contextlib import closing
from pathlib import Path

import msgspec

from api.http.link import Json
from connectors.journal import JournalReader, JournalRow
from connectors.output import JOURNAL

_MOST_READ = 200_000
"""Entries looked at for one answer; older ones are in ClickHouse."""


def newest_entry(data: Path) -> JournalRow | None:
    """The last entry of the last run; None where there is none. Raises StoreError."""
    path = data / JOURNAL
    if not path.exists():
        return None
    with closing(JournalReader(path)) as reader:
        for run_id in reader.runs_back():
            return reader.newest(run_id, (), above=-1, limit=1)[0]
    return None


def newest(data: Path, kinds: Collection[str], limit: int) -> list[Json]:
    """Entries of some kinds, or of all, newest first, whatever run they are of.

    Raises StoreError.
    """
    path = data / JOURNAL
    if not path.exists():
        return []
    found: list[Json] = []
    left = _MOST_READ
    with closing(JournalReader(path)) as reader:
        for run_id in reader.runs_back():
            last = reader.last_sequence(run_id)
            above = max(last - left, -1)
            rows = reader.newest(run_id, kinds, above=above, limit=limit - len(found))
            for row in rows:
                place = {"run_id": run_id, "sequence": row.sequence}
                found.append({**msgspec.json.decode(row.body), **place})
            left -= last - above
            if len(found) == limit or left <= 0:
                break
    return found
