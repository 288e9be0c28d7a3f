"""What the market feed wants done, and the frames it has taken, in their one order."""

from dataclasses import dataclass, field

import msgspec

from flows.domain.frame import RawFrame

ALARM_STREAM = "@alarm"
CLOCK_STREAM = "@clock"
MALFORMED_STREAM = "@malformed"
REPORT_STREAM = "@report"


@dataclass(frozen=True, slots=True)
class Connect:
    """Open a connection on a route (`public`, `market` or `private`)."""

    serial: int
    route: str
    path: str = "stream"


@dataclass(frozen=True, slots=True)
class Send:
    """Send a text message on an open connection."""

    serial: int
    text: str


@dataclass(frozen=True, slots=True)
class HangUp:
    """Close a connection, or give up opening it; nothing more is heard of it."""

    serial: int


@dataclass(frozen=True, slots=True)
class Get:
    """Ask the REST interface; answered by a reply or a failure with this serial."""

    serial: int
    path: str
    params: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Call:
    """Make a signed request; answered by a reply, a failure, or that it was withheld.

    `expires_ns` is None for what cannot increase risk; the rest is not sent after it,
    nor while anything forbids it. `window_ms` is how long the exchange may accept it.
    """

    serial: int
    method: str
    path: str
    params: dict[str, str]
    window_ms: int
    expires_ns: int | None = None


@dataclass(frozen=True, slots=True)
class KeyCall:
    """Make a request that only names the account: that of a listen key."""

    serial: int
    method: str
    path: str


Action = Connect | Send | HangUp | Get | Call | KeyCall


class Outbox:
    """Collects frames and actions until they are taken.

    Frames get strictly increasing receive times: `max(previous + 1, now)`.
    """

    def __init__(self, last_ns: int = 0) -> None:
        self._last_ns = last_ns
        self._serial = 0
        self._frames: list[RawFrame] = []
        self._actions: list[Action] = []

    def next_serial(self) -> int:
        """A number for a connection or request, used only once."""
        self._serial += 1
        return self._serial

    def emit(self, stream: str, payload: bytes, now_ns: int) -> None:
        """Put a frame behind all earlier ones."""
        self._last_ns = max(self._last_ns + 1, now_ns)
        self._frames.append(RawFrame(self._last_ns, stream, payload))

    def tell(self, stream: str, content: object, now_ns: int) -> int:
        """Put a frame of our own behind all earlier ones, as JSON; its receive time."""
        self.emit(stream, msgspec.json.encode(content), now_ns)
        return self._last_ns

    def do(self, action: Action) -> None:
        """Ask for something outside."""
        self._actions.append(action)

    def take_frames(self) -> list[RawFrame]:
        """The frames since the last call, in order."""
        frames, self._frames = self._frames, []
        return frames

    def take_actions(self) -> list[Action]:
        """The actions since the last call, in order."""
        actions, self._actions = self._actions, []
        return actions
