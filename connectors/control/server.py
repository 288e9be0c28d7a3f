"""The engine's end of the control channel, on the loop that it polls anyway.

No client can disturb the engine: clients are few, lines short, one request at a time is
worked on, and who does not read gets no more. A subscriber that is slow misses states,
never the latest one.
"""

import asyncio
import os
import socket
from contextlib import suppress
from pathlib import Path
from typing import Protocol

import msgspec
import structlog

from connectors.control.protocol import (
    LONGEST_LINE,
    Answer,
    Failed,
    Query,
    Request,
    Told,
    decode_request,
    socket_address,
    to_line,
)
from flows.domain.errors import ConfigurationError
from flows.domain.event import Verb

MOST_CLIENTS = 16
PUBLISH_EVERY_S = 0.1

_BREATH_S = 0.02
"""Between two answers to one client: a flood of requests stays a trickle."""
_IDLE_S = 60.0
_STALLED_S = 10.0
"""Who has not read an answer for so long is hung up on."""
_FAREWELL_S = 0.5
_KERNEL_BUFFER = 16_384
_ONLY_OWNER = 0o600

_log = structlog.get_logger()


class ControlledEngine(Protocol):
    """What the server needs of the engine it stands in."""

    def tell(self, verb: Verb, request: Request) -> int:
        """Put a command into the one order; its place there, `received_ns`."""

    def status(self) -> bytes:
        """The state now, as JSON."""


class ControlServer:
    """Answers at a Unix socket that only its owner may open.

    A command is answered by `acknowledge`, or by an error where that does not come.
    """

    def __init__(self, path: Path, engine: ControlledEngine) -> None:
        self._path = path
        self._engine = engine
        self._server: asyncio.Server | None = None
        self._clients: set[asyncio.Task[None]] = set()
        self._answering: set[asyncio.Future[None]] = set()
        self._pending: dict[int, asyncio.Future[Answer]] = {}
        self._is_closing = False

    async def open(self) -> None:
        """Listen, in place of an engine that was killed here.

        The caller holds the directory's lock. Raises ConfigurationError.
        """
        try:
            listening = _bound(self._path)
            self._server = await asyncio.start_unix_server(
                self._on_client, sock=listening, limit=LONGEST_LINE
            )
        except OSError as error:
            msg = f"{self._path}: cannot be listened at: {error.strerror}"
            raise ConfigurationError(msg) from error

    def acknowledge(self, received_ns: int, answer: Answer) -> None:
        """Answer the client whose command stands at this place, if there is one."""
        pending = self._pending.pop(received_ns, None)
        if pending is not None and not pending.done():
            pending.set_result(answer)

    async def close(self) -> None:
        """Tell everybody, first of all who waits for an answer, and hang up."""
        self._is_closing = True
        if self._server is not None:
            self._server.close()
            self._path.unlink(missing_ok=True)
        for received_ns in list(self._pending):
            told = "the engine ended before its journal held the command"
            self.acknowledge(received_ns, Failed(told))
        if self._answering:
            await asyncio.wait(self._answering, timeout=_FAREWELL_S)
        clients = list(self._clients)
        for client in clients:
            client.cancel()
        await asyncio.gather(*clients, return_exceptions=True)

    def _on_client(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        client = asyncio.get_running_loop().create_task(self._serve(reader, writer))
        self._clients.add(client)
        client.add_done_callback(self._clients.discard)

    async def _serve(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        try:
            _keep_little(writer)
            if len(self._clients) > MOST_CLIENTS:
                await _send(writer, Failed(f"more than {MOST_CLIENTS} clients"))
            else:
                await self._converse(reader, writer)
        except (OSError, TimeoutError):
            pass  # hung up, idle, or stalled
        except asyncio.CancelledError:
            writer.write(to_line(Failed("the engine has ended")))
            raise
        except Exception as error:  # noqa: BLE001 - no client may end the engine
            _log.warning("control_failed", error=f"{type(error).__name__}: {error}")
        finally:
            writer.transport.abort()
            with suppress(OSError):
                await writer.wait_closed()

    async def _converse(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        clock = asyncio.get_running_loop().time
        due_s = clock()
        while not self._is_closing:
            try:
                async with asyncio.timeout(_IDLE_S):
                    line = await reader.readline()
            except ValueError:
                too_long = f"expected a line of at most {LONGEST_LINE} bytes"
                await _send(writer, Failed(too_long))
                return
            if not line.endswith(b"\n"):
                return
            await asyncio.sleep(due_s - clock())
            await self._answer(line, writer)
            due_s = clock() + _BREATH_S

    async def _answer(self, line: bytes, writer: asyncio.StreamWriter) -> None:
        try:
            request = decode_request(line)
            asked = request.asked
        except (msgspec.DecodeError, ValueError, RecursionError) as error:
            await _send(writer, Failed(f"not understood: {error}"))
            return
        if asked is Query.SUBSCRIBE:
            await self._publish(writer)
        elif asked is Query.STATUS:
            await _send(writer, self._told())
        else:
            await self._obey(asked, request, writer)

    async def _publish(self, writer: asyncio.StreamWriter) -> None:
        """Send the state of the moment for as long as the client reads."""
        while True:
            await _send(writer, self._told())
            await asyncio.sleep(PUBLISH_EVERY_S)

    async def _obey(
        self, verb: Verb, request: Request, writer: asyncio.StreamWriter
    ) -> None:
        loop = asyncio.get_running_loop()
        pending: asyncio.Future[Answer] = loop.create_future()
        answered: asyncio.Future[None] = loop.create_future()
        self._answering.add(answered)
        try:
            self._pending[self._engine.tell(verb, request)] = pending
            await _send(writer, await pending)
        finally:
            self._answering.discard(answered)
            answered.cancel()

    def _told(self) -> Told:
        return Told(msgspec.Raw(self._engine.status()))


def _keep_little(writer: asyncio.StreamWriter) -> None:
    """Let nothing pile up for a client: what it has not read was not made for it."""
    writer.transport.set_write_buffer_limits(high=0)
    peer: socket.socket = writer.get_extra_info("socket")
    peer.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, _KERNEL_BUFFER)


async def _send(writer: asyncio.StreamWriter, answer: Answer) -> None:
    """Write an answer, and wait until it has left. Raises OSError, TimeoutError."""
    writer.write(to_line(answer))
    async with asyncio.timeout(_STALLED_S):
        await writer.drain()


def _bound(path: Path) -> socket.socket:
    """A socket at `path`, never open to others. Raises OSError."""
    bound = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    try:
        os.fchmod(bound.fileno(), _ONLY_OWNER)  # the file is made with this mode
        path.unlink(missing_ok=True)
        with socket_address(path) as address:
            bound.bind(address)
    except OSError:
        bound.close()
        raise
    return bound
