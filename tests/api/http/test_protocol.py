"""Connections that ask nothing, or never finish asking."""

import socket
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from tests.flows.engine_process import Running

PATIENCE_S = 60
_HEAD = b"POST /session HTTP/1.1\r\nHost: 127.0.0.1\r\n"
UNFINISHED = (
    b"",
    b"GET /health/live HTTP/1.1\r\nHo",
    _HEAD + b"Content-Type: application/json\r\nContent-Length: 90\r\n\r\n{",
)
LIVE = b"GET /health/live HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n"


@pytest.fixture
def address(tmp_path: Path) -> Iterator[tuple[str, int]]:
    """Where an API listens that has nothing else to do."""
    options = ("--data", tmp_path, "--port", 0, "--no-start", "--no-archive")
    running = Running("up", *options)
    try:
        while not (line := running.line()).startswith("http"):
            assert line, running.process.communicate()[1]
        place = urlsplit(line.strip())
        assert place.hostname is not None
        assert place.port is not None
        yield place.hostname, place.port
    finally:
        running.end()


def answer_to(address: tuple[str, int], *parts: bytes) -> bytes:
    """Everything that comes until the other end hangs up; b"" for nothing."""
    with socket.create_connection(address, timeout=PATIENCE_S) as peer:
        for part in parts:
            peer.sendall(part)
            if part == LIVE:
                assert peer.recv(4_096).startswith(b"HTTP/1.1 200")
        try:
            return peer.recv(4_096)
        except ConnectionResetError:
            return b""


def test_protocol_who_does_not_finish_a_request_is_hung_up_on(
    address: tuple[str, int],
) -> None:
    asked: list[tuple[bytes, ...]] = [(part,) for part in UNFINISHED]
    asked += [(LIVE, part) for part in UNFINISHED]  # kept alive, then stuck
    with ThreadPoolExecutor(len(asked)) as pool:
        answers = list(pool.map(lambda parts: answer_to(address, *parts), asked))
    assert answers == [b""] * len(asked)


def test_protocol_requests_in_pieces_are_answered(address: tuple[str, int]) -> None:
    whole = LIVE.replace(b"\r\n\r\n", b"\r\nConnection: close\r\n\r\n")
    told = answer_to(address, whole[:20], whole[20:])
    assert told.startswith(b"HTTP/1.1 200")
