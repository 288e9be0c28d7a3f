"""One WebSocket connection to the exchange, without a socket.

Time is the host's: nothing here reads a clock. What the client is to receive waits in
the session until it is due; whoever carries the bytes asks with `receive`.
"""

from collections import deque
from dataclasses import dataclass
from typing import Protocol

from connectors.exchange.control import answer
from connectors.exchange.stream_name import Route, is_delivered
from flows.domain.units import NS_PER_S

MESSAGES_PER_S = 10
"""Client messages, control frames included, that a connection may send in a second."""

STREAM_LIMIT = 1_024
QUEUE_LIMIT = 50_000
"""Messages that may wait for a slow client; one more and the connection is cut."""

POLICY_VIOLATION = 1008


@dataclass(frozen=True, slots=True)
class Ping:
    """A ping frame to the client."""

    payload: bytes


@dataclass(frozen=True, slots=True)
class Pong:
    """A pong frame to the client."""

    payload: bytes


@dataclass(frozen=True, slots=True)
class Close:
    """A close frame to the client; the connection has ended."""

    code: int
    reason: str


@dataclass(frozen=True, slots=True)
class Cut:
    """The connection ends without a close frame."""


Outgoing = bytes | Ping | Pong | Close | Cut
"""A text message, or what happens to the connection."""


class Host(Protocol):
    """What a session needs of its exchange."""

    @property
    def now_ns(self) -> int:
        """The venue's time."""

    def join(self, session: "Session", name: str) -> None:
        """Deliver a stream from now on."""

    def leave(self, session: "Session", name: str) -> None:
        """Deliver a stream no more."""

    def is_deaf(self, session: "Session", name: str) -> bool:
        """Whether a fault makes a new subscription stay silent."""

    def delay_ns(self, session: "Session") -> int:
        """How much later a message sent now arrives."""

    def closed(self, session: "Session") -> None:
        """The session has ended."""


class Session:
    """A connection: its subscriptions, its limits and what it has still to receive."""

    def __init__(
        self, host: Host, serial: int, route: Route, *, is_combined: bool
    ) -> None:
        self.serial = serial
        self.route = route
        self.is_combined = is_combined
        self.opened_ns = host.now_ns
        self.subscriptions: dict[str, None] = {}
        """Acknowledged names in order, silent ones included."""
        self.is_open = True
        self.sent = 0
        """Text messages put under way so far."""
        self.unanswered_ping_ns: int | None = None
        self.wanted_events: dict[str, frozenset[str]] = {}
        """Events asked for of a listen key, where not all are."""
        self._host = host
        self._queue: deque[tuple[int, Outgoing]] = deque()
        self._last_due_ns = 0
        self._message_times: deque[int] = deque(maxlen=MESSAGES_PER_S)

    @property
    def route_name(self) -> str:
        """`public`, `market`, `private`, `ws-fapi` or nothing."""
        return self.route.value

    @property
    def due_ns(self) -> int | None:
        """When the next message is due; None where none waits."""
        return self._queue[0][0] if self._queue else None

    @property
    def waiting(self) -> int:
        """Messages not yet received."""
        return len(self._queue)

    def send(self, text: str | bytes) -> None:
        """A text message from the client."""
        if self._is_allowed():
            self._take_in(text)

    def _take_in(self, text: str | bytes) -> None:
        answer(self, text)

    def ping(self, payload: bytes = b"") -> None:
        """A ping frame from the client, answered as the protocol asks."""
        if self._is_allowed():
            self._push(Pong(payload))

    def pong(self, payload: bytes = b"") -> None:
        """A pong frame from the client; one nobody asked for answers nothing."""
        if self._is_allowed() and payload == _ping_payload(self.unanswered_ping_ns):
            self.unanswered_ping_ns = None

    def receive(self, time_ns: int) -> list[Outgoing]:
        """Everything due by `time_ns`, in order."""
        queue, due = self._queue, []
        while queue and queue[0][0] <= time_ns:
            due.append(queue.popleft()[1])
        return due

    def hang_up(self) -> None:
        """The client went away; nothing more reaches it."""
        self._queue.clear()
        self._end()

    def text(self, body: bytes) -> None:
        """Put a text message under way."""
        if len(self._queue) >= QUEUE_LIMIT:
            self.cut()
        elif self.is_open:
            self.sent += 1
            self._push(body)

    def wants(self, name: str, event: str) -> bool:
        """Whether an event of a listen key is among those asked for."""
        wanted = self.wanted_events.get(name)
        return wanted is None or event in wanted

    def frame(self, name: str, body: bytes) -> bytes:
        """A stream's payload as this connection gets it."""
        if self.is_combined:
            return b'{"stream":"%b","data":%b}' % (name.encode(), body)
        return body

    def probe(self) -> None:
        """Send a ping that the client has to answer."""
        if self.is_open and self.unanswered_ping_ns is None:
            self.unanswered_ping_ns = self._host.now_ns
            self._push(Ping(_ping_payload(self.unanswered_ping_ns)))

    def close(self, code: int, reason: str) -> None:
        """End with a close frame, after everything under way."""
        if self.is_open:
            self._push(Close(code, reason))
            self._end()

    def cut(self) -> None:
        """End without a close frame; what is under way is lost."""
        if self.is_open:
            self._queue.clear()
            self._queue.append((self._host.now_ns, Cut()))
            self._end()

    def subscribe(self, names: list[str]) -> bool:
        """Acknowledge names; False where they would be too many, and none is added."""
        wanted = dict.fromkeys([*self.subscriptions, *names])
        if len(wanted) > STREAM_LIMIT:
            return False
        for name in names:
            self._add(name)
        return True

    def unsubscribe(self, names: list[str]) -> None:
        """Forget names; unknown ones are no error."""
        for name in names:
            if name in self.subscriptions:
                del self.subscriptions[name]
                self._host.leave(self, name)

    def _add(self, name: str) -> None:
        if name in self.subscriptions:
            return
        self.subscriptions[name] = None
        if is_delivered(name, self.route) and not self._host.is_deaf(self, name):
            self._host.join(self, name)

    def _is_allowed(self) -> bool:
        """Count a client message; one too many in a second closes the connection."""
        if not self.is_open:
            return False
        now_ns, times = self._host.now_ns, self._message_times
        if len(times) == times.maxlen and now_ns - times[0] < NS_PER_S:
            self.close(POLICY_VIOLATION, "Too many requests")
            return False
        times.append(now_ns)
        return True

    def _push(self, item: Outgoing) -> None:
        """Later messages never overtake earlier ones, as on a TCP connection."""
        due_ns = self._host.now_ns + self._host.delay_ns(self)
        self._last_due_ns = max(self._last_due_ns, due_ns)
        self._queue.append((self._last_due_ns, item))

    def _end(self) -> None:
        if self.is_open:
            self.is_open = False
            for name in self.subscriptions:
                self._host.leave(self, name)
            self._host.closed(self)


def _ping_payload(time_ns: int | None) -> bytes:
    return b"" if time_ns is None else str(time_ns // 1_000_000).encode()
