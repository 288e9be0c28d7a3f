"""The pipe from an engine to its watchdog."""

import os

import msgspec
import pytest

from flows.domain.units import NS_PER_S
from flows.heartbeat import (
    BEAT_EVERY_NS,
    Beat,
    Farewell,
    Heartbeat,
    Introduction,
    read_line,
)


def lines(descriptor: int) -> list[object]:
    text = os.read(descriptor, 65_536)
    return [read_line(line) for line in text.splitlines()]


def test_heartbeat_tells_who_it_is_that_it_lives_and_that_it_ends() -> None:
    theirs, ours = os.pipe()
    heartbeat = Heartbeat(ours)
    introduction = Introduction("/data", "loopback", "http://127.0.0.1:1")
    heartbeat.introduce(introduction)
    heartbeat.beat(NS_PER_S, ["BTCUSDT"])
    heartbeat.beat(NS_PER_S + BEAT_EVERY_NS - 1, [])
    heartbeat.beat(NS_PER_S + BEAT_EVERY_NS, [])
    heartbeat.close(is_farewell=True)
    assert lines(theirs) == [introduction, Beat(("BTCUSDT",)), Beat(), Farewell()]
    assert os.read(theirs, 1) == b""
    os.close(theirs)


def test_heartbeat_without_farewell_only_ends() -> None:
    theirs, ours = os.pipe()
    Heartbeat(ours).close(is_farewell=False)
    assert os.read(theirs, 1) == b""
    os.close(theirs)


def test_heartbeat_reader_that_stopped_reading_never_stops_the_engine() -> None:
    theirs, ours = os.pipe()
    heartbeat = Heartbeat(ours)
    for number in range(10_000):
        heartbeat.beat(number * NS_PER_S, ["BTCUSDT"])
    assert heartbeat.is_heard
    heartbeat.close(is_farewell=False)
    os.close(theirs)


def test_heartbeat_reader_that_is_gone_is_noticed() -> None:
    theirs, ours = os.pipe()
    heartbeat = Heartbeat(ours)
    os.close(theirs)
    heartbeat.beat(NS_PER_S, [])
    assert not heartbeat.is_heard
    heartbeat.close(is_farewell=True)


@pytest.mark.parametrize("text", [b"", b"{}", b'{"type":"Other"}', b"\xff"])
def test_read_line_of_something_else_raises(text: bytes) -> None:
    with pytest.raises(msgspec.DecodeError):
        read_line(text)
