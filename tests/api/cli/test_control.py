"""The commands on a running engine: what they ask, print and end with."""

import json
from collections.abc import Iterator
from pathlib import Path

import msgspec
import pytest

from api.cli.main import app
from api.cli.status import status_text
from connectors.control.protocol import Handled, Request
from flows.domain.books import Books
from flows.domain.errors import CommandRefused, EngineSilent, NoEngine
from flows.domain.event import Verb
from flows.domain.side import Side
from flows.domain.symbol_book import SymbolBook
from flows.telemetry import Telemetry
from tests.connectors.control.desk import Desk, serving
from tests.domain.scene import Scene
from tests.flows.replay_samples import run_mft
from tests.flows.telemetry_samples import observer_of


def telemetry(scene: Scene, alarm: str = "") -> Telemetry:
    books = Books(depth=5, stale_after_ms=3_000)
    books.by_symbol["AAAUSDT"] = SymbolBook("AAAUSDT", depth=5, stale_after_ms=3_000)
    observer = observer_of(scene, books)
    observer.counts.count(entry.fact for entry in scene.entries)
    return observer.look(scene.now_ns, alarm)


@pytest.fixture
def desk(tmp_path: Path) -> Iterator[Desk]:
    with serving(tmp_path / "control.sock") as desk:
        desk.state = msgspec.json.encode(telemetry(Scene()))
        yield desk


def mft(data: Path, *arguments: str) -> int:
    """The exit status of a command that raises nothing."""
    given = [*arguments, "--data", str(data)]
    return app(given, prog_name="mft", standalone_mode=False) or 0


@pytest.mark.parametrize("verb", ["pause", "resume", "flatten", "kill"])
def test_mft_command_accepted_says_so_and_tells_who_and_why(
    desk: Desk, verb: str, capsys: pytest.CaptureFixture[str]
) -> None:
    status = mft(desk.path.parent, verb, "--reason", "drill", "--operator", "ann")
    assert status == 0
    assert capsys.readouterr().out == f"{verb} accepted\n"
    assert desk.told == [(Verb(verb), Request(verb, "ann", "drill"))]


def test_mft_kill_for_a_reason_that_is_no_unicode_kills(desk: Desk) -> None:
    assert mft(desk.path.parent, "kill", "--reason", "odd \udcff") == 0
    assert desk.told[0][1].reason == "odd ?"


def test_mft_kill_for_a_reason_that_is_too_long_leaves_the_latch(desk: Desk) -> None:
    with pytest.raises(EngineSilent, match="its kill latch is in place"):
        mft(desk.path.parent, "kill", "--reason", "a" * 100_000)
    assert (desk.path.parent / "KILLED").exists()


def test_mft_command_without_an_operator_tells_the_user(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("LOGNAME", "somebody")
    assert mft(desk.path.parent, "pause") == 0
    assert desk.told[0][1].operator == "somebody"


def test_mft_command_of_a_user_without_a_name_tells_a_number(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    def nobody() -> str:
        raise KeyError

    monkeypatch.setattr("getpass.getuser", nobody)
    assert mft(desk.path.parent, "pause") == 0
    assert desk.told[0][1].operator.isdecimal()


def test_mft_reset_refused_says_why(
    desk: Desk, capsys: pytest.CaptureFixture[str]
) -> None:
    given = ("reset", "--reason", "ok", "--rebase-peak")
    with pytest.raises(CommandRefused, match="reset refused: not now"):
        mft(desk.path.parent, *given)
    assert desk.told[0][1].rebase_peak
    assert mft(desk.path.parent, *given, "--json") == 1
    assert json.loads(capsys.readouterr().out)["is_accepted"] is False


def test_mft_kill_without_its_latch_is_no_success(
    desk: Desk, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    alarmed = Handled(Verb.KILL, 1, True, "", "the kill latch cannot be written")
    monkeypatch.setattr("flows.remote.kill", lambda _data, _request: alarmed)
    with pytest.raises(CommandRefused, match="accepted, but the kill latch cannot"):
        mft(desk.path.parent, "kill")
    assert mft(desk.path.parent, "kill", "--json") == 1
    assert "cannot be written" in json.loads(capsys.readouterr().out)["alarm"]


def test_mft_command_that_is_not_confirmed_says_what_may_yet_happen(
    desk: Desk,
) -> None:
    with pytest.raises(EngineSilent, match="it may yet stop: see mft status"):
        mft(desk.path.parent, "stop")


def test_mft_kill_without_an_engine_prints_where_its_latch_is(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    latch = tmp_path / "KILLED"
    assert mft(tmp_path, "kill") == 0
    assert f"the next one starts killed: {latch}" in capsys.readouterr().out
    assert mft(tmp_path, "kill", "--json") == 0
    assert json.loads(capsys.readouterr().out) == {
        "type": "latched",
        "path": str(latch),
    }


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["status"], "No engine is running"),
        (["status", "--follow"], "No engine is running"),
        (["reset", "--reason", "ok"], "start it first: mft trade --data"),
    ],
)
def test_mft_control_without_an_engine_says_so(
    tmp_path: Path, arguments: list[str], said: str
) -> None:
    with pytest.raises(NoEngine, match=said):
        mft(tmp_path, *arguments)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("arguments", "said"),
    [(["pause"], "start it first"), (["reset"], "Missing option '--reason'")],
)
def test_mft_control_that_cannot_be_asked_ends_with_status_two(
    tmp_path: Path, arguments: list[str], said: str
) -> None:
    ended = run_mft(*arguments, "--data", tmp_path)
    assert (ended.returncode, ended.stdout) == (2, "")
    assert said in ended.stderr
    assert ended.stderr.count("\n") == 1


def test_mft_status_shows_the_state_as_text_and_as_json(
    desk: Desk, capsys: pytest.CaptureFixture[str]
) -> None:
    assert mft(desk.path.parent, "status") == 0
    assert capsys.readouterr().out == status_text(telemetry(Scene())) + "\n"
    assert mft(desk.path.parent, "status", "--json") == 0
    assert json.loads(capsys.readouterr().out) == json.loads(desk.state)


@pytest.mark.parametrize("options", [[], ["--json"]])
def test_mft_status_follow_shows_states_until_the_engine_ends(
    desk: Desk, options: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    def end_after_two() -> bytes:
        desk.looks += 1
        return desk.state if desk.looks <= 2 else b""

    desk.status = end_after_two  # type: ignore[method-assign]  # an engine that ends
    with pytest.raises(EngineSilent):
        mft(desk.path.parent, "status", "--follow", *options)
    out = capsys.readouterr().out
    assert out.count("run-1") >= 1
    if options:
        assert [json.loads(line) for line in out.splitlines()] == [
            json.loads(desk.state)
        ] * 2


def test_status_text_of_a_busy_account_names_all_that_it_holds() -> None:
    scene = Scene()
    scene.enter(Side.BUY, "AAAUSDT")
    scene.tight("99.99", "100.00", "AAAUSDT")
    scene.signal(Side.BUY)
    scene.command(Verb.FLATTEN)
    text = status_text(telemetry(scene, alarm="no latch"))
    for words in (
        "paper run-1: flattening",
        "data none yet",
        "1 position_open",
        "book AAAUSDT: EMPTY",
        "LONG ",
        "leaving: flatten",
        "today -0.60 net (gross -0.10, fees 0.50, funding 0.00)",
        "net -1.10 once closed",
        "MARKET (flatten), NEW, 0 ms",
        "in flight: SELL",
        "ALARM: no latch",
    ):
        assert words in text


@pytest.mark.parametrize(
    ("verb", "standing"),
    [
        (Verb.RESUME, ": trading"),
        (Verb.PAUSE, ": paused"),
        (Verb.KILL, ": KILLED (command): because"),
    ],
)
def test_status_text_says_first_what_the_engine_may_do(
    verb: Verb, standing: str
) -> None:
    scene = Scene()
    scene.command(verb)
    assert status_text(telemetry(scene)).splitlines()[0].endswith(standing)
