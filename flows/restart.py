"""What a live account must not forget over a restart, read from its journal."""

from collections.abc import Iterator, Sequence
from pathlib import Path

import msgspec

from connectors.journal import JournalReader
from flows.domain.errors import ConfigurationError, StoreError
from flows.domain.opening import Opening
from flows.domain.rebuild import opening_after
from flows.domain.run import Journalled, RunStarted

_CHUNK = 10_000

_decode = msgspec.json.Decoder(Journalled).decode


def succeed(journal: Path, started: RunStarted, symbols: Sequence[str]) -> Opening:
    """Where the account stands as a run on `symbols` begins.

    Raises ConfigurationError where the run cannot go on from the last one: another
    exchange, a clock that was set back, a held symbol that would not be followed. And
    what `read_opening` raises.
    """
    if journal.exists():
        _check_succession(journal, started)
    opening = read_opening(journal)
    missing = {held.symbol for held in opening.positions} - set(symbols)
    if missing:
        names = ",".join(sorted(missing))
        msg = f"{journal}: the account holds {names}: add it to --symbols"
        raise ConfigurationError(msg)
    return opening


def read_opening(journal: Path) -> Opening:
    """Where the account stands after the last run in its journal.

    A fresh one where there is no journal. Raises StoreError where it cannot be read or
    contradicts itself: an account must not begin from a guess.
    """
    if not journal.exists():
        return Opening()
    reader = JournalReader(journal)
    try:
        for run_id in reader.runs_back():
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


def has_ended_in_order(journal: Path) -> bool:
    """Whether the last run in a journal came to its end; False where none is read."""
    try:
        reader = JournalReader(journal)
        try:
            run_id = next(reader.runs_back(), None)
            if run_id is None:
                return False
            last = reader.last_sequence(run_id)
            return any(
                row.kind == "run_ended" for row in reader.events(run_id, last, last)
            )
        finally:
            reader.close()
    except StoreError:
        return False


def _check_succession(journal: Path, started: RunStarted) -> None:
    reader = JournalReader(journal)
    try:
        run_id = next(reader.runs_back(), None)
        before = None if run_id is None else next(_facts(reader, run_id))
    finally:
        reader.close()
    if run_id is not None and run_id >= started.run_id:
        msg = (
            f"{journal}: its last run, {run_id}, began later than now by the clock of "
            "this machine; set it"
        )
        raise ConfigurationError(msg)
    if isinstance(before, RunStarted) and _place(before) != _place(started):
        msg = (
            f"{journal} is of an account at {_place(before)}, not {_place(started)}; "
            "choose another --data"
        )
        raise ConfigurationError(msg)


def _place(started: RunStarted) -> str:
    return f"{started.inputs.get('exchange', '')} ({started.mode})"


def _facts(reader: JournalReader, run_id: str) -> Iterator[Journalled]:
    last = reader.last_sequence(run_id)
    for first in range(0, last + 1, _CHUNK):
        for row in reader.events(run_id, first, first + _CHUNK - 1):
            try:
                yield _decode(row.body)
            except (msgspec.DecodeError, ValueError) as error:
                msg = f"entry {row.sequence} ({row.kind}) cannot be read: {error}"
                raise StoreError(msg) from error
