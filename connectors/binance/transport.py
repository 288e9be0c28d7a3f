"""The market feed on real sockets: one asyncio loop for streams and REST requests.

The loop runs only inside `poll`, so everything happens on the thread of the dataflow.
"""

import asyncio
from collections.abc import Callable, Collection, Coroutine
from contextlib import suppress
from dataclasses import dataclass
from urllib.parse import urlsplit

import aiohttp
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import WebSocketException
from yarl import URL

from connectors.binance.exchange_info import parse_exchange_info
from connectors.binance.feed import INFO_PATH, MarketFeed
from connectors.binance.outbox import (
    Action,
    Call,
    Connect,
    Get,
    HangUp,
    KeyCall,
    Send,
)
from connectors.binance.signing import SignedRequest, Signer
from flows.domain.errors import ConfigurationError, MarketDataError
from flows.domain.frame import RawFrame
from flows.domain.instrument import Instrument

LONGEST_WAIT_S = 0.005
"""How long `poll` waits for a message; what bounds the latency of everything else."""

_OPEN_TIMEOUT_S = 10.0
_REQUEST_TIMEOUT_S = 10.0
_CLOSE_TIMEOUT_S = 0.5
_KEEPALIVE_S = 20.0
_LARGEST_MESSAGE = 16 * 1_024 * 1_024
_QUEUED_MESSAGES = 1_024
_OK = 200


@dataclass(frozen=True, slots=True)
class Endpoints:
    """Where an exchange is: base URLs without a slash at their end."""

    rest: str
    streams: str


PRODUCTION = Endpoints("https://fapi.binance.com", "wss://fstream.binance.com")
DEMO = Endpoints("https://demo-fapi.binance.com", "wss://demo-fstream.binance.com")


def endpoints_of(url: str) -> Endpoints:
    """The endpoints of an exchange that serves everything at one address.

    Raises ConfigurationError for what is no http or https URL of a host.
    """
    parts = urlsplit(url)
    schemes = {"http": "ws", "https": "wss"}
    if parts.scheme not in schemes or not parts.netloc:
        msg = f"Expected an exchange like http://127.0.0.1:18080, was {url!r}"
        raise ConfigurationError(msg)
    base = f"{parts.netloc}{parts.path.rstrip('/')}"
    return Endpoints(f"{parts.scheme}://{base}", f"{schemes[parts.scheme]}://{base}")


class StraightConnect(connect):
    """Opens a connection where it was told to: a redirect is a failure."""

    def process_redirect(self, exc: Exception) -> Exception:
        """Give every redirect back as the error that it is."""
        return exc


class Transport:
    """Carries out what a feed wants done, and tells it what happens.

    Back-pressure: a socket that is not read holds at most 1,024 messages here, then the
    kernel's buffers fill, and at last the exchange closes the connection; the feed then
    bridges anew. Redirects and proxy variables are not followed.
    """

    def __init__(
        self,
        feed: MarketFeed,
        endpoints: Endpoints,
        clock: Callable[[], int],
        *,
        signer: Signer | None = None,
        why_withhold: Callable[[], str] = str,
    ) -> None:
        self._feed = feed
        self._signer = signer
        self._why_withhold = why_withhold
        """Asked right before an order that may increase risk; empty: nothing."""
        self._endpoints = endpoints
        self._clock = clock
        self._loop = asyncio.new_event_loop()
        self._has_news = self._is_polling = False
        self._tasks: dict[int, asyncio.Task[None]] = {}
        self._sending: set[asyncio.Task[None]] = set()
        self._sockets: dict[int, ClientConnection] = {}
        self._rest: aiohttp.ClientSession | None = None
        self._bug: BaseException | None = None

    def poll(self) -> list[RawFrame]:
        """Let the loop run until there is news, for at most LONGEST_WAIT_S.

        Frames in order; empty where nothing happened.
        """
        self._on_time()
        if not self._has_news:
            bound = self._loop.call_later(LONGEST_WAIT_S, self._loop.stop)
            self._run_loop()
            bound.cancel()
            self._on_time()
        self._has_news = False
        if self._bug is not None:
            raise self._bug
        return self._feed.take_frames()

    def _run_loop(self) -> None:
        """Until there is news, or the loop is stopped.

        Nothing waits for a task to end here: between a message and its decision that
        would be two more rounds of the loop.
        """
        self._is_polling = True
        try:
            self._loop.run_forever()
        finally:
            self._is_polling = False

    def _tell_news(self) -> None:
        self._has_news = True
        if self._is_polling:
            self._loop.stop()

    def run(self, work: Coroutine[None, None, None]) -> None:
        """Run something to its end on the loop, between two polls."""
        self._loop.run_until_complete(work)

    def push(self) -> None:
        """Begin what the feed wants done now, without waiting for the next poll."""
        self._carry_out()
        self._loop.call_soon(self._loop.stop)
        self._loop.run_forever()  # once: each request, until it waits for its answer

    def wake(self) -> None:
        """There is news from beside the sockets: let `poll` wait no longer."""
        self._tell_news()

    def close(self) -> None:
        """Close every connection; a peer that does not answer is not waited for."""
        self._loop.run_until_complete(self._close())
        self._loop.close()

    def _on_time(self) -> None:
        self._feed.on_time(self._clock())
        self._carry_out()

    def _carry_out(self) -> None:
        for action in self._feed.take_actions():
            self._start(action)

    def _start(self, action: Action) -> None:
        match action:
            case Connect(serial):
                self._tasks[serial] = self._run(self._read(action))
            case Get(serial):
                self._tasks[serial] = self._run(self._ask(action))
            case Call(serial):
                self._call(action)
            case KeyCall(serial, method, path):
                url = f"{self._endpoints.rest}{path}"
                request = SignedRequest(method, url, self._signing.headers)
                self._tasks[serial] = self._run(self._request(serial, request))
            case Send(serial, text):
                if (socket := self._sockets.get(serial)) is not None:
                    sending = self._run(_send(socket, text))
                    self._sending.add(sending)
                    sending.add_done_callback(self._sending.discard)
            case HangUp(serial):
                if (task := self._tasks.pop(serial, None)) is not None:
                    task.cancel()

    def _run(self, work: Coroutine[None, None, None]) -> asyncio.Task[None]:
        task = self._loop.create_task(work)
        task.add_done_callback(self._on_done)
        return task

    def _on_done(self, task: asyncio.Task[None]) -> None:
        """Keep what no task expected, for `poll` to raise: it is a bug of ours."""
        if not task.cancelled() and (error := task.exception()) is not None:
            self._bug = self._bug or error
            self._tell_news()

    # -- streams ----------------------------------------------------------------------

    async def _read(self, action: Connect) -> None:
        """Open a connection and hand on what arrives until it ends."""
        serial = action.serial
        try:
            async with StraightConnect(
                f"{self._endpoints.streams}/{action.route}/{action.path}",
                compression=None,
                proxy=None,
                open_timeout=_OPEN_TIMEOUT_S,
                ping_interval=_KEEPALIVE_S,
                ping_timeout=_KEEPALIVE_S,
                close_timeout=_CLOSE_TIMEOUT_S,
                max_size=_LARGEST_MESSAGE,
                max_queue=_QUEUED_MESSAGES,
            ) as socket:
                self._sockets[serial] = socket
                self._feed.on_open(serial, self._clock())
                self._wake()
                while True:
                    text = await socket.recv(decode=False)
                    self._feed.on_text(serial, text, self._clock())
                    self._tell_news()
        except (WebSocketException, OSError, TimeoutError) as error:
            reason = str(error) or type(error).__name__
            self._feed.on_closed(serial, reason, self._clock())
            self._wake()
        finally:
            self._sockets.pop(serial, None)
            self._tasks.pop(serial, None)

    def _wake(self) -> None:
        self._carry_out()
        self._tell_news()

    # -- requests ---------------------------------------------------------------------

    async def _ask(self, action: Get) -> None:
        """Make a request; each ends in exactly one reply or failure."""
        serial = action.serial
        try:
            async with self._session().get(
                f"{self._endpoints.rest}{action.path}",
                params=action.params,
                allow_redirects=False,
            ) as reply:
                body = await reply.read()
                headers = {name.lower(): value for name, value in reply.headers.items()}
            self._feed.on_reply(serial, reply.status, headers, body, self._clock())
        except (aiohttp.ClientError, OSError, TimeoutError) as error:
            self._feed.on_failed(serial, _reason(error), self._clock())
        finally:
            self._tasks.pop(serial, None)
        self._wake()

    def _call(self, action: Call) -> None:
        """Sign and send at once, unless that has become wrong since it was decided."""
        serial, now_ns = action.serial, self._clock()
        if action.expires_ns is not None:
            why = self._why_withhold()
            if not why and now_ns > action.expires_ns:
                why = "its decision is too old"
            if why:
                self._feed.on_withheld(serial, why, now_ns)
                self._tell_news()
                return
        request = self._signing.sign(
            action.method,
            action.path,
            action.params,
            now_ns,
            window_ms=action.window_ms,
        )
        self._tasks[serial] = self._run(self._request(serial, request))

    @property
    def _signing(self) -> Signer:
        if self._signer is None:
            raise RuntimeError("Expected a signer for a signed request")
        return self._signer

    async def _request(self, serial: int, request: SignedRequest) -> None:
        """Make a request as it stands; it ends in exactly one reply or failure."""
        try:
            async with self._session().request(
                request.method,
                URL(request.url, encoded=True),
                headers=request.headers,
                allow_redirects=False,
            ) as reply:
                body = await reply.read()
                headers = {name.lower(): value for name, value in reply.headers.items()}
            self._feed.on_reply(serial, reply.status, headers, body, self._clock())
        except (aiohttp.ClientError, OSError, TimeoutError) as error:
            self._feed.on_failed(serial, _reason(error), self._clock())
        finally:
            self._tasks.pop(serial, None)
        self._wake()

    def _session(self) -> aiohttp.ClientSession:
        if self._rest is None:
            timeout = aiohttp.ClientTimeout(total=_REQUEST_TIMEOUT_S)
            self._rest = aiohttp.ClientSession(timeout=timeout, trust_env=False)
        return self._rest

    async def _close(self) -> None:
        tasks = [*self._tasks.values(), *self._sending]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        if self._rest is not None:
            await self._rest.close()


def _reason(error: Exception) -> str:
    return str(error) or type(error).__name__


async def _send(socket: ClientConnection, text: str) -> None:
    with suppress(WebSocketException, OSError):  # its reader tells the feed
        await socket.send(text)


async def fetch_instruments(
    endpoints: Endpoints, wanted: Collection[str]
) -> dict[str, Instrument]:
    """The filters of what the exchange lists, before a feed exists; at least `wanted`.

    Raises MarketDataError that names the address where there is no usable answer.
    """
    url = f"{endpoints.rest}{INFO_PATH}"
    timeout = aiohttp.ClientTimeout(total=_REQUEST_TIMEOUT_S)
    try:
        async with (
            aiohttp.ClientSession(timeout=timeout, trust_env=False) as session,
            session.get(url, allow_redirects=False) as reply,
        ):
            body = await reply.read()
    except (aiohttp.ClientError, OSError, TimeoutError) as error:
        msg = f"{url}: cannot be reached: {str(error) or type(error).__name__}"
        raise MarketDataError(msg) from error
    if reply.status != _OK:
        told = body[:200].decode(errors="replace")
        msg = f"{url}: answered HTTP {reply.status}: {told}"
        raise MarketDataError(msg)
    try:
        return parse_exchange_info(body, wanted)
    except ValueError as error:
        msg = f"{url}: {error}"
        raise MarketDataError(msg) from error
