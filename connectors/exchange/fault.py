"""What can be made to go wrong, and how it is ordered.

A fault is ordered for a moment (`at_ms` after the start of the exchange) and lasts for
a number of occasions (`count`), a time (`for_ms`), or both, whichever ends first. Which
streams, connections or requests it meets is narrowed by `symbol`, `stream`, `route`,
`connection` and `path`; what is left out means all. docs/loopback-exchange.md lists the
kinds with their parameters.
"""

from decimal import Decimal
from enum import Enum
from fnmatch import fnmatchcase

import msgspec

from flows.domain.errors import ConfigurationError


class Kind(Enum):
    """Every fault there is."""

    GAP = "gap"
    DUPLICATE = "duplicate"
    REORDER = "reorder"
    MALFORMED = "malformed"
    TRUNCATED = "truncated"
    SILENCE = "silence"
    DEAF = "deaf"
    UNKNOWN_EVENT = "unknown_event"
    CUT = "cut"
    DAY_CUT = "day_cut"
    SERVER_SHUTDOWN = "server_shutdown"
    REFUSED_CONNECTION = "refused_connection"
    LATENCY = "latency"
    SLOW_SNAPSHOT = "slow_snapshot"
    OLD_SNAPSHOT = "old_snapshot"
    BETWEEN_SNAPSHOT = "between_snapshot"
    RATE_LIMIT = "rate_limit"
    BAN = "ban"
    SERVER_ERROR = "server_error"
    LOST_ACK = "lost_ack"
    TIMEOUT = "timeout"
    UNKNOWN_OUTCOME = "unknown_outcome"
    SERVICE_UNAVAILABLE = "service_unavailable"
    OVERLOAD = "overload"
    ORDER_LIMIT = "order_limit"
    CLOCK_SKEW = "clock_skew"
    MAINTENANCE = "maintenance"
    CANCEL_RACE = "cancel_race"
    USER_LOSS = "user_loss"
    USER_DUPLICATE = "user_duplicate"
    USER_REORDER = "user_reorder"
    USER_DELAY = "user_delay"
    USER_SILENCE = "user_silence"
    LISTEN_KEY_EXPIRED = "listen_key_expired"
    PARTIAL_FILL = "partial_fill"
    LIQUIDATION = "liquidation"
    ADL = "adl"
    TRANSFER = "transfer"


USER_KINDS = frozenset(
    {
        Kind.USER_LOSS,
        Kind.USER_DUPLICATE,
        Kind.USER_REORDER,
        Kind.USER_DELAY,
        Kind.USER_SILENCE,
    }
)
"""What happens to events of the user data stream."""

FRAME_KINDS = frozenset(
    {
        Kind.GAP,
        Kind.DUPLICATE,
        Kind.REORDER,
        Kind.MALFORMED,
        Kind.TRUNCATED,
        Kind.SILENCE,
    }
    | USER_KINDS
)
"""What happens to frames on their way to a subscriber."""

ACCOUNT_KINDS = frozenset(
    {
        Kind.LISTEN_KEY_EXPIRED,
        Kind.PARTIAL_FILL,
        Kind.LIQUIDATION,
        Kind.ADL,
        Kind.TRANSFER,
    }
)
"""What happens to the account, once and at once."""

OUTCOME_KINDS = (Kind.LOST_ACK, Kind.TIMEOUT, Kind.UNKNOWN_OUTCOME)
"""What leaves open whether a request was executed."""

REFUSAL_KINDS = (
    Kind.BAN,
    Kind.RATE_LIMIT,
    Kind.SERVER_ERROR,
    Kind.SERVICE_UNAVAILABLE,
    Kind.OVERLOAD,
    Kind.ORDER_LIMIT,
    Kind.CLOCK_SKEW,
    Kind.MAINTENANCE,
)
"""What refuses a request before anything is done."""

MARKET_KINDS = tuple(
    kind
    for kind in Kind
    if kind
    not in {
        *USER_KINDS,
        *ACCOUNT_KINDS,
        *OUTCOME_KINDS,
        Kind.SERVICE_UNAVAILABLE,
        Kind.OVERLOAD,
        Kind.ORDER_LIMIT,
        Kind.CLOCK_SKEW,
        Kind.MAINTENANCE,
        Kind.CANCEL_RACE,
    }
)
"""What somebody meets who only reads the market."""

INSTANT_KINDS = frozenset(
    {Kind.UNKNOWN_EVENT, Kind.CUT, Kind.DAY_CUT, Kind.SERVER_SHUTDOWN}
)
"""What happens to connections, once and at once."""

_TIMED = {
    Kind.SILENCE: 30_000,
    Kind.REFUSED_CONNECTION: 5_000,
    Kind.LATENCY: 10_000,
    Kind.RATE_LIMIT: 10_000,
    Kind.BAN: 120_000,
    Kind.MAINTENANCE: 10_000,
    Kind.USER_SILENCE: 30_000,
}
"""Kinds that last for a time unless told otherwise, in ms; others happen once."""

_ANY_ORDER = "*[oO]rder*"
_REQUESTS = {
    Kind.SLOW_SNAPSHOT: ("GET", "*/depth"),
    Kind.OLD_SNAPSHOT: ("GET", "*/depth"),
    Kind.BETWEEN_SNAPSHOT: ("GET", "*/depth"),
    Kind.LOST_ACK: ("POST", _ANY_ORDER),
    Kind.TIMEOUT: ("POST", _ANY_ORDER),
    Kind.UNKNOWN_OUTCOME: ("POST", _ANY_ORDER),
    Kind.SERVICE_UNAVAILABLE: ("POST", _ANY_ORDER),
    Kind.OVERLOAD: ("POST", _ANY_ORDER),
    Kind.ORDER_LIMIT: ("POST", _ANY_ORDER),
    Kind.CANCEL_RACE: ("DELETE", _ANY_ORDER),
}
"""Method and path of the requests that a kind is about; any other is about all."""

USER_STREAM = "@user."
"""Stands before an event's name where faults look at the user data stream."""


class Fault(
    msgspec.Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True
):
    """One order for something to go wrong."""

    kind: Kind
    at_ms: int = 0
    """Milliseconds after the exchange's start; what is past happens at once."""
    symbol: str = ""
    stream: str = ""
    """Stream name, `*` and `?` allowed; `*@depth*` unless given or not about frames.

    Events of the user data stream are `btcusdt@user.ORDER_TRADE_UPDATE`, and without
    symbol where they are about none.
    """
    route: str = ""
    connection: int = 0
    """Serial number of a connection, counted from 1; 0 means every one."""
    path: str = ""
    """Path of requests, `*` allowed; unless given, what the kind is about."""
    method: str = ""
    """Method of requests; unless given, what the kind is about, or any with a path."""
    count: int | None = None
    for_ms: int | None = None
    delay_ms: int = 0
    jitter_ms: int = 0
    """A random delay of up to so much, drawn from the exchange's seed, on top."""
    age_ms: int = 5_000
    status: int = 503
    retry_after_s: int | None = None
    is_executed: bool = True
    """Whether a request of which nobody learns has been executed."""
    share: Decimal = Decimal(1)
    """The part of a position that a deleveraging closes."""
    amount: Decimal = Decimal(100)
    """What a transfer puts into the wallet; negative takes out."""
    without_close: bool = False
    """Whether a 24-hour cut comes without a close frame, too."""
    text: str = ""
    """Replaces the default body, frame or event name."""

    @property
    def duration_ms(self) -> int | None:
        """How long the fault lasts; None where only occasions end it."""
        return self.for_ms or (None if self.count else _TIMED.get(self.kind))

    @property
    def occasions(self) -> int | None:
        """How often it happens; None where only time ends it."""
        return self.count or (None if self.duration_ms else 1)

    def meets_stream(self, name: str) -> bool:
        """Whether a stream is among those meant."""
        usual = "*@depth*" if self.kind in FRAME_KINDS else "*"
        if self.kind in USER_KINDS:
            usual = f"*{USER_STREAM}*"
        return fnmatchcase(name, self.stream or usual) and name.startswith(
            f"{self.symbol.lower()}@" if self.symbol else ""
        )

    def meets_connection(self, serial: int, route: str) -> bool:
        """Whether a connection is among those meant; none is where a path is given."""
        return (
            not self.path
            and self.connection in {0, serial}
            and self.route in {"", route}
        )

    def meets_request(self, method: str, path: str, symbol: str) -> bool:
        """Whether a request is among those meant; none is of a connection."""
        if self.connection or self.route:
            return False
        usual_method, usual_path = _REQUESTS.get(self.kind, ("", "*"))
        wanted = self.method.upper() or ("" if self.path else usual_method)
        return (
            wanted in {"", method}
            and fnmatchcase(path, self.path or usual_path)
            and self.symbol.upper() in {"", symbol}
        )


def fault_of(order: object) -> Fault:
    """A fault from decoded JSON or TOML.

    Raises ConfigurationError that says which field is wrong.
    """
    try:
        fault = msgspec.convert(order, Fault)
    except msgspec.ValidationError as error:
        raise ConfigurationError(f"Not a fault: {error}") from error
    numbers = (fault.at_ms, fault.delay_ms, fault.jitter_ms, fault.age_ms)
    limits = (fault.count, fault.for_ms, fault.retry_after_s)
    if min(numbers) < 0 or any(n is not None and n < 1 for n in limits):
        raise ConfigurationError(f"Not a fault: a number of {order} is too small")
    if not fault.amount.is_finite():
        raise ConfigurationError(f"Not a fault: the amount of {order} is no number")
    if not 0 < fault.share <= 1:
        raise ConfigurationError(f"Not a fault: the share of {order} is not within 1")
    return fault
