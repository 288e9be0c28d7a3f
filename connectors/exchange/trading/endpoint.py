"""What the endpoints of the trading side have in common.

An endpoint takes the trading side and the parameters, and gives the content of its
reply; whoever answers has checked key, signature, time, weight and order counts before.
"""

from collections.abc import Callable
from dataclasses import dataclass
from enum import Enum
from typing import TypeVar

from connectors.exchange.rest_reply import Params
from connectors.exchange.trading.order_request import bad
from connectors.exchange.trading.trading import Trading

MOST_ROWS = 1_000
ROWS = 500
DAY_MS = 86_400_000
LONGEST_SPAN_MS = 7 * DAY_MS


Row = TypeVar("Row")
Handler = Callable[[Trading, Params], object]


class Access(Enum):
    """What a request has to show."""

    KEY = "key"
    SIGNED = "signed"


@dataclass(frozen=True, slots=True)
class Endpoint:
    """One method of one path."""

    handle: Handler
    weight: int = 1
    weight_of_all: int | None = None
    """Without a symbol, where that differs."""
    access: Access = Access.SIGNED
    orders: tuple[int, int] = (0, 0)
    """What it adds to the order counters of ten seconds and of a minute."""

    def weigh(self, params: Params) -> int:
        """The weight of one request."""
        if params.symbol or self.weight_of_all is None:
            return self.weight
        return self.weight_of_all


Endpoints = dict[tuple[str, str], Endpoint]
"""By method and path."""


def symbol_of(trading: Trading, params: Params) -> str:
    """The mandatory symbol; Refusal -1102 without it, -1121 for an unknown one."""
    return trading.orders.known(params.required("symbol").upper())


def symbols_of(trading: Trading, params: Params) -> list[str]:
    """The symbol asked for, or all of them."""
    if params.symbol:
        return [symbol_of(trading, params)]
    return list(trading.venue.symbols)


@dataclass(frozen=True, slots=True)
class Window:
    """The part of a history that is asked for."""

    since_ms: int
    until_ms: int
    limit: int
    is_from_start: bool
    """Whether the oldest rows are wanted, not the newest."""

    @classmethod
    def of(cls, params: Params, now_ms: int, *, most: int = MOST_ROWS) -> "Window":
        """Read `startTime`, `endTime` and `limit`; Refusal -4165 for a long span."""
        limit = params.number("limit", min(ROWS, most), highest=most)
        start, end = params.number("startTime", 0), params.number("endTime", 0)
        if start and end and start > end:
            raise bad(-1023, "Start time is greater than end time.")
        if start and end and end - start > LONGEST_SPAN_MS:
            raise bad(-4165, "Maximum time interval is 7 days")
        until_ms = end or (start + LONGEST_SPAN_MS if start else now_ms)
        return cls(start or until_ms - LONGEST_SPAN_MS, until_ms, limit, bool(start))

    def holds(self, time_ms: int) -> bool:
        """Whether a row of that time is wanted."""
        return self.since_ms <= time_ms <= self.until_ms

    def cut(self, rows: list[Row]) -> list[Row]:
        """At most `limit` rows."""
        return rows[: self.limit] if self.is_from_start else rows[-self.limit :]
