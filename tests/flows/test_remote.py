"""What an operator asks from beside the engine, and a kill that needs none."""

import socket
from collections.abc import Callable
from pathlib import Path
from threading import Thread

import msgspec
import pytest

from connectors.control.protocol import Failed, Handled, Request
from connectors.kill_latch import read_latch
from flows import remote
from flows.domain.errors import (
    ConfigurationError,
    EngineSilent,
    NoEngine,
    StoreError,
)
from flows.domain.event import Verb
from flows.domain.kill import KillReason
from flows.telemetry import KillTold, Telemetry
from tests.connectors.control.desk import PATIENCE_S, Desk, serving
from tests.domain.scene import START_NS, Scene
from tests.flows.telemetry_samples import observer_of

PAUSE = Request("pause", "ann", "news")
KILL = Request("kill", "ann", "odd fills")


def state() -> Telemetry:
    return observer_of(Scene()).look(START_NS)


def test_status_and_states_of_an_engine_are_what_it_sent(tmp_path: Path) -> None:
    with serving(tmp_path / "control.sock") as desk:
        desk.state = msgspec.json.encode(state())
        assert remote.status(tmp_path) == state()
        states = remote.states(tmp_path)
        assert [next(states), next(states)] == [state(), state()]


def test_status_of_another_version_says_so(tmp_path: Path) -> None:
    with (
        serving(tmp_path / "control.sock"),
        pytest.raises(EngineSilent, match="another version"),
    ):
        remote.status(tmp_path)


def test_command_taken_by_the_engine_is_its_answer(tmp_path: Path) -> None:
    with serving(tmp_path / "control.sock") as desk:
        handled = remote.command(tmp_path, PAUSE)
        assert desk.told == [(Verb.PAUSE, PAUSE)]
    assert handled == Handled(Verb.PAUSE, 0, True, "not now")


@pytest.mark.parametrize(
    ("ask", "why"),
    [
        (lambda data: remote.command(data, Request("status")), "something else"),
        (lambda data: remote.command(data, Request("pause", "a" * 300)), "length"),
    ],
)
def test_command_answered_by_something_else_confirms_nothing(
    tmp_path: Path, ask: Callable[[Path], object], why: str
) -> None:
    with (
        serving(tmp_path / "control.sock"),
        pytest.raises(EngineSilent, match=f"The engine answered: .*{why}"),
    ):
        ask(tmp_path)


def test_status_answered_by_an_error_confirms_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with serving(tmp_path / "control.sock"):
        monkeypatch.setattr(remote, "ask", lambda *_, **__: Failed("not now"))
        with pytest.raises(EngineSilent, match="The engine answered: not now"):
            remote.status(tmp_path)


def test_command_without_an_engine_or_a_directory_says_so(tmp_path: Path) -> None:
    with pytest.raises(NoEngine, match="No engine is running"):
        remote.command(tmp_path, PAUSE)
    with pytest.raises(ConfigurationError, match="no such directory"):
        remote.command(tmp_path / "none", PAUSE)
    with pytest.raises(ConfigurationError, match="no such directory"):
        remote.kill(tmp_path / "none", KILL)
    assert list(tmp_path.iterdir()) == []


def test_kill_taken_by_the_engine_leaves_the_latch_to_it(tmp_path: Path) -> None:
    with serving(tmp_path / "control.sock"):
        outcome = remote.kill(tmp_path, KILL)
    assert outcome == Handled(Verb.KILL, 0, True, "not now")
    assert not (tmp_path / "KILLED").exists()


@pytest.mark.parametrize("is_frozen", [False, True])
def test_kill_nobody_confirms_leaves_the_latch(
    tmp_path: Path, is_frozen: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(remote, "KILL_WITHIN_S", 0.05)
    with socket.socket(socket.AF_UNIX) as engine:
        engine.bind(str(tmp_path / "control.sock"))
        if is_frozen:
            engine.listen(1)
        outcome = remote.kill(tmp_path, KILL)
    assert isinstance(outcome, remote.LatchLeft)
    assert outcome.is_engine_there is is_frozen
    assert outcome.path == tmp_path / "KILLED"
    latch = read_latch(outcome.path, 0)
    assert latch is not None
    assert (latch.reason, latch.detail, latch.operator) == (
        KillReason.COMMAND,
        "odd fills",
        "ann",
    )
    assert latch.killed_ns > 0


def end_when_heard(desk: Desk) -> None:
    if desk.heard.wait(PATIENCE_S):
        desk.close()


def test_kill_engine_that_ends_meanwhile_leaves_the_latch(tmp_path: Path) -> None:
    with serving(tmp_path / "control.sock") as desk:
        desk.is_held = True
        ending = Thread(target=end_when_heard, args=(desk,))
        ending.start()
        outcome = remote.kill(tmp_path, KILL)
        ending.join(PATIENCE_S)
    assert isinstance(outcome, remote.LatchLeft)
    assert outcome.is_engine_there
    assert "the engine ended before" in outcome.why
    assert outcome.path.exists()


def test_kill_that_can_neither_be_told_nor_latched_raises(tmp_path: Path) -> None:
    (tmp_path / "KILLED").mkdir()
    with pytest.raises(StoreError, match="the kill latch cannot be written"):
        remote.kill(tmp_path, KILL)


# How a kill ends ---------------------------------------------------------------------


def killed(flat_after_ns: int | None) -> bytes:
    told = KillTold("command", "", START_NS, flat_after_ns)
    return msgspec.json.encode(msgspec.structs.replace(state(), killed=told))


def test_flat_after_ns_waits_until_the_engine_says_so(tmp_path: Path) -> None:
    with serving(tmp_path / "control.sock") as desk:
        desk.state = killed(None)
        assert remote.flat_after_ns(tmp_path, within_s=0.1) is None
        desk.state = killed(21_000_000)
        assert remote.flat_after_ns(tmp_path, within_s=PATIENCE_S) == 21_000_000
        desk.state = msgspec.json.encode(state())  # killed no more
        assert remote.flat_after_ns(tmp_path, within_s=0.1) is None


def test_flat_after_ns_without_an_engine_is_not_known(tmp_path: Path) -> None:
    assert remote.flat_after_ns(tmp_path, within_s=PATIENCE_S) is None


def test_flat_after_ns_engine_that_ends_meanwhile_is_not_known(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(remote, "states", lambda _data: iter(()))
    assert remote.flat_after_ns(tmp_path, within_s=PATIENCE_S) is None
