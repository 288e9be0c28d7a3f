"""Connections that ask nothing, or never finish asking."""

import socket
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import NamedTuple
from urllib.parse import urlsplit

import pytest
from websockets.sync.client import connect

from api.http.protocol import REQUEST_WITHIN_S
from tests.flows.engine_process import Running

PATIENCE_S = 60
_HEAD = b"POST /session HTTP/1.1\r\nHost: 127.0.0.1\r\n"
UNFINISHED = (
    b"",
    b"GET /health/live HTTP/1.1\r\nHo",
    _HEAD + b"Content-Type: application/json\r\nContent-Length: 90\r\n\r\n{",
)
LIVE = b"GET /health/live HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n"


class Served(NamedTuple):
    """Where an API listens that has nothing else to do."""

    host: str
    port: int
    token: str


@pytest.fixture
def served(tmp_path: Path) -> Iterator[Served]:
    options = ("--data", tmp_path, "--port", 0, "--no-start", "--no-archive")
    running = Running("up", *options)
    try:
        token = ""
        while not (line := running.line()).startswith("http"):
            assert line, running.process.communicate()[1]
            if line.startswith("viewer"):
                token = line.split()[2]
        place = urlsplit(line.strip())
        assert place.hostname is not None
        assert place.port is not None
        yield Served(place.hostname, place.port, token)
    finally:
        running.end()


def answer_to(served: Served, *parts: bytes) -> bytes:
    """Everything that comes until the other end hangs up; b"" for nothing."""
    with socket.create_connection(served[:2], timeout=PATIENCE_S) as peer:
        for part in parts:
            peer.sendall(part)
            if part == LIVE:
                assert peer.recv(4_096).startswith(b"HTTP/1.1 200")
        try:
            return peer.recv(4_096)
        except ConnectionResetError:
            return b""


def test_protocol_who_does_not_finish_a_request_is_hung_up_on(
    served: Served,
) -> None:
    asked: list[tuple[bytes, ...]] = [(part,) for part in UNFINISHED]
    asked += [(LIVE, part) for part in UNFINISHED]  # kept alive, then stuck
    with ThreadPoolExecutor(len(asked)) as pool:
        answers = list(pool.map(lambda parts: answer_to(served, *parts), asked))
    assert answers == [b""] * len(asked)


def test_protocol_stream_goes_on_for_longer_than_a_request_may_take(
    served: Served,
) -> None:
    url = f"ws://{served.host}:{served.port}/engine/stream"
    bearer = {"Authorization": f"Bearer {served.token}"}
    begun = time.monotonic()
    with connect(url, additional_headers=bearer) as stream:
        while time.monotonic() - begun < REQUEST_WITHIN_S + 2:
            assert stream.recv(PATIENCE_S)


def test_protocol_requests_in_pieces_are_answered(served: Served) -> None:
    whole = LIVE.replace(b"\r\n\r\n", b"\r\nConnection: close\r\n\r\n")
    told = answer_to(served, whole[:20], whole[20:])
    assert told.startswith(b"HTTP/1.1 200")
