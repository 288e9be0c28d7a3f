"""`mft kill` where orders leave: the engine, its latch, then the exchange itself."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec
import pytest

from api.cli.main import app
from connectors.binance.signing import Credentials, Mode
from connectors.binance.venue_kill import Flat, Step
from flows import remote
from flows.domain.errors import CommandRefused, ConfigurationError, StoreError
from flows.flatten import Access, OnStep, leave_access
from flows.telemetry import KillTold
from tests.api.cli.test_control import telemetry
from tests.connectors.control.desk import Desk, serving
from tests.domain.scene import Scene

ACCESS = Access(Mode.LOOPBACK, "http://127.0.0.1:1")
FLAT = Flat(True, 1_000, 250_000_000)
OPEN = Flat(False, 1_000, None, ("BTCUSDT: 0.016",))


class Exchange:
    """What is done there instead of signed requests."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.kills: list[tuple[Access, Path, float | None]] = []
        self.outcome = FLAT
        monkeypatch.setattr("api.killing.flatten", self._flatten)
        monkeypatch.setattr("api.killing.ENGINE_WITHIN_S", 0.3)

    async def _flatten(
        self,
        access: Access,
        credentials: Credentials,
        directory: Path,
        *,
        within_s: float | None,
        on_step: OnStep,
    ) -> Flat:
        assert credentials.key
        self.kills.append((access, directory, within_s))
        on_step(Step(1, "close sent", "BTCUSDT", "SELL 0.016"))
        on_step(Step(2, "GET /x", detail="cut", is_done=False))
        return self.outcome


@pytest.fixture
def exchange(monkeypatch: pytest.MonkeyPatch) -> Exchange:
    return Exchange(monkeypatch)


@pytest.fixture
def data(tmp_path: Path) -> Path:
    leave_access(tmp_path / "access.json", ACCESS)
    return tmp_path


@pytest.fixture
def desk(data: Path) -> Iterator[Desk]:
    with serving(data / "control.sock") as desk:
        yield desk


def show(desk: Desk, flat_after_ns: int | None) -> None:
    """What the engine says of itself."""
    killed = KillTold("command", "", 1, flat_after_ns)
    state = msgspec.structs.replace(telemetry(Scene()), killed=killed)
    desk.state = msgspec.json.encode(state)


def kill(data: Path, *arguments: str) -> int:
    given = ["kill", *arguments, "--data", str(data)]
    return app(given, prog_name="mft", standalone_mode=False) or 0


def test_mft_kill_engine_that_flattens_leaves_nothing_for_the_command(
    desk: Desk, data: Path, exchange: Exchange, capsys: pytest.CaptureFixture[str]
) -> None:
    show(desk, 21_000_000)
    assert kill(data) == 0
    assert exchange.kills == []
    out = capsys.readouterr().out
    assert out == "the engine has taken the kill\nflat after 0.021 s\n"
    assert kill(data, "--json") == 0
    told: dict[str, Any] = json.loads(capsys.readouterr().out)
    assert told == {"type": "flat", "after_ms": 21, "by": "engine", "alarm": ""}


def test_mft_kill_engine_that_does_not_get_flat_is_helped(
    desk: Desk, data: Path, exchange: Exchange, capsys: pytest.CaptureFixture[str]
) -> None:
    show(desk, None)
    assert kill(data, "--within", "7") == 0
    assert exchange.kills == [(ACCESS, data, 7)]
    assert capsys.readouterr().out.splitlines()[1:] == [
        "the engine is not flat yet; asking the exchange itself",
        "BTCUSDT close sent SELL 0.016",
        "failed: GET /x cut",
        "flat after 0.250 s",
    ]


def test_mft_kill_without_an_engine_latches_and_asks_the_exchange(
    data: Path, exchange: Exchange, capsys: pytest.CaptureFixture[str]
) -> None:
    assert kill(data) == 0
    assert (data / "KILLED").exists()
    assert len(exchange.kills) == 1
    assert "its kill latch is in place" in capsys.readouterr().out
    assert kill(data, "--json") == 0
    assert json.loads(capsys.readouterr().out)["by"] == "exchange"


def test_mft_kill_that_does_not_get_flat_names_what_remains(
    data: Path, exchange: Exchange
) -> None:
    exchange.outcome = OPEN
    with pytest.raises(CommandRefused, match=r"NOT FLAT after 60 s: BTCUSDT: 0\.016"):
        kill(data)


def test_mft_kill_latch_that_cannot_be_written_stops_no_kill(
    data: Path, exchange: Exchange, monkeypatch: pytest.MonkeyPatch
) -> None:
    def unwritable(*_arguments: object) -> None:
        raise StoreError("KILLED: the kill latch cannot be written: disk")

    monkeypatch.setattr(remote, "kill", unwritable)
    with pytest.raises(CommandRefused, match="flat, but KILLED: the kill latch cannot"):
        kill(data)
    assert len(exchange.kills) == 1
    (data / "access.json").unlink()
    with pytest.raises(StoreError, match="cannot be written"):
        kill(data)


def test_mft_kill_where_no_engine_ever_ran_takes_the_place_from_its_options(
    tmp_path: Path, exchange: Exchange
) -> None:
    data = tmp_path / "new"
    given = ("--mode", "loopback", "--exchange", "http://127.0.0.1:2")
    assert kill(data, *given) == 0
    assert exchange.kills == [(Access(Mode.LOOPBACK, "http://127.0.0.1:2"), data, 60)]
    assert (data / "KILLED").exists()


def test_mft_kill_damaged_access_latches_before_it_complains(
    data: Path, exchange: Exchange
) -> None:
    (data / "access.json").write_text("{")
    with pytest.raises(ConfigurationError, match="give --mode"):
        kill(data)
    assert (data / "KILLED").exists()
    assert exchange.kills == []


def test_mft_kill_on_paper_asks_no_exchange(data: Path, exchange: Exchange) -> None:
    leave_access(data / "access.json", Access(Mode.PAPER, "https://fapi.binance.com"))
    assert kill(data) == 0
    assert kill(data, "--mode", "paper") == 0
    assert exchange.kills == []
