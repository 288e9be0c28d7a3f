"""A replay of a day and a half stays as small as it was after some hours."""

import subprocess
import sys
from pathlib import Path

from tests.flows.replay_samples import ROOT
from tests.recordings import recorded

PROGRAM = """
import resource, sys
from pathlib import Path
from flows.replay import ReplayJob, replay
from flows.settings import load

def main(recording, out):
    size, read, peaks = recording.stat().st_size, 0, []
    def on_progress(stage, more):
        nonlocal read
        read += more if stage == "replay" else 0
        if read >= size / 4 and not peaks:
            peaks.append(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss)
    replay(ReplayJob([recording], out, load()), on_progress)
    print(peaks[0], resource.getrusage(resource.RUSAGE_SELF).ru_maxrss)

if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]))
"""


def test_replay_thirty_four_hours_peak_memory_stays_near_that_at_a_quarter(
    tmp_path: Path,
) -> None:
    recording = recorded("spot_nexousdt_20240723-25_34h.jsonl.gz")
    program = tmp_path / "program.py"
    program.write_text(PROGRAM)
    ended = subprocess.run(
        [sys.executable, program, recording, tmp_path / "out"],
        cwd=ROOT,
        env={"PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        check=True,
    )
    at_a_quarter, at_the_end = map(int, ended.stdout.split()[-2:])
    assert 5 * at_the_end <= 6 * at_a_quarter
