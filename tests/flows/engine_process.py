"""`mft` commands that run in the background, and what an engine journals meanwhile."""

import os
import signal
import socket
import subprocess
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

import msgspec

from connectors.journal import JournalReader, JournalRow
from tests.flows.replay_samples import COMMAND, ROOT

PATIENCE_S = 60


def wait_for(condition: Callable[[], object]) -> None:
    """Wait until something holds; a test that waits too long has failed."""
    end = time.monotonic() + PATIENCE_S
    while not condition():
        assert time.monotonic() < end, "waited in vain"
        time.sleep(0.05)


def free_port() -> int:
    """A port on loopback that nobody uses now."""
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        port: int = found.getsockname()[1]
    return port


class Running:
    """A command in the background."""

    def __init__(self, *arguments: object, command: Sequence[str] = COMMAND) -> None:
        self.process = subprocess.Popen(
            [*command, *map(str, arguments)],
            cwd=ROOT,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            env={**os.environ, "PYTHONUNBUFFERED": "1"},
        )

    def line(self) -> str:
        assert self.process.stdout is not None
        return self.process.stdout.readline()

    def stop(self, number: signal.Signals) -> tuple[int, str, str]:
        self.process.send_signal(number)
        out, err = self.process.communicate(timeout=PATIENCE_S)
        return self.process.returncode, out, err

    def children(self) -> list[int]:
        """Processes that it has started: the watchdog of an engine."""
        pid = self.process.pid
        try:
            text = Path(f"/proc/{pid}/task/{pid}/children").read_text()
        except OSError:
            return []
        return [int(child) for child in text.split()]

    def end(self) -> None:
        """Kill it with everything that it has started, as a power cut would."""
        children = self.children()
        if self.process.poll() is None:
            self.process.kill()
        for child in children:
            with suppress(ProcessLookupError):
                os.kill(child, signal.SIGKILL)
        self.process.communicate()


def rows_of(data: Path) -> list[JournalRow]:
    """The journal of the last run."""
    if not (data / "journal.sqlite").exists():
        return []
    reader = JournalReader(data / "journal.sqlite")
    try:
        run_id = next(reader.runs_back(), None)
        if run_id is None:
            return []
        return reader.events(run_id, 0, reader.last_sequence(run_id))
    finally:
        reader.close()


def kinds_of(data: Path) -> list[str]:
    return [row.kind for row in rows_of(data)]


def states_of(data: Path) -> list[str]:
    return [
        msgspec.json.decode(row.body)["after"]
        for row in rows_of(data)
        if row.kind == "book_state_changed"
    ]


def told_by(rows: list[JournalRow]) -> list[tuple[int, int, str, Any]]:
    """A journal without the name of its run."""
    prefix = rows[0].run_id[-12:].encode()
    return [
        (
            row.sequence,
            row.received_ns,
            row.kind,
            msgspec.json.decode(row.body.replace(prefix, b"run")),
        )
        for row in rows
        if row.kind != "run_started"
    ]
