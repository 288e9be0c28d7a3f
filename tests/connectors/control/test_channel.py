"""The control channel over real sockets: whatever clients do, the engine goes on."""

import socket
import stat
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from functools import partial
from pathlib import Path
from threading import Thread

import msgspec
import pytest

from connectors.control.client import ask, follow
from connectors.control.protocol import (
    LONGEST_LINE,
    Answer,
    Failed,
    Handled,
    Request,
    Told,
    decode_answer,
    to_line,
)
from connectors.control.server import _BREATH_S, MOST_CLIENTS, ControlServer
from flows.domain.errors import ConfigurationError, EngineSilent, NoEngine
from flows.domain.event import Verb
from tests.connectors.control.desk import PATIENCE_S, Desk, serving

PAUSE = Request("pause", "ann", "news")
STATUS = Request("status")


@pytest.fixture
def desk(tmp_path: Path) -> Iterator[Desk]:
    with serving(tmp_path / "control.sock") as desk:
        yield desk


def wait_for(condition: Callable[[], object]) -> None:
    end = time.monotonic() + PATIENCE_S
    while not condition():
        assert time.monotonic() < end, "waited in vain"
        time.sleep(0.01)


def is_told(desk: Desk, count: int) -> bool:
    return len(desk.told) == count


def told(desk: Desk, request: Request) -> Answer:
    return ask(desk.path, request, within_s=PATIENCE_S)


def connected(desk: Desk) -> socket.socket:
    client = socket.socket(socket.AF_UNIX)
    client.settimeout(PATIENCE_S)
    client.connect(str(desk.path))
    return client


def exchanged(desk: Desk, sent: bytes) -> list[Answer]:
    """What comes back for these bytes, until the engine hangs up or has no more."""
    with connected(desk) as client:
        client.sendall(sent)
        client.shutdown(socket.SHUT_WR)
        received = b""
        while chunk := client.recv(65_536):
            received += chunk
    return [decode_answer(line) for line in received.splitlines()]


def test_ask_a_command_is_told_in_order_and_answered(desk: Desk) -> None:
    assert told(desk, PAUSE) == Handled(Verb.PAUSE, 0, True, "not now")
    assert told(desk, Request("reset")) == Handled(Verb.RESET, 1, False, "not now")
    assert desk.told == [(Verb.PAUSE, PAUSE), (Verb.RESET, Request("reset"))]


def test_ask_the_status_is_answered_as_encoded(desk: Desk) -> None:
    answer = told(desk, STATUS)
    assert isinstance(answer, Told)
    assert bytes(answer.status) == desk.state
    assert desk.told == []


def test_ask_two_commands_of_one_batch_answers_each_its_own(desk: Desk) -> None:
    desk.is_held = True
    with connected(desk) as first, connected(desk) as second:
        for number, client in enumerate((first, second)):
            client.sendall(to_line(PAUSE))
            wait_for(partial(is_told, desk, number + 1))
        for place in (1, 0):
            desk.acknowledge(place, Handled(Verb.PAUSE, place, True))
        answers = [client.makefile("rb").readline() for client in (first, second)]
    assert [decode_answer(line) for line in answers] == [
        Handled(Verb.PAUSE, 0, True),
        Handled(Verb.PAUSE, 1, True),
    ]


def test_acknowledge_what_nobody_waits_for_is_ignored(desk: Desk) -> None:
    desk.acknowledge(77, Failed("?"))
    assert isinstance(told(desk, STATUS), Told)


@pytest.mark.parametrize(
    ("line", "why"),
    [
        (b"\n", "not understood"),
        (b"nonsense\n", "not understood"),
        (b"\xff\xfe\n", "not understood"),
        (b'"\\ud800"\n', "not understood"),
        (b"[]\n", "Expected `object`"),
        (b"{}\n", "missing required field `verb`"),
        (b'{"verb":1}\n', "Expected `str`"),
        (b'{"verb":"explode"}\n', "expected one of pause, resume,"),
        (b'{"verb":"kill","when":1}\n', "unknown field `when`"),
        (b'{"verb":"reset","rebase_peak":"yes"}\n', "Expected `bool`"),
        (to_line(Request("kill", "a" * 201)), "length <= 200"),
        (to_line(Request("kill", "a", "b" * 2_001)), "length <= 2000"),
        (b"[" * 60_000 + b"\n", "not understood"),
    ],
)
def test_serve_what_is_no_request_answers_why_and_goes_on(
    desk: Desk, line: bytes, why: str
) -> None:
    refused, answer = exchanged(desk, line + to_line(STATUS))
    assert isinstance(refused, Failed)
    assert why in refused.error
    assert isinstance(answer, Told)
    assert desk.told == []


def test_serve_oversized_line_is_answered_and_hung_up_on(desk: Desk) -> None:
    with connected(desk) as client:
        client.sendall(b"x" * (LONGEST_LINE + 1_000))
        line = client.makefile("rb").readline()
    answer = decode_answer(line)
    assert answer == Failed(f"expected a line of at most {LONGEST_LINE} bytes")
    assert isinstance(told(desk, STATUS), Told)


def test_serve_half_a_line_and_gone_is_nothing(desk: Desk) -> None:
    assert exchanged(desk, to_line(PAUSE)[:-1]) == []
    assert isinstance(told(desk, STATUS), Told)
    assert desk.told == []


def test_serve_client_gone_before_its_answer_disturbs_nobody(desk: Desk) -> None:
    desk.is_held = True
    with connected(desk) as client:
        client.sendall(to_line(PAUSE))
        assert desk.heard.wait(PATIENCE_S)
    desk.acknowledge(0, Handled(Verb.PAUSE, 0, True))
    assert isinstance(told(desk, STATUS), Told)


def test_serve_bug_of_ours_hangs_up_on_that_client_only(desk: Desk) -> None:
    with pytest.raises(EngineSilent, match="hung up without an answer"):
        told(desk, Request("stop"))
    assert isinstance(told(desk, STATUS), Told)


def test_serve_more_clients_than_allowed_says_so(desk: Desk) -> None:
    with ExitStack() as stack:
        for _ in range(MOST_CLIENTS):
            client = stack.enter_context(connected(desk))
            client.sendall(to_line(STATUS))
            assert client.recv(1)
        assert told(desk, STATUS) == Failed(f"more than {MOST_CLIENTS} clients")
    wait_for(lambda: isinstance(told(desk, STATUS), Told))


def test_ask_many_one_after_the_other_are_never_too_many(desk: Desk) -> None:
    answers = [told(desk, STATUS) for _ in range(3 * MOST_CLIENTS)]
    assert {type(answer) for answer in answers} == {Told}


def test_serve_flood_on_one_connection_is_paced(desk: Desk) -> None:
    begun_s = time.monotonic()
    answers = exchanged(desk, to_line(STATUS) * 6)
    assert len(answers) == 6
    assert time.monotonic() - begun_s >= 5 * _BREATH_S


def test_follow_states_come_again_and_again(desk: Desk) -> None:
    states = follow(desk.path, within_s=PATIENCE_S)
    assert [type(next(states)) for _ in range(3)] == [Told] * 3
    del states
    wait_for(lambda: not desk.on_loop(lambda: len(desk.server._clients)))


def test_follow_slow_reader_misses_states_and_gets_a_late_one(desk: Desk) -> None:
    desk.state = msgspec.json.encode({"n": 0, "filling": "x" * 400_000})
    with connected(desk) as client:
        client.sendall(b'{"verb":"subscribe"}\n')
        wait_for(lambda: desk.looks)
        desk.state = b'{"n":1}'
        time.sleep(0.75)  # three states' time, in which none may be made for it
        assert desk.looks == 1
        assert isinstance(told(desk, STATUS), Told)
        lines = client.makefile("rb")
        first, second = decode_answer(lines.readline()), decode_answer(lines.readline())
    assert isinstance(first, Told)
    assert isinstance(second, Told)
    assert bytes(second.status) == b'{"n":1}'


def test_close_who_waits_for_an_answer_gets_an_error_line(desk: Desk) -> None:
    desk.is_held = True
    with connected(desk) as client, connected(desk) as idle:
        client.sendall(to_line(PAUSE))
        assert desk.heard.wait(PATIENCE_S)
        desk.close()
        answer = decode_answer(client.makefile("rb").readline())
        told_idle = idle.makefile("rb").read()
    assert isinstance(answer, Failed)
    assert "ended before its journal held the command" in answer.error
    assert decode_answer(told_idle) == Failed("the engine has ended")
    assert not desk.path.exists()
    with pytest.raises(NoEngine, match="No engine is running"):
        told(desk, STATUS)


def test_open_socket_belongs_to_its_owner_alone(desk: Desk) -> None:
    mode = desk.path.stat().st_mode
    assert stat.S_ISSOCK(mode)
    assert stat.S_IMODE(mode) == 0o600


def test_open_in_place_of_a_killed_engine_listens(tmp_path: Path) -> None:
    path = tmp_path / "control.sock"
    with socket.socket(socket.AF_UNIX) as killed:
        killed.bind(str(path))
    with pytest.raises(NoEngine):
        ask(path, STATUS, within_s=PATIENCE_S)
    with serving(path) as desk:
        assert isinstance(told(desk, STATUS), Told)


def test_open_path_too_long_for_a_socket_works_all_the_same(tmp_path: Path) -> None:
    directory = tmp_path / ("a" * 100) / ("b" * 100)
    directory.mkdir(parents=True)
    with serving(directory / "control.sock") as desk:
        assert isinstance(told(desk, STATUS), Told)


def test_open_where_nothing_can_be_made_raises(tmp_path: Path) -> None:
    desk = Desk(tmp_path / "gone" / "control.sock")
    try:
        with pytest.raises(ConfigurationError, match="cannot be listened at: No such"):
            desk.loop.run_until_complete(desk.server.open())
        desk.loop.run_until_complete(desk.server.close())
    finally:
        desk.loop.close()


def test_ask_where_no_engine_can_be_says_so(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    for place in (tmp_path / "none", tmp_path / "file"):
        with pytest.raises(NoEngine, match=f"No engine is running in {place}"):
            ask(place / "control.sock", STATUS, within_s=PATIENCE_S)


def test_ask_frozen_engine_is_given_up_on_in_time(tmp_path: Path) -> None:
    path = tmp_path / "control.sock"
    with socket.socket(socket.AF_UNIX) as frozen:
        frozen.bind(str(path))
        frozen.listen(1)
        with pytest.raises(EngineSilent, match="does not answer"):
            ask(path, PAUSE, within_s=0.05)


@pytest.mark.parametrize(
    ("reply", "why"),
    [(b"?\n", "another version"), (b"", "hung up"), (b"{", "hung up")],
)
def test_ask_something_else_that_listens_is_not_believed(
    tmp_path: Path, reply: bytes, why: str
) -> None:
    path = tmp_path / "control.sock"
    with socket.socket(socket.AF_UNIX) as listening:
        listening.bind(str(path))
        listening.listen(1)

        def reply_once() -> None:
            other, _ = listening.accept()
            with other:
                other.recv(100)
                other.sendall(reply)

        thread = Thread(target=reply_once)
        thread.start()
        with pytest.raises(EngineSilent, match=why):
            next(follow(path, within_s=PATIENCE_S))
        thread.join(PATIENCE_S)


def test_ask_what_is_no_socket_is_not_believed(tmp_path: Path) -> None:
    (tmp_path / "control.sock").mkdir()
    with pytest.raises(NoEngine):
        ask(tmp_path / "control.sock", STATUS, within_s=PATIENCE_S)


def test_close_before_it_was_opened_does_nothing(tmp_path: Path) -> None:
    desk = Desk(tmp_path / "control.sock")
    server = ControlServer(desk.path, desk)
    desk.loop.run_until_complete(server.close())
    desk.loop.close()
    assert list(tmp_path.iterdir()) == []
