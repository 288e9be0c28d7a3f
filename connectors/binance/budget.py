"""The request weight that one address may use: one budget for everything it asks.

The exchange counts weight per IP and minute, tells the count in `X-MBX-USED-WEIGHT-1M`,
answers 429 when it is used up and 418 to those who go on, with `Retry-After` seconds.
Source: Binance USD-M "General Info", limits.
"""

from collections.abc import Mapping

from flows.domain.units import NS_PER_S

USED_WEIGHT = "x-mbx-used-weight-1m"
RETRY_AFTER = "retry-after"
TOO_MANY = 429
BANNED = 418
_MINUTE_NS = 60 * NS_PER_S
_DEFAULT_PAUSE_S = 60


class WeightBudget:
    """Says how long a request must wait; counts what has been used.

    `limit` is the exchange's weight per minute, of which `share_percent` is used, so
    that other programs behind the same address are not starved. Minutes are those of
    the exchange; the header corrects our own count whenever a reply brings one.
    """

    def __init__(self, limit: int, *, share_percent: int = 80) -> None:
        self._usable = limit * share_percent // 100
        self._minute = 0
        self._used = 0
        self._paused_until_ns = 0

    @property
    def used(self) -> int:
        """Weight counted in the present minute."""
        return self._used

    def is_paused(self, now_ns: int) -> bool:
        """Whether the exchange has told us to stop."""
        return now_ns < self._paused_until_ns

    @property
    def paused_until_ns(self) -> int:
        """When requests may go on, after a 429 or 418."""
        return self._paused_until_ns

    def delay_ns(self, weight: int, now_ns: int) -> int:
        """How long a request of `weight` must wait; 0 where it may go now."""
        self._turn(now_ns)
        if self.is_paused(now_ns):
            return self._paused_until_ns - now_ns
        if self._used + weight <= self._usable:
            return 0
        return (self._minute + 1) * _MINUTE_NS - now_ns

    def is_half_spent(self, now_ns: int) -> bool:
        """Whether what is left is kept for what is urgent."""
        self._turn(now_ns)
        return 2 * self._used > self._usable

    def spend(self, weight: int, now_ns: int) -> None:
        """Count a request that is being sent."""
        self._turn(now_ns)
        self._used += weight

    def on_reply(self, status: int, headers: Mapping[str, str], now_ns: int) -> None:
        """Take the exchange's word: its count, or its order to stop."""
        self._turn(now_ns)
        told = _count(headers.get(USED_WEIGHT))
        if told is not None and told > self._used:
            self._used = told
        if status in (TOO_MANY, BANNED):
            pause_s = _count(headers.get(RETRY_AFTER)) or _DEFAULT_PAUSE_S
            until_ns = now_ns + pause_s * NS_PER_S
            self._paused_until_ns = max(self._paused_until_ns, until_ns)

    def _turn(self, now_ns: int) -> None:
        minute = now_ns // _MINUTE_NS
        if minute > self._minute:
            self._minute, self._used = minute, 0


def _count(text: str | None) -> int | None:
    """A header's count; None where it is absent or, as happens, not a count."""
    return int(text) if text and text.isascii() and text.isdecimal() else None
