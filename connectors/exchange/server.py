"""The exchange on a loopback port: REST, streams and administration.

All decisions are the Venue's; this module moves bytes and gives it the time. One task
advances the venue, one a connection writes to it, one reads.
"""

import asyncio
import time
from collections.abc import Callable
from urllib.parse import parse_qsl

from aiohttp import WSCloseCode, WSMsgType, web

from connectors.exchange.admin import admin_reply
from connectors.exchange.rest_reply import Reply
from connectors.exchange.session import Close, Cut, Outgoing, Ping, Pong, Session
from connectors.exchange.trading.signature import signed_bytes
from connectors.exchange.venue import Venue
from flows.domain.errors import ConfigurationError
from flows.domain.units import NS_PER_MS, NS_PER_S

HOST = "127.0.0.1"
_LOOPBACK_NAMES = frozenset({"127.0.0.1", "localhost"})
_SHORTEST_NAP_S = 0.001
_LONGEST_NAP_S = 0.005
_LONGEST_STEP_NS = 100 * NS_PER_MS
_CATCH_UP_WITHIN_NS = NS_PER_S
"""How long a request waits for a market that lags; clients give up after 10 s."""

_CLOSE_TIMEOUT_S = 1.0


class WallClock:
    """Nanoseconds since the epoch that never run backwards."""

    def __init__(self) -> None:
        self._offset_ns = time.time_ns() - time.monotonic_ns()

    def __call__(self) -> int:
        """The time now."""
        return self._offset_ns + time.monotonic_ns()


class _Link:
    """A session and the socket that carries it."""

    def __init__(self, session: Session, socket: web.WebSocketResponse) -> None:
        self.session = session
        self.socket = socket
        self.has_news = asyncio.Event()


class ExchangeServer:
    """Serves a venue on 127.0.0.1 until it is stopped."""

    def __init__(self, venue: Venue, clock: Callable[[], int]) -> None:
        self._venue = venue
        self._clock = clock
        self._links: set[_Link] = set()
        self._runner: web.AppRunner | None = None
        self._pump_task: asyncio.Task[None] | None = None

    async def start(self, port: int) -> int:
        """Listen; the port, which is a free one where `port` is 0.

        Raises ConfigurationError where the port is taken.
        """
        app = web.Application()
        app.router.add_route("*", "/{path:.*}", self._handle)
        self._runner = web.AppRunner(
            app, access_log=None, shutdown_timeout=_CLOSE_TIMEOUT_S
        )
        await self._runner.setup()
        site = web.TCPSite(self._runner, HOST, port)
        try:
            await site.start()
        except OSError as error:
            await self._runner.cleanup()
            reason = error.strerror or error
            msg = f"Port {port} of {HOST} cannot be listened on: {reason}"
            raise ConfigurationError(msg) from error
        self._pump_task = asyncio.create_task(self._pump())
        bound: int = self._runner.addresses[0][1]
        return bound

    async def serve(self, stop: asyncio.Event) -> None:
        """Wait for `stop`, or raise what broke the venue; then end every connection."""
        stopped = asyncio.create_task(stop.wait())
        tasks = [stopped, *([self._pump_task] if self._pump_task else [])]
        try:
            done, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
            for task in done:
                task.result()
        finally:
            stopped.cancel()
            await self.stop()

    async def stop(self) -> None:
        """Close every connection and the port."""
        if self._pump_task is not None:
            self._pump_task.cancel()
        closing = [
            link.socket.close(code=WSCloseCode.GOING_AWAY) for link in self._links
        ]
        await asyncio.gather(*closing, return_exceptions=True)
        if self._runner is not None:
            await self._runner.cleanup()

    async def _pump(self) -> None:
        """Advance the venue with the clock, and wake who has something to write."""
        venue = self._venue
        while True:
            self._catch_up()
            ahead_s = (venue.due_ns - self._clock()) / NS_PER_S
            nap_s = min(max(ahead_s, _SHORTEST_NAP_S), _LONGEST_NAP_S)
            await asyncio.sleep(0 if ahead_s < -_LONGEST_NAP_S else nap_s)

    def _catch_up(self) -> None:
        """Advance to the present, or a step towards it after a pause or under load."""
        venue = self._venue
        venue.advance(min(self._clock(), venue.now_ns + _LONGEST_STEP_NS))
        for link in self._links:
            due_ns = link.session.due_ns
            if due_ns is not None and due_ns <= venue.now_ns:
                link.has_news.set()

    async def _be_present(self) -> None:
        """Catch up with the clock after a pause, for requests are judged by time.

        On a machine too slow for the market that may never be: then they are answered
        at the time that the market has reached.
        """
        begun_ns = self._clock()
        while True:
            self._catch_up()
            now_ns = self._clock()
            is_present = now_ns - self._venue.now_ns < _LONGEST_STEP_NS
            if is_present or now_ns - begun_ns > _CATCH_UP_WITHIN_NS:
                return
            await asyncio.sleep(0)

    async def _handle(self, request: web.Request) -> web.StreamResponse:
        if request.url.host not in _LOOPBACK_NAMES:
            return web.Response(status=403, text="Loopback only")
        await self._be_present()
        if request.headers.get("Upgrade", "").lower() == "websocket":
            return await self._connect(request)
        params, body = dict(request.query), await request.read()
        if not request.path.startswith("/admin/"):
            reply = self._venue.request(
                request.method,
                request.path,
                _form(body) | params,
                request.remote or HOST,
                api_key=request.headers.get("X-MBX-APIKEY", ""),
                signed=signed_bytes(_raw_query(request), body),
            )
        elif "Origin" in request.headers:  # a page in a browser has no business here
            return web.Response(status=403, text="Not from a page")
        else:
            reply = admin_reply(self._venue, request.method, request.path, params, body)
        await asyncio.sleep(reply.delay_ns / NS_PER_S)
        if reply.is_lost and request.transport is not None:
            request.transport.abort()
        return _response(reply)

    async def _connect(self, request: web.Request) -> web.StreamResponse:
        session = self._venue.connect(request.path_qs, request.remote or HOST)
        if isinstance(session, Reply):
            return _response(session)
        socket = web.WebSocketResponse(
            autoping=False, compress=False, timeout=_CLOSE_TIMEOUT_S
        )
        await socket.prepare(request)
        link = _Link(session, socket)
        self._links.add(link)
        writer = asyncio.create_task(self._write(link, request))
        try:
            await self._read(link)
        finally:
            self._links.discard(link)
            session.hang_up()
            writer.cancel()
        return socket

    async def _read(self, link: _Link) -> None:
        """Hand on what the client sends, until it or we have closed."""
        async for message in link.socket:
            await self._be_present()
            match message.type:
                case WSMsgType.TEXT | WSMsgType.BINARY:
                    link.session.send(message.data)
                case WSMsgType.PING:
                    link.session.ping(bytes(message.data))
                case WSMsgType.PONG:
                    link.session.pong(bytes(message.data))
            link.has_news.set()

    async def _write(self, link: _Link, request: web.Request) -> None:
        """Send what is due, in order, as fast as the client reads."""
        try:
            while True:
                for item in link.session.receive(self._venue.now_ns):
                    await self._send(link.socket, item, request)
                await link.has_news.wait()
                link.has_news.clear()
        except ConnectionError:
            link.session.hang_up()

    async def _send(
        self, socket: web.WebSocketResponse, item: Outgoing, request: web.Request
    ) -> None:
        match item:
            case bytes():
                await socket.send_frame(item, WSMsgType.TEXT)
            case Ping(payload):
                await socket.ping(payload)
            case Pong(payload):
                await socket.pong(payload)
            case Close(code, reason):
                await socket.close(code=code, message=reason.encode())
            case Cut():
                if request.transport is not None:
                    request.transport.abort()


def _raw_query(request: web.Request) -> bytes:
    """The query in the bytes sent, which is what is signed."""
    return request.raw_path.partition("?")[2].encode()


def _form(body: bytes) -> dict[str, str]:
    """Parameters of a body, where it is a form."""
    try:
        return dict(parse_qsl(body.decode(), keep_blank_values=True))
    except (UnicodeDecodeError, ValueError):
        return {}


def _response(reply: Reply) -> web.Response:
    return web.Response(status=reply.status, body=reply.body, headers=reply.headers)
