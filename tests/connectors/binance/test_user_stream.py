"""The user data stream: one key, kept alive, begun anew whenever it is in doubt."""

from random import Random

import pytest

from connectors.binance.outbox import Action, Connect, HangUp, KeyCall, Outbox
from connectors.binance.user_stream import KEY_PATH, UserStream
from flows.domain.units import NS_PER_MS, NS_PER_S

HALF_HOUR_S = 1_800
KEY = b'{"listenKey":"abc"}'


class Stage:
    """A stream whose key and connection a test grants."""

    def __init__(self) -> None:
        self.now_ns = 1_700_000_000 * NS_PER_S
        self.outbox = Outbox()
        self.stream = UserStream(self.outbox, Random(1))

    def actions(self, after_s: float = 0) -> list[Action]:
        self.now_ns += int(after_s * 1_000) * NS_PER_MS
        self.stream.on_time(self.now_ns)
        return self.outbox.take_actions()

    def asked(self, method: str, after_s: float = 0) -> int:
        """The number of the only request, one for a key."""
        [call] = self.actions(after_s)
        assert isinstance(call, KeyCall)
        assert (call.method, call.path) == (method, KEY_PATH)
        assert self.stream.owns(call.serial)
        return call.serial

    def reply(self, serial: int, status: int = 200, body: bytes = KEY) -> None:
        self.stream.on_reply(serial, status, body, self.now_ns)

    def connect(self, after_s: float = 0) -> int:
        """Grant a key; the number of the connection asked for."""
        self.reply(self.asked("POST", after_s))
        [connect] = self.outbox.take_actions()
        assert isinstance(connect, Connect)
        assert (connect.route, connect.path) == ("private", "ws/abc")
        return connect.serial

    def open(self, after_s: float = 0) -> int:
        """A stream that is up."""
        serial = self.connect(after_s)
        self.stream.on_open()
        assert self.is_up()
        return serial

    def is_up(self) -> bool:
        return self.stream.is_up

    def wait_s(self) -> float:
        """How long until a key is asked for again."""
        for tenth in range(1, 200):
            if self.actions(0.1):
                return tenth / 10
        raise AssertionError("nothing was asked for")


def test_on_time_key_is_asked_for_once_and_connected_with() -> None:
    stage = Stage()
    serial = stage.connect()
    assert stage.stream.owns(serial)
    assert not stage.is_up(), "not before it is open"
    assert stage.actions(5) == []
    stage.stream.on_open()
    assert stage.is_up()
    assert stage.actions(60) == []


def test_on_time_key_is_extended_every_half_hour() -> None:
    stage = Stage()
    stage.open()
    for _ in range(3):
        assert stage.actions(HALF_HOUR_S - 1) == []
        stage.reply(stage.asked("PUT", 1), body=b"{}")
    assert stage.is_up()


def test_on_failed_extension_is_tried_again_after_a_minute() -> None:
    stage = Stage()
    stage.open()
    stage.stream.on_failed(stage.asked("PUT", HALF_HOUR_S), "cut", stage.now_ns)
    assert stage.is_up()
    assert stage.actions(59) == []
    stage.reply(stage.asked("PUT", 1), body=b"{}")
    assert stage.is_up()


def test_on_reply_refused_extension_begins_anew() -> None:
    stage = Stage()
    connection = stage.open()
    stage.reply(stage.asked("PUT", HALF_HOUR_S), status=400, body=b"{}")
    assert stage.outbox.take_actions() == [HangUp(connection)]
    assert not stage.is_up()
    stage.open(after_s=1)


@pytest.mark.parametrize(
    ("status", "body"),
    [(503, b""), (200, b"{}"), (200, b"["), (401, b'{"code":-2015}')],
)
def test_on_reply_no_usable_key_is_asked_for_again(status: int, body: bytes) -> None:
    stage = Stage()
    stage.reply(stage.asked("POST"), status, body)
    assert stage.actions() == []
    stage.open(after_s=1)


def test_on_failed_again_and_again_waits_longer_with_a_bound() -> None:
    stage = Stage()
    waits = []
    serial = stage.asked("POST")
    for _ in range(12):
        stage.stream.on_failed(serial, "no route", stage.now_ns)
        waits.append(stage.wait_s())
        serial = stage.stream._asked
    assert waits[0] <= 0.3
    assert waits[5] > 3.0
    assert max(waits) <= 15.1


def test_on_closed_connection_begins_anew_and_success_forgets_failures() -> None:
    stage = Stage()
    for _ in range(8):
        stage.open(after_s=1)
        stage.stream.on_closed("cut", stage.now_ns)
        assert not stage.is_up()
    stage.open(after_s=1)


def test_restart_without_a_connection_only_waits() -> None:
    stage = Stage()
    stage.stream.restart("in doubt", stage.now_ns)
    assert stage.outbox.take_actions() == []
    stage.open(after_s=1)
