"""Small inputs for replays, and the command run as a user runs it."""

import gzip
import json
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from api.cli.synth import write_synthetic
from connectors.journal import JournalReader, JournalRow

ROOT = Path(__file__).resolve().parents[2]
_MODULE = ("-m", "api.cli.main")
COMMAND = (sys.executable, *_MODULE)
"""`mft`, for processes that are killed or short of room: they measure no coverage."""

_MEASURED = (sys.executable, "-m", "coverage", "run", "--parallel-mode", *_MODULE)


def synthetic(folder: Path, *, seconds: int = 60, seed: int = 7) -> Path:
    """A synthetic recording of two symbols."""
    path = folder / f"market-{seconds}-{seed}.jsonl.gz"
    write_synthetic(path, ["BTCUSDT", "ETHUSDT"], seconds, seed)
    return path


def run_mft(
    *arguments: object, prefix: Sequence[str] = (), timeout_s: int = 300
) -> subprocess.CompletedProcess[str]:
    """`mft` with `arguments`, in a process of its own.

    It counts towards coverage where the test does and no `prefix` hampers it.
    """
    is_measured = sys.gettrace() is not None and not prefix
    command = _MEASURED if is_measured else COMMAND
    return subprocess.run(
        [*prefix, *command, *map(str, arguments)],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=timeout_s,
        check=False,
    )


def report_of(out: Path) -> dict[str, Any]:
    """The report in an output directory."""
    found: dict[str, Any] = json.loads((out / "report.json").read_text())
    return found


def journal_of(out: Path) -> list[JournalRow]:
    """Every row of the one run in an output directory."""
    reader = JournalReader(out / "journal.sqlite")
    try:
        (run_id,) = reader.runs()
        return reader.events(run_id, 0, reader.last_sequence(run_id))
    finally:
        reader.close()


def lines_of(recording: Path) -> list[bytes]:
    """The lines of a gzip recording."""
    return gzip.decompress(recording.read_bytes()).splitlines(keepends=True)


def write_lines(path: Path, lines: Sequence[bytes]) -> Path:
    """A gzip recording of `lines`."""
    path.write_bytes(gzip.compress(b"".join(lines)))
    return path


def without_timing(report: dict[str, Any]) -> dict[str, Any]:
    """A report without the figures that depend on the machine."""
    totals = dict(report["totals"])
    del totals["elapsed_s"], totals["messages_per_s"]
    return {**report, "totals": totals}
