"""The engine's side of its watchdog."""

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from connectors.binance.signing import Credentials, Mode
from connectors.output import DataDirectory
from flows import guard as guard_module
from flows.domain.units import NS_PER_S
from flows.flatten import Access
from flows.guard import Guard, NoGuard
from flows.heartbeat import Beat, Farewell, Introduction, read_line
from tests.flows.engine_process import wait_for

ACCESS = Access(Mode.LOOPBACK, "http://127.0.0.1:1")
COPIES = """
import os, sys
with open(sys.argv[1], "ab", buffering=0) as heard:
    heard.write(os.environ["MFT_BINANCE_KEY"].encode() + b"\\n")
    for line in sys.stdin.buffer:
        heard.write(line)
    heard.write(b"end\\n")
"""
"""A watchdog that writes down what it hears."""
ENDS = "raise SystemExit(3)"


class Stage:
    """A guard whose watchdog is a program of the test's."""

    def __init__(self, data: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        self._monkeypatch = monkeypatch
        self.heard_path = data / "heard"
        self.directory = DataDirectory(data)
        self.entering: list[str] = []
        self.guard = Guard(
            self.directory, ACCESS, Credentials("key", "secret"), lambda: self.entering
        )
        self.second = 0

    def be(self, *program: str) -> None:
        """What the watchdog is from its next start on."""
        command = (sys.executable, "-c", *program)
        self._monkeypatch.setattr(guard_module, "_COMMAND", command)

    def watch(self) -> None:
        self.second += 1
        self.guard.watch(self.second * NS_PER_S)

    def heard(self) -> list[bytes]:
        if not self.heard_path.exists():
            return []
        return self.heard_path.read_bytes().splitlines()


@pytest.fixture
def stage(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Stage]:
    stage = Stage(tmp_path, monkeypatch)
    yield stage
    stage.guard.close(is_farewell=True)
    stage.directory.release()


def test_watch_starts_a_watchdog_that_hears_who_it_is_and_that_it_lives(
    stage: Stage,
) -> None:
    stage.be(COPIES, str(stage.heard_path))
    stage.watch()
    stage.entering = ["BTCUSDT"]
    stage.watch()
    stage.guard.close(is_farewell=True)
    wait_for(lambda: stage.heard()[-1:] == [b"end"])
    key, *lines, _ = stage.heard()
    assert key == b"key"
    data = str(stage.directory.path.resolve())
    assert [read_line(line) for line in lines] == [
        Introduction(data, "loopback", "http://127.0.0.1:1"),
        Beat(),
        Beat(("BTCUSDT",)),
        Farewell(),
    ]
    assert stage.guard.alarm == ""


def test_watch_watchdog_that_ends_is_told_of_and_started_again(stage: Stage) -> None:
    stage.be(ENDS)
    stage.watch()

    def is_lost() -> bool:
        stage.watch()
        return "has ended with status" in stage.guard.alarm

    wait_for(is_lost)
    stage.be(COPIES, str(stage.heard_path))

    def is_back() -> bool:
        stage.watch()
        return stage.guard.alarm == "" and bool(stage.heard())

    wait_for(is_back)
    assert stage.heard()[0] == b"key"


def test_watch_watchdog_that_cannot_be_started_stops_no_engine(
    stage: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(guard_module, "_COMMAND", ("/no/such/program",))
    stage.watch()
    assert stage.guard.alarm.startswith("no watchdog can be started: No such file")
    stage.be(COPIES, str(stage.heard_path))
    stage.watch()
    stage.watch()
    assert stage.guard.alarm == ""


def test_no_guard_does_nothing() -> None:
    NoGuard().watch(0)
    assert NoGuard().alarm == ""
