"""Stands in a scan's place: what it is to scan says what it does."""

import sys
import time
from pathlib import Path

from connectors.journal import Journal, held_runs
from connectors.output import OutputDirectory
from flows.domain.run import JournalEntry
from tests.flows.archive_samples import run_started, scanned

if __name__ == "__main__":
    arguments = sys.argv[1:]
    out = Path(arguments[arguments.index("--out") + 1])
    if "FAILS" in arguments:
        sys.exit("mft: no such symbol: FAILS")
    output = OutputDirectory(out, "scan-1", held_runs)
    if "HANGS" in arguments:
        time.sleep(600)
    (out.parent / "arguments").write_text("\n".join(arguments))
    journal = Journal(output.journal, "scan-1")
    journal.append([JournalEntry(0, run_started()), JournalEntry(1, scanned(1))])
    journal.close()
    output.release()
