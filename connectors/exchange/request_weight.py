"""The weight of REST requests an address may spend in a minute, and what follows.

Over the limit: 429 until the minute is over. Who goes on regardless is banned (418),
for two minutes at first, twice as long each time, at most three days.
"""

from dataclasses import dataclass

from flows.domain.units import NS_PER_S

WEIGHT_PER_MINUTE = 2_400
IGNORED_UNTIL_BAN = 5
"""Requests after a 429 and before its end that are only answered by another one."""

FIRST_BAN_S = 120
LONGEST_BAN_S = 3 * 86_400
LIMITED = 429
BANNED = 418
_MINUTE_NS = 60 * NS_PER_S


@dataclass(frozen=True, slots=True)
class Refused:
    """A request that is not let through."""

    status: int
    """429 or 418."""
    retry_after_s: int
    until_ms: int


class RequestWeight:
    """The weight used by one address, whose minutes begin with the clock's."""

    def __init__(self) -> None:
        self.used = 0
        self._minute = 0
        self._ignored = 0
        self._bans = 0
        self._banned_until_ns = 0

    def spend(self, weight: int, now_ns: int) -> Refused | None:
        """Count a request in; what refuses it, if anything does."""
        if now_ns < self._banned_until_ns:
            return _refused(BANNED, self._banned_until_ns, now_ns)
        minute = now_ns // _MINUTE_NS
        if minute != self._minute:
            self._minute, self.used, self._ignored = minute, 0, 0
        self.used += weight
        if self.used <= WEIGHT_PER_MINUTE:
            return None
        self._ignored += 1
        if self._ignored > IGNORED_UNTIL_BAN:
            return self.ban(now_ns)
        return _refused(LIMITED, (minute + 1) * _MINUTE_NS, now_ns)

    def ban(self, now_ns: int) -> Refused:
        """Let nothing through for a while."""
        seconds = min(FIRST_BAN_S << self._bans, LONGEST_BAN_S)
        self._bans += 1
        self._ignored = 0
        self._banned_until_ns = now_ns + seconds * NS_PER_S
        return _refused(BANNED, self._banned_until_ns, now_ns)


def _refused(status: int, until_ns: int, now_ns: int) -> Refused:
    retry_after_s = -(-(until_ns - now_ns) // NS_PER_S)
    return Refused(status, retry_after_s, until_ns // 1_000_000)
