"""One market connection kept alive: opened, subscribed, replaced before it ends.

A lane has one active socket. To replace it without a hole (24 hours are nearly over,
the exchange shuts down, a stream stays silent), a second one is opened beside it, and
each stream moves over at a point where the two join; only then is the old one closed.
A stream that does not join in time moves all the same: its book sees a gap and says so.
"""

from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import islice
from random import Random

import msgspec
import structlog

from connectors.binance.message import Data, Word, id_of, read_message
from connectors.binance.outbox import (
    ALARM_STREAM,
    MALFORMED_STREAM,
    Connect,
    HangUp,
    Outbox,
    Send,
)
from connectors.binance.silence import SilenceWatch, symbols_of
from flows.domain.errors import MalformedFrame
from flows.domain.event import DepthDelta
from flows.domain.units import NS_PER_MS, NS_PER_S

STREAMS_PER_SOCKET = 1_000
"""The exchange allows 1,024."""

HELD_LIMIT = 1_000
"""Messages of a stream kept while its socket waits to take over; the oldest gives way,
which at worst moves the join to a later message."""

_NAMES_PER_SUBSCRIBE = 100
_CONTROLS_PER_S = 4  # of 10 allowed, pongs included
_OPEN_WITHIN_NS = 10 * NS_PER_S
_MOVE_WITHIN_NS = 30 * NS_PER_S
_DEAD_AFTER_NS = 10 * NS_PER_S
_HEALTHY_AFTER_NS = 60 * NS_PER_S
"""So long without a failure, and the next one is the first again."""
_OLDEST_NS = 23 * 3_600 * NS_PER_S
_OLDEST_JITTER_S = 1_800
_SHORTEST_BACKOFF_MS = 500
_LONGEST_BACKOFF_MS = 30_000
_ALL_BEHIND = 20
"""So many depth events in a row at or below the last id: the exchange counts anew."""

_log = structlog.get_logger()


@dataclass(slots=True)
class _Socket:
    serial: int
    asked_ns: int
    oldest_ns: int
    opened_ns: int | None = None
    heard_ns: int = 0
    unsent: deque[tuple[str, Sequence[str]]] = field(default_factory=deque)
    control_ns: deque[int] = field(
        default_factory=lambda: deque(maxlen=_CONTROLS_PER_S)
    )
    held: dict[str, deque[Data]] = field(default_factory=dict)
    moved: set[str] = field(default_factory=set)


class Lane:
    """The streams of one connection, whatever sockets carry them.

    `is_up` says whether data may arrive. Times are nanoseconds of the caller's clock;
    nothing here reads one.
    """

    def __init__(
        self,
        route: str,
        names: Sequence[str],
        outbox: Outbox,
        random: Random,
        *,
        stale_after_ns: int,
    ) -> None:
        self.route = route
        self.names = tuple(names)
        self.silence = SilenceWatch(names, stale_after_ns)
        self.reconnects = 0
        self.rollovers = 0
        self._outbox = outbox
        self._random = random
        self._wanted = frozenset(names)
        self._active: _Socket | None = None
        self._standby: _Socket | None = None
        self._cursor: dict[str, int] = {}
        self._behind: dict[str, int] = {}
        self._failures = 0
        self._failed_ns = 0
        self._retry_ns = 0

    @property
    def is_up(self) -> bool:
        """Whether a socket is open."""
        return self._active is not None and self._active.opened_ns is not None

    def owns(self, serial: int) -> bool:
        """Whether a socket is one of this lane."""
        return self._socket(serial) is not None

    # -- what happens to sockets ----------------------------------------------------

    def on_open(self, serial: int, now_ns: int) -> None:
        """A socket is open: subscribe."""
        socket = self._socket(serial)
        if socket is None:
            return
        socket.opened_ns = socket.heard_ns = now_ns
        _queue(socket, "SUBSCRIBE", self.names)
        self._send(socket, now_ns)

    def on_text(self, serial: int, text: bytes | str, now_ns: int) -> None:
        """A message has arrived."""
        socket = self._socket(serial)
        if socket is None:
            return
        socket.heard_ns = now_ns
        try:
            message = read_message(text)
        except MalformedFrame:
            body = text.encode() if isinstance(text, str) else text
            self._outbox.emit(MALFORMED_STREAM, body, now_ns)
            return
        if isinstance(message, Data):
            self._on_data(socket, message, now_ns)
        else:
            self._on_word(message, now_ns)

    def on_closed(self, serial: int, reason: str, now_ns: int) -> None:
        """A socket has ended, or could not be opened."""
        socket = self._socket(serial)
        if socket is None:
            return
        _log.warning("stream_closed", route=self.route, reason=reason)
        self._back_off(now_ns)
        if socket is self._standby:
            self._standby = None
        elif self._standby is not None and self._standby.opened_ns is not None:
            self._take_over(now_ns)
        else:
            self._active, self._standby = self._standby, None
            self._alarm(self.silence.lost(), f"connection ended: {reason}", now_ns)

    # -- time -----------------------------------------------------------------------

    def on_time(self, now_ns: int) -> None:
        """Do what is due: connect, subscribe, alarm, replace."""
        for socket in (self._active, self._standby):
            if socket is not None and self._is_stuck(socket, now_ns):
                self._outbox.do(HangUp(socket.serial))
                self.on_closed(socket.serial, "not opened in time", now_ns)
        if self._active is None:
            if now_ns >= self._retry_ns:
                self.reconnects += 1
                self._active = self._connect(now_ns)
            return
        for socket in (self._active, self._standby):
            if socket is not None and socket.opened_ns is not None:
                self._send(socket, now_ns)
        self._watch(self._active, now_ns)

    def replace_socket(self, now_ns: int) -> None:
        """Open a second socket, to take over where the streams join."""
        active = self._active
        if active is None or active.opened_ns is None or self._standby is not None:
            return
        if now_ns >= self._retry_ns:
            self.rollovers += 1
            self._standby = self._connect(now_ns)

    def _watch(self, active: _Socket, now_ns: int) -> None:
        fallen = self.silence.newly_stale(now_ns)
        self._alarm(fallen, "no depth events", now_ns)
        if active.opened_ns is None:
            return
        if now_ns - max(active.opened_ns, self._failed_ns) > _HEALTHY_AFTER_NS:
            self._failures = 0
        standby = self._standby
        if standby is not None:
            opened_ns = standby.opened_ns
            if opened_ns is not None and now_ns - opened_ns > _MOVE_WITHIN_NS:
                self._outbox.do(HangUp(active.serial))
                self._take_over(now_ns)
            return
        due = self.silence.due_again(now_ns)
        if due:
            _queue(active, "UNSUBSCRIBE", due)
            _queue(active, "SUBSCRIBE", due)
            _log.warning("streams_silent", route=self.route, streams=due)
        is_dead = now_ns - active.heard_ns > _DEAD_AFTER_NS
        if is_dead or now_ns > active.oldest_ns or self.silence.is_hopeless(due):
            self.replace_socket(now_ns)

    def _is_stuck(self, socket: _Socket, now_ns: int) -> bool:
        return socket.opened_ns is None and now_ns - socket.asked_ns > _OPEN_WITHIN_NS

    def _connect(self, now_ns: int) -> _Socket:
        serial = self._outbox.next_serial()
        jitter_ns = self._random.randrange(_OLDEST_JITTER_S) * NS_PER_S
        self._outbox.do(Connect(serial, self.route))
        return _Socket(serial, now_ns, now_ns + _OLDEST_NS - jitter_ns)

    def _back_off(self, now_ns: int) -> None:
        """Wait a random time below a bound that doubles with each failure."""
        bound_ms = min(
            _SHORTEST_BACKOFF_MS << min(self._failures, 8), _LONGEST_BACKOFF_MS
        )
        self._failures += 1
        self._failed_ns = now_ns
        self._retry_ns = now_ns + self._random.randrange(bound_ms) * NS_PER_MS

    def _send(self, socket: _Socket, now_ns: int) -> None:
        """Send control messages, no more in a second than the exchange allows."""
        sent = socket.control_ns
        while socket.unsent:
            if len(sent) == _CONTROLS_PER_S and now_ns - sent[0] < NS_PER_S:
                return
            method, names = socket.unsent.popleft()
            message = {
                "method": method,
                "params": names,
                "id": self._outbox.next_serial(),
            }
            self._outbox.do(Send(socket.serial, msgspec.json.encode(message).decode()))
            sent.append(now_ns)
            if method == "SUBSCRIBE":
                self.silence.subscribed(names, now_ns)

    def _alarm(self, names: Sequence[str], reason: str, now_ns: int) -> None:
        if names:
            content = {"symbols": symbols_of(names), "reason": reason}
            self._outbox.tell(ALARM_STREAM, content, now_ns)

    # -- data -----------------------------------------------------------------------

    def _on_word(self, word: Word, now_ns: int) -> None:
        if word.is_shutdown:
            self.replace_socket(now_ns)
        if word.error:
            _log.error("stream_refused", route=self.route, reason=word.error)

    def _on_data(self, socket: _Socket, data: Data, now_ns: int) -> None:
        standby = self._standby
        if standby is None:
            self._pass_on(data, now_ns)
            return
        has_moved = data.stream in standby.moved
        if socket is standby and not has_moved:
            held = standby.held.setdefault(data.stream, deque(maxlen=HELD_LIMIT))
            held.append(data)
        elif socket is standby:
            self._pass_on_new(data, now_ns)
        elif not has_moved:
            self._pass_on(data, now_ns)
        if not has_moved:
            self._try_to_move(standby, data.stream, now_ns)

    def _pass_on(self, data: Data, now_ns: int) -> None:
        self._outbox.emit(data.stream, data.payload, now_ns)
        self.silence.heard[data.stream] = now_ns
        number = id_of(data.event)
        if number is None:
            return
        last = self._cursor.get(data.stream)
        if last is None or number > last:
            self._cursor[data.stream] = number
            self._behind.pop(data.stream, None)
        elif isinstance(data.event, DepthDelta):
            self._on_behind(data.stream, number, now_ns)

    def _on_behind(self, name: str, number: int, now_ns: int) -> None:
        """Count events below the last id; a long row means that ids began anew."""
        behind = self._behind[name] = self._behind.get(name, 0) + 1
        if behind < _ALL_BEHIND:
            return
        self._cursor[name] = number
        del self._behind[name]
        content = {
            "symbols": symbols_of([name]),
            "must_bridge": True,
            "reason": "update ids began anew",
        }
        self._outbox.tell(ALARM_STREAM, content, now_ns)

    def _pass_on_new(self, data: Data, now_ns: int) -> None:
        """Pass on what the other socket has not brought already."""
        number, last = id_of(data.event), self._cursor.get(data.stream)
        if number is None or last is None or number > last:
            self._pass_on(data, now_ns)

    # -- taking over ------------------------------------------------------------------

    def _try_to_move(self, standby: _Socket, name: str, now_ns: int) -> None:
        held = standby.held.get(name)
        if not held:
            return
        first = _joint(held, self._cursor.get(name))
        if first is None:
            if not self.silence.is_silent(name, now_ns):
                return
            first = 0  # the old socket brings nothing more that could join
        standby.moved.add(name)
        for data in islice(standby.held.pop(name), first, None):
            self._pass_on_new(data, now_ns)
        if standby.moved >= self._wanted and self._active is not None:
            self._outbox.do(HangUp(self._active.serial))
            self._take_over(now_ns)

    def _take_over(self, now_ns: int) -> None:
        """Make the standby the active socket, with what it still holds."""
        standby = self._standby
        if standby is None:
            return
        self._active, self._standby = standby, None
        for held in standby.held.values():
            for data in held:
                self._pass_on_new(data, now_ns)
        standby.held.clear()
        standby.moved.clear()
        _log.info("stream_replaced", route=self.route)

    def _socket(self, serial: int) -> _Socket | None:
        for socket in (self._active, self._standby):
            if socket is not None and socket.serial == serial:
                return socket
        return None


def _queue(socket: _Socket, method: str, names: Sequence[str]) -> None:
    """Ask for a control message about `names`, or for several."""
    for start in range(0, len(names), _NAMES_PER_SUBSCRIBE):
        socket.unsent.append((method, names[start : start + _NAMES_PER_SUBSCRIBE]))


def _joint(held: deque[Data], cursor: int | None) -> int | None:
    """From where held messages continue after `cursor`; None where they do not yet.

    Depth events continue where one names `cursor` as its predecessor; other streams
    with the first id beyond it.
    """
    if cursor is None:
        return 0
    for index, data in enumerate(held):
        event = data.event
        if isinstance(event, DepthDelta):
            if event.previous_id == cursor:
                return index
        elif (number := id_of(event)) is None or number > cursor:
            return index
    return None if isinstance(held[-1].event, DepthDelta) else len(held)
