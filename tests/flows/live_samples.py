"""What a live engine leaves behind: a journal of several runs and their recording."""

from collections.abc import Callable
from pathlib import Path

import msgspec

from connectors.exchange.synthetic import SyntheticMarket
from connectors.journal import Journal
from connectors.recorder import Recorder
from flows.domain.frame import RawFrame
from flows.domain.opening import Opening
from flows.domain.run import AccountOpened, JournalEntry, Journalled, RunStarted
from flows.domain.units import NS_PER_S
from flows.live import ACCOUNT_STREAM
from flows.settings import load
from tests.flows.archive_samples import facts_of_every_kind

START_NS = 1_700_000_000 * NS_PER_S
SEGMENT_S = 4


def run_frames(start_ns: int, seconds: int, seed: int) -> list[RawFrame]:
    """The account's frame and a synthetic market, times strictly increasing."""
    opening = msgspec.json.encode(Opening())
    found = [RawFrame(start_ns, ACCOUNT_STREAM, opening)]
    for frame in SyntheticMarket(["AAAUSDT", "BBBUSDT"], seed=seed, start_ns=start_ns):
        if frame.received_ns >= start_ns + seconds * NS_PER_S:
            break
        received_ns = max(found[-1].received_ns + 1, frame.received_ns)
        found.append(RawFrame(received_ns, frame.stream, frame.payload))
    return found


def run_entries(run_id: str, start_ns: int, rounds: int) -> list[JournalEntry]:
    """A run's journal without its end, as a killed engine leaves it."""
    facts: list[Journalled] = [
        RunStarted(
            received_ns=start_ns,
            symbol="",
            run_id=run_id,
            mode="paper",
            inputs={"exchange": "loopback"},
            settings=load().as_text(),
        ),
        AccountOpened(received_ns=start_ns, symbol="", opening=Opening()),
    ]
    for number in range(rounds):
        facts += facts_of_every_kind(start_ns + number * NS_PER_S, number)
    return [JournalEntry(sequence, fact) for sequence, fact in enumerate(facts)]


class LiveEngine:
    """Writes what an engine writes, as far as a test wants it."""

    def __init__(self, data: Path, *, segment_s: int = SEGMENT_S) -> None:
        self._data = data
        self._segment_s = segment_s
        self._runs = 0
        self.frames: dict[str, list[RawFrame]] = {}
        """What has been recorded, by run."""

    def run(self, seconds: int = 10, rounds: int = 3) -> str:
        """A whole run that ends by a kill, half a minute after the one before."""
        run_id, start_ns = self._next()
        self.journal(run_id, run_entries(run_id, start_ns, rounds))
        frames = run_frames(start_ns, seconds, seed=self._runs)
        self.record(run_id, frames)
        return run_id

    def run_slowly(self, seconds: int, pause: Callable[[], object]) -> None:
        """Such a run whose frames and entries come one after the other, with pauses."""
        run_id, start_ns = self._next()
        entries = run_entries(run_id, start_ns, 3)
        frames = run_frames(start_ns, seconds, seed=self._runs)
        share = len(frames) // len(entries)
        self.journal(run_id, [entries.pop(0)])
        told = 0

        def between() -> None:
            nonlocal told
            told += 1
            if entries and told % share == 0:
                self.journal(run_id, [entries.pop(0)])
            pause()

        self.record(run_id, frames, between)
        self.journal(run_id, entries)

    def _next(self) -> tuple[str, int]:
        self._runs += 1
        return f"run-{self._runs}", START_NS + self._runs * 30 * NS_PER_S

    def journal(self, run_id: str, entries: list[JournalEntry]) -> None:
        """Append to the journal."""
        self._data.mkdir(exist_ok=True)
        journal = Journal(self._data / "journal.sqlite", run_id)
        journal.append(entries)
        journal.close()

    def record(
        self,
        run_id: str,
        frames: list[RawFrame],
        between: Callable[[], object] = lambda: None,
    ) -> None:
        """Record frames, in segments of their own; call `between` after each."""
        self.frames.setdefault(run_id, []).extend(frames)
        directory = self._data / "recording"
        with Recorder(directory, segment_s=self._segment_s) as recorder:
            for frame in frames:
                recorder.record([frame])
                between()
        assert recorder.error is None
