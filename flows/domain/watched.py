"""How long a symbol was watched, and in which zone it then was."""

from flows.domain.imbalance import Zone
from flows.domain.units import NS_PER_S

LONGEST_SILENCE_S = 60
"""A symbol of which nothing is heard for longer was not watched meanwhile.

The thinnest of the recorded markets was silent for 44 s at most, in 34 hours.
"""


class WatchedTime:
    """Counts the time between signs of life, in ns: a pause or a hole counts nothing.

    Time in a zone is that with a true book; what passes between two signs of life too
    far apart belongs to no zone either.
    """

    def __init__(self) -> None:
        self.watched_ns = 0
        self.zone_ns = dict.fromkeys(Zone, 0)
        self._unproven_ns = dict.fromkeys(Zone, 0)
        self._zone: Zone | None = None
        self._since_ns = 0
        self._seen_ns: int | None = None

    @property
    def true_ns(self) -> int:
        """Of the watched time: that with a true book."""
        return sum(self.zone_ns.values())

    def enter(self, zone: Zone | None, now_ns: int) -> None:
        """The zone from now on; None: the book is not true."""
        self._count(now_ns)
        self._zone = zone

    def seen(self, now_ns: int) -> None:
        """A sign of life: proves the time since the last one, unless it is too long."""
        self._count(now_ns)
        seen_ns = now_ns if self._seen_ns is None else self._seen_ns
        if now_ns - seen_ns <= LONGEST_SILENCE_S * NS_PER_S:
            self.watched_ns += now_ns - seen_ns
            for zone, unproven_ns in self._unproven_ns.items():
                self.zone_ns[zone] += unproven_ns
        self._unproven_ns = dict.fromkeys(Zone, 0)
        self._seen_ns = now_ns

    def _count(self, now_ns: int) -> None:
        if self._zone is not None:
            self._unproven_ns[self._zone] += now_ns - self._since_ns
        self._since_ns = now_ns
