"""One connection kept alive, told what happens and when."""

import json
from random import Random

import pytest

from connectors.binance.lane import Lane
from connectors.binance.outbox import (
    Action,
    Connect,
    HangUp,
    Outbox,
    Send,
)
from flows.domain.units import NS_PER_S

NOW = 1_700_000_000 * NS_PER_S
DEPTH = "btcusdt@depth@100ms"
TICKER = "btcusdt@bookTicker"
MARK = "btcusdt@markPrice@1s"


class Stage:
    """A lane, and what it has asked for."""

    def __init__(self, names: list[str] | None = None, route: str = "public") -> None:
        self.outbox = Outbox()
        self.lane = Lane(
            route,
            names or [DEPTH, TICKER],
            self.outbox,
            Random(1),
            stale_after_ns=3 * NS_PER_S,
        )
        self.now_ns = NOW

    def after(self, seconds: float) -> list[Action]:
        """Let time pass in steps of 50 ms; everything asked for meanwhile."""
        actions: list[Action] = []
        end_ns = self.now_ns + round(seconds * NS_PER_S)
        while self.now_ns < end_ns:
            self.now_ns = min(self.now_ns + NS_PER_S // 20, end_ns)
            self.lane.on_time(self.now_ns)
            actions += self.outbox.take_actions()
        return actions

    def connect(self) -> int:
        """The serial of a socket that has been asked for and is now open."""
        [serial] = [a.serial for a in self.after(0.05) if isinstance(a, Connect)]
        self.open(serial)
        return serial

    def open(self, serial: int) -> None:
        self.lane.on_open(serial, self.now_ns)

    def say(self, serial: int, stream: str, **data: object) -> None:
        text = json.dumps({"stream": stream, "data": data})
        self.lane.on_text(serial, text.encode(), self.now_ns)

    def depth(self, serial: int, previous_id: int, last_id: int) -> None:
        self.say(
            serial,
            DEPTH,
            e="depthUpdate",
            s="BTCUSDT",
            U=previous_id + 1,
            u=last_id,
            pu=previous_id,
            b=[["1.0", "2.0"]],
            a=[],
        )

    def ticker(self, serial: int, update_id: int) -> None:
        self.say(serial, TICKER, s="BTCUSDT", u=update_id, b="1", B="1", a="2", A="1")

    def depth_ids(self) -> list[int]:
        """Last ids of the depth frames since the last call."""
        frames = self.outbox.take_frames()
        return [json.loads(f.payload)["u"] for f in frames if f.stream == DEPTH]


def alarms(stage: Stage) -> list[dict[str, object]]:
    frames = stage.outbox.take_frames()
    return [json.loads(f.payload) for f in frames if f.stream == "@alarm"]


def test_on_open_many_names_subscribes_in_chunks_below_the_limit() -> None:
    names = [f"coin{number}usdt@bookTicker" for number in range(950)]
    stage = Stage(names)
    stage.connect()
    at_once = [a for a in stage.outbox.take_actions() if isinstance(a, Send)]
    later = [a for a in stage.after(3) if isinstance(a, Send)]
    assert len(at_once) == 4
    messages = [json.loads(a.text) for a in at_once + later]
    assert [name for m in messages for name in m["params"]] == names
    assert {m["method"] for m in messages} == {"SUBSCRIBE"}


def test_on_text_malformed_message_is_kept_byte_for_byte() -> None:
    stage = Stage()
    serial = stage.connect()
    bad = b'{"stream":"btcusdt@depth@100ms","data":{"e":"depthUp'
    stage.lane.on_text(serial, bad, stage.now_ns)
    negative = json.dumps(
        {
            "stream": DEPTH,
            "data": {
                "s": "BTCUSDT",
                "U": 1,
                "u": 2,
                "pu": 0,
                "b": [["1", "-2"]],
                "a": [],
            },
        }
    )
    stage.lane.on_text(serial, negative, stage.now_ns)
    frames = stage.outbox.take_frames()
    assert [f.stream for f in frames] == ["@malformed", "@malformed"]
    assert [f.payload for f in frames] == [bad, negative.encode()]


def test_on_closed_alarms_for_what_was_heard_and_backs_off_longer_each_time() -> None:
    stage = Stage()
    serial = stage.connect()
    stage.depth(serial, 1, 2)
    stage.outbox.take_frames()
    stage.lane.on_closed(serial, "reset", stage.now_ns)
    [alarm] = alarms(stage)
    assert alarm["symbols"] == ["BTCUSDT"]
    waits = []
    for _ in range(6):
        begun_ns = stage.now_ns
        while not (found := [a for a in stage.after(0.05) if isinstance(a, Connect)]):
            assert stage.now_ns - begun_ns < 60 * NS_PER_S
        waits.append(stage.now_ns - begun_ns)
        stage.lane.on_closed(found[0].serial, "refused", stage.now_ns)
    assert alarms(stage) == []
    assert max(waits[3:]) > max(waits[:2])
    assert max(waits) <= 31 * NS_PER_S


def test_on_time_connection_that_does_not_open_is_given_up() -> None:
    stage = Stage()
    [connect] = [a for a in stage.after(0.05) if isinstance(a, Connect)]
    actions = stage.after(12)
    assert HangUp(connect.serial) in actions
    assert any(isinstance(a, Connect) for a in actions)


def test_on_time_silent_depth_stream_is_alarmed_once_and_subscribed_anew() -> None:
    stage = Stage()
    serial = stage.connect()
    stage.depth(serial, 1, 2)
    stage.outbox.take_actions()
    sent = []
    for second in range(7):
        stage.ticker(serial, 10 + second)
        sent += [a for a in stage.after(1) if isinstance(a, Send)]
    assert len(alarms(stage)) == 1
    methods = [
        (json.loads(a.text)["method"], json.loads(a.text)["params"]) for a in sent
    ]
    assert methods == [("UNSUBSCRIBE", [DEPTH]), ("SUBSCRIBE", [DEPTH])]
    stage.depth(serial, 2, 3)
    stage.after(4)
    assert len(alarms(stage)) == 1


def test_on_time_stream_silent_in_spite_of_it_all_gets_another_connection() -> None:
    stage = Stage()
    serial = stage.connect()
    connects = []
    for second in range(45):
        stage.ticker(serial, 10 + second)
        connects += [a for a in stage.after(1) if isinstance(a, Connect)]
    assert len(connects) == 1
    assert stage.lane.rollovers == 1


def test_on_time_dead_socket_gets_another_connection() -> None:
    stage = Stage()
    stage.connect()
    assert not [a for a in stage.after(9) if isinstance(a, Connect)]
    assert len([a for a in stage.after(2) if isinstance(a, Connect)]) == 1


def test_on_text_ids_that_begin_anew_ask_for_a_new_bridge() -> None:
    stage = Stage()
    serial = stage.connect()
    stage.depth(serial, 1_000, 1_010)
    for number in range(19):
        stage.depth(serial, number, number + 1)
    assert alarms(stage) == []
    stage.depth(serial, 19, 20)
    [alarm] = alarms(stage)
    assert alarm["must_bridge"] is True
    stage.depth(serial, 20, 21)
    assert alarms(stage) == []


def _rolling_over(stage: Stage) -> tuple[int, int]:
    """The old and the new socket, both open, some hours later."""
    old = stage.connect()
    stage.depth(old, 1, 10)
    stage.ticker(old, 10)
    stage.now_ns += 24 * 3_600 * NS_PER_S
    stage.depth(old, 10, 20)
    [new] = [a.serial for a in stage.after(0.05) if isinstance(a, Connect)]
    stage.open(new)
    stage.outbox.take_actions()
    stage.outbox.take_frames()
    return old, new


def test_on_time_day_nearly_over_moves_where_the_streams_join() -> None:
    stage = Stage()
    old, new = _rolling_over(stage)
    stage.depth(new, 20, 30)  # ahead of the old one: it waits
    stage.depth(new, 30, 40)
    assert stage.depth_ids() == [30, 40]  # 20 was passed on, so 30 follows
    stage.depth(old, 20, 30)
    stage.depth(old, 30, 40)
    assert stage.depth_ids() == []
    stage.ticker(new, 41)
    assert HangUp(old) in stage.outbox.take_actions()
    stage.depth(new, 40, 50)
    assert stage.depth_ids() == [50]


def test_on_time_new_socket_behind_waits_until_it_has_caught_up() -> None:
    stage = Stage()
    old, new = _rolling_over(stage)
    stage.depth(old, 20, 30)
    stage.depth(new, 10, 20)
    stage.depth(old, 30, 40)
    assert stage.depth_ids() == [30, 40]
    stage.depth(new, 20, 30)
    stage.depth(new, 30, 40)
    assert stage.depth_ids() == []
    stage.depth(old, 40, 50)
    stage.depth(new, 40, 50)
    stage.depth(new, 50, 60)
    assert stage.depth_ids() == [50, 60]


def test_on_time_batches_that_never_line_up_move_after_half_a_minute() -> None:
    stage = Stage()
    old, new = _rolling_over(stage)
    for number in range(320):
        stage.depth(old, 20 + 10 * number, 30 + 10 * number)
        stage.depth(new, 25 + 10 * number, 35 + 10 * number)
        stage.after(0.1)
    ids = stage.depth_ids()
    assert ids == sorted(set(ids))
    stage.depth(old, 9_000, 9_010)
    assert stage.depth_ids() == []
    stage.depth(new, 9_010, 9_020)
    assert stage.depth_ids() == [9_020]


def test_on_closed_old_socket_gone_while_the_new_one_waits_moves_at_once() -> None:
    stage = Stage()
    old, new = _rolling_over(stage)
    stage.depth(new, 45, 55)
    stage.lane.on_closed(old, "cut", stage.now_ns)
    assert stage.depth_ids() == [55]
    assert stage.lane.is_up
    assert alarms(stage) == []


def test_on_closed_new_socket_gone_keeps_the_old_one() -> None:
    stage = Stage()
    old, new = _rolling_over(stage)
    stage.lane.on_closed(new, "cut", stage.now_ns)
    stage.depth(old, 20, 30)
    assert stage.depth_ids() == [30]
    assert any(isinstance(a, Connect) for a in stage.after(2))


@pytest.mark.parametrize("serial", [999])
def test_on_text_of_a_forgotten_socket_says_nothing(serial: int) -> None:
    stage = Stage()
    stage.connect()
    stage.depth(serial, 1, 2)
    stage.lane.on_closed(serial, "late", stage.now_ns)
    stage.lane.on_open(serial, stage.now_ns)
    assert stage.outbox.take_frames() == []


def test_on_closed_new_socket_refused_again_and_again_is_asked_for_less_often() -> None:
    stage = Stage()
    old = stage.connect()
    stage.now_ns += 24 * 3_600 * NS_PER_S
    attempts = 0
    for second in range(300):
        stage.depth(old, 10 + second, 11 + second)
        for action in stage.after(1):
            if isinstance(action, Connect):
                attempts += 1
                stage.lane.on_closed(action.serial, "HTTP 503", stage.now_ns)
    assert 8 <= attempts <= 40


def test_on_time_many_silent_streams_are_subscribed_anew_in_chunks() -> None:
    names = [f"coin{number}usdt@bookTicker" for number in range(250)]
    stage = Stage(names)
    serial = stage.connect()
    stage.after(3)
    for name in names:
        stage.say(serial, name, s="X", u=1, b="1", B="1", a="2", A="1")
    sent = [json.loads(a.text) for a in stage.after(120) if isinstance(a, Send)]
    assert sent
    assert all(len(message["params"]) <= 100 for message in sent)
