"""What the journals in a directory hold, as JSON values."""

from collections.abc import Callable, Collection
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
    return _of_last_run(data, lambda reader, run_id: reader.last_sequence(run_id))


def last_run(data: Path) -> Json | None:
    """What the last run began with; None where there is none. Raises StoreError."""
    row = _of_last_run(data, lambda _reader, _run_id: 0)
    return None if row is None else _told(row)


def newest(
    data: Path, kinds: Collection[str], limit: int, symbol: str = ""
) -> list[Json]:
    """Entries of some kinds, or of all, newest first, whatever run they are of.

    With a symbol, only what concerns it. Raises StoreError.
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
            rows = reader.newest(
                run_id, kinds, above=above, limit=limit - len(found), symbol=symbol
            )
            found += map(_told, rows)
            left -= last - above
            if len(found) == limit or left <= 0:
                break
    return found


def _told(row: JournalRow) -> Json:
    place = {"run_id": row.run_id, "sequence": row.sequence}
    return {**msgspec.json.decode(row.body), **place}


def _of_last_run(
    data: Path, sequence_in: Callable[[JournalReader, str], int]
) -> JournalRow | None:
    path = data / JOURNAL
    if not path.exists():
        return None
    with closing(JournalReader(path)) as reader:
        for run_id in reader.runs_back():
            sequence = sequence_in(reader, run_id)
            return reader.events(run_id, sequence, sequence)[0]
    return None
