"""The archive is killed within its inserts while its journal grows."""

import os
import random
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

from connectors.clickhouse import ClickHouse
from connectors.journal import Journal, JournalReader
from flows.archive import archive
from tests.flows.archive_process import market_of
from tests.flows.archive_samples import (
    RUN,
    dump,
    journal_entries,
    write_recording,
)

KILLS = 13
SEEDS = range(4) if os.environ.get("MFT_CHAOS") == "all" else range(1)
EVENTS = 500
ROOT = Path(__file__).parents[2]


class GrowingJournal(threading.Thread):
    """Appends a run to a journal in small commits, fast once `hurry` is set."""

    def __init__(self, path: Path, rounds: int) -> None:
        super().__init__()
        self.hurry = threading.Event()
        self._entries = journal_entries(rounds)
        self._journal = Journal(path, RUN)

    def run(self) -> None:
        """Append everything."""
        rng = random.Random(1)
        while self._entries:
            size = rng.randrange(1, 9)
            self._journal.append(self._entries[:size])
            del self._entries[:size]
            self.hurry.wait(0.1)
        self._journal.close()


def _start(*arguments: Path) -> subprocess.Popen[str]:
    command = [
        sys.executable,
        "-m",
        "tests.flows.archive_process",
        *map(str, arguments),
    ]
    return subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True)


def kill_within_insert(process: subprocess.Popen[str], rng: random.Random) -> str:
    """Kill -9 a random time after a random insert began; the table it was."""
    assert process.stdout is not None
    table = ""
    for _ in range(rng.randrange(1, 20)):
        table = process.stdout.readline().strip().removeprefix("insert ")
    time.sleep(rng.uniform(0, 0.02))
    process.kill()
    process.stdout.close()
    assert process.wait(30) == -9, "the archive ended before it could be killed"
    return table


@pytest.mark.untraced
@pytest.mark.parametrize("seed", SEEDS)
def test_archive_killed_within_inserts_holds_everything_exactly_once(
    tmp_path: Path, seed: int
) -> None:
    rng = random.Random(seed)
    journal_path, stop_file = tmp_path / "journal.sqlite", tmp_path / "stop"
    recording = write_recording(tmp_path / "r.jsonl.gz", events=EVENTS)
    arguments = (tmp_path / "crashed", journal_path, stop_file, recording)
    journal = GrowingJournal(journal_path, rounds=75)
    journal.start()
    tables = [kill_within_insert(_start(*arguments), rng) for _ in range(KILLS)]
    journal.hurry.set()
    journal.join(60)
    stop_file.touch()
    last = _start(*arguments)
    out, _ = last.communicate(timeout=120)
    assert (last.returncode, out.splitlines()[-1]) == (0, "done")
    assert len(set(tables)) >= 5, "the kills met too few tables"

    crashed = ClickHouse.open_embedded(tmp_path / "crashed")
    found = dump(crashed)
    states = crashed.query(
        "SELECT source, count(), min(first), max(last), sum(last - first + 1) FROM "
        "(SELECT source, number, first, last FROM archive_blocks GROUP BY ALL "
        "HAVING max(state) = 'loaded') GROUP BY source ORDER BY source"
    )
    crashed.close()
    clean = ClickHouse.open_embedded(tmp_path / "clean")
    clean.migrate()
    archive(clean, RUN, journal_path, lambda fault: market_of(recording, fault))
    expected = dump(clean)
    clean.close()

    reader = JournalReader(journal_path)
    written = reader.events(RUN, 0, reader.last_sequence(RUN))
    reader.close()
    bodies = sorted((row[1], row[5]) for row in found["journal"])
    assert bodies == [(row.sequence, row.body.decode()) for row in written]
    for table, rows in expected.items():
        assert found[table] == rows, table
    assert len(found["book_views"]) == EVENTS
    for source, _, first, end, numbers in states:
        assert (first, numbers) == (0, end + 1), source
