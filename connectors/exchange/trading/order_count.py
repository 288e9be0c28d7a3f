"""New orders of the account in the present ten seconds and minute.

Windows begin with the clock's. Source: Binance USD-M "LIMITS", -1015.
"""

from dataclasses import dataclass, field

from connectors.exchange.exchange_info import ORDERS_PER_10_S, ORDERS_PER_MINUTE
from connectors.exchange.rest_reply import Refusal
from flows.domain.units import NS_PER_S

HEADERS = ("X-MBX-ORDER-COUNT-10S", "X-MBX-ORDER-COUNT-1M")
_WINDOWS_S = (10, 60)
_LIMITS = (ORDERS_PER_10_S, ORDERS_PER_MINUTE)
_SPANS = ("10 SECOND", "1 MINUTE")


def too_many_orders(number: int, retry_after_s: int) -> Refusal:
    """The refusal of the counter of that number: 0 for 10 s, 1 for the minute."""
    limit, span = _LIMITS[number], _SPANS[number]
    msg = f"Too many new orders; current limit is {limit} orders per {span}."
    return Refusal(429, -1015, msg, retry_after_s)


@dataclass(slots=True)
class OrderCount:
    """Both counters."""

    used: list[int] = field(default_factory=lambda: [0, 0])
    _windows: list[int] = field(default_factory=lambda: [0, 0])

    def spend(self, orders: tuple[int, int], now_ns: int) -> None:
        """Count orders in, so many on each counter; Refusal -1015 above a limit."""
        self.roll(now_ns)
        for number, (used, more) in enumerate(zip(self.used, orders, strict=True)):
            if used + more > _LIMITS[number]:
                window_ns = _WINDOWS_S[number] * NS_PER_S
                left_ns = window_ns - now_ns % window_ns
                raise too_many_orders(number, -(-left_ns // NS_PER_S))
        self.used = [used + more for used, more in zip(self.used, orders, strict=True)]

    def roll(self, now_ns: int) -> None:
        """Begin anew where a window is over."""
        for number, seconds in enumerate(_WINDOWS_S):
            window = now_ns // (seconds * NS_PER_S)
            if window != self._windows[number]:
                self._windows[number], self.used[number] = window, 0

    def headers(self, now_ns: int) -> dict[str, str]:
        """What a reply tells."""
        self.roll(now_ns)
        return dict(zip(HEADERS, map(str, self.used), strict=True))
