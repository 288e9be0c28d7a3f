"""What a live account must not forget over a restart, read from its journal."""

from collections.abc import Iterator
from itertools import islice
from pathlib import Path

import msgspec

from connectors.journal import JournalReader
from flows.domain.errors import ConfigurationError, StoreError
from flows.domain.opening import Opening
from flows.domain.rebuild import opening_after
from flows.domain.run import Journalled, RunStarted

_CHUNK = 10_000

_decode = msgspec.json.Decoder(Journalled).decode


def read_opening(journal: Path, mode: str = "paper") -> Opening:
    """Where the account stands after the last run in its journal.

    A fresh one where there is no journal. Raises StoreError where it cannot be read or
    contradicts itself: an account must not begin from a guess. Raises
    ConfigurationError where the last run was of another mode.
    """
    if not journal.exists():
        return Opening()
    reader = JournalReader(journal)
    try:
        for run_id in reader.runs_back():
            _check_mode(journal, reader, run_id, mode)
            try:
                opening = opening_after(_facts(reader, run_id))
            except StoreError as error:
                msg = f"{journal}: run {run_id} cannot be gone on from: {error}"
                raise StoreError(msg) from error
            if opening is not None:
                return opening
    finally:
        reader.close()
    return Opening()


def _check_mode(journal: Path, reader: JournalReader, run_id: str, mode: str) -> None:
    for fact in islice(_facts(reader, run_id), 1):
        if isinstance(fact, RunStarted) and fact.mode != mode:
            msg = (
                f"{journal} is of an account in mode {fact.mode}, not {mode}; "
                "choose another --data"
            )
            raise ConfigurationError(msg)


def _facts(reader: JournalReader, run_id: str) -> Iterator[Journalled]:
    last = reader.last_sequence(run_id)
    for first in range(0, last + 1, _CHUNK):
        for row in reader.events(run_id, first, first + _CHUNK - 1):
            try:
                yield _decode(row.body)
            except (msgspec.DecodeError, ValueError) as error:
                msg = f"entry {row.sequence} ({row.kind}) cannot be read: {error}"
                raise StoreError(msg) from error
