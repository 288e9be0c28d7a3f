"""The asking end of the control channel, for any process beside the engine."""

import socket
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import msgspec

from connectors.control.protocol import (
    Answer,
    Query,
    Request,
    decode_answer,
    socket_address,
    to_line,
)
from flows.domain.errors import EngineSilent, NoEngine

_CHUNK = 65_536
_LONGEST_ANSWER = 16 * 1_024 * 1_024


def ask(path: Path, request: Request, *, within_s: float) -> Answer:
    """The engine's answer to a request, at the socket `path`.

    Raises NoEngine where none listens there, EngineSilent where it ends without an
    answer or that takes longer than `within_s`.
    """
    with _talking(path, within_s) as engine:
        _send(engine, request)
        return _next_answer(engine, bytearray(), path, time.monotonic() + within_s)


def follow(path: Path, *, within_s: float) -> Iterator[Answer]:
    """The engine's states as they come, until it ends. Raises as `ask`."""
    with _talking(path, within_s) as engine:
        _send(engine, Request(Query.SUBSCRIBE.value))
        pending = bytearray()
        while True:
            yield _next_answer(engine, pending, path, time.monotonic() + within_s)


@contextmanager
def _talking(path: Path, within_s: float) -> Iterator[socket.socket]:
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as engine:
        engine.settimeout(within_s)
        try:
            with socket_address(path) as address:
                engine.connect(address)
            yield engine
        except (TimeoutError, BlockingIOError) as error:  # or it accepts nobody
            msg = f"The engine in {path.parent} does not answer"
            raise EngineSilent(msg) from error
        except (FileNotFoundError, NotADirectoryError, ConnectionRefusedError) as error:
            msg = f"No engine is running in {path.parent}"
            raise NoEngine(msg) from error
        except OSError as error:
            msg = f"{path}: the engine cannot be asked: {error.strerror}"
            raise EngineSilent(msg) from error


def _send(engine: socket.socket, request: Request) -> None:
    with suppress(BrokenPipeError):  # who is hung up on may have been told why
        engine.sendall(to_line(request))


def _next_answer(
    engine: socket.socket, pending: bytearray, path: Path, until_s: float
) -> Answer:
    """The next line; `pending` keeps what has arrived behind it."""
    while (end := pending.find(b"\n")) < 0:
        remaining_s = until_s - time.monotonic()
        if remaining_s <= 0:
            raise TimeoutError
        engine.settimeout(remaining_s)
        received = engine.recv(_CHUNK)
        if not received or len(pending) > _LONGEST_ANSWER:
            msg = f"The engine in {path.parent} hung up without an answer"
            raise EngineSilent(msg)
        pending += received
    line = bytes(pending[:end])
    del pending[: end + 1]
    try:
        answer: Answer = decode_answer(line)
    except msgspec.DecodeError as error:
        msg = f"{path}: not understood, is it another version? {error}"
        raise EngineSilent(msg) from error
    return answer
