"""The transcript of a run: its start comes first, sequences have no hole."""

import msgspec

from flows.domain.event import Verb
from flows.domain.run import CommandHandled, JournalEntry, Transcript
from tests.domain.scene import STARTED

HANDLED = CommandHandled(
    received_ns=7,
    symbol="",
    verb=Verb.PAUSE,
    operator="ann",
    reason="",
    is_accepted=True,
)


def _started(received_ns: int) -> JournalEntry:
    return JournalEntry(0, msgspec.structs.replace(STARTED, received_ns=received_ns))


def test_at_first_event_starts_the_run_at_its_time() -> None:
    transcript = Transcript(STARTED)
    transcript.at(7)
    transcript.at(8)
    assert transcript.now_ns == 8
    assert transcript.take() == [_started(7)]


def test_add_before_any_event_starts_the_run_first() -> None:
    transcript = Transcript(STARTED)
    transcript.add(HANDLED)
    assert transcript.take() == [_started(0), JournalEntry(1, HANDLED)]


def test_take_again_and_again_numbers_on_without_a_hole() -> None:
    transcript = Transcript(STARTED)
    transcript.at(7)
    taken = []
    for _ in range(3):
        transcript.add(HANDLED)
        taken.append([entry.sequence for entry in transcript.take()])
    assert taken == [[0, 1], [2], [3]]
    assert transcript.take() == []
