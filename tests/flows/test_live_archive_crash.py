"""The live archive is killed within its inserts while engines write and are killed."""

import random
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from tests.flows.live_samples import LiveEngine
from tests.flows.replay_samples import ROOT
from tests.flows.test_archive_crash import kill_within_insert
from tests.flows.test_live_archive import assert_everything_once, entries_of

KILLS = 12
RUNS = 3


class Writing(threading.Thread):
    """Engines one after the other, fast once `hurry` is set."""

    def __init__(self, engine: LiveEngine) -> None:
        super().__init__()
        self.hurry = threading.Event()
        self._engine = engine

    def run(self) -> None:
        """Write all runs."""
        for _ in range(RUNS):
            self._engine.run_slowly(20, lambda: self.hurry.wait(0.003))


def start(data: Path, how: str) -> subprocess.Popen[str]:
    command = [sys.executable, "-m", "tests.flows.live_archive_process"]
    return subprocess.Popen(
        [*command, str(data), how], cwd=ROOT, stdout=subprocess.PIPE, text=True
    )


@pytest.mark.untraced
def test_live_archive_killed_within_inserts_holds_everything_exactly_once(
    tmp_path: Path,
) -> None:
    rng = random.Random(11)
    data = tmp_path / "data"
    data.mkdir()
    engine = LiveEngine(data, segment_s=7)
    writing = Writing(engine)
    writing.start()
    tables = [kill_within_insert(start(data, "follow"), rng) for _ in range(KILLS)]
    was_writing = writing.is_alive()
    writing.hurry.set()
    writing.join(60)
    last = start(data, "once")
    out, _ = last.communicate(timeout=120)
    assert (last.returncode, out.splitlines()[-1]) == (0, "done")
    assert len(set(tables)) >= 3, "the kills met too few tables"
    assert was_writing, "nothing was written while it was killed"
    assert_everything_once(engine, data, entries_of(3))
