"""One silence alarm per stream: an open connection proves nothing about its streams."""

from collections.abc import Iterable, Sequence

from flows.domain.units import NS_PER_S

_PATIENCE_NS = {
    "depth": 5 * NS_PER_S,
    "bookTicker": 30 * NS_PER_S,
    "markPrice": 15 * NS_PER_S,
    "aggTrade": 300 * NS_PER_S,
}
"""How long a stream may be silent before it is subscribed to anew, by kind; doubled
with each attempt. A kind that is not named may be silent for ever."""

_LONGEST_PATIENCE_NS = 600 * NS_PER_S
HOPELESS = 3
"""Attempts in vain after which the connection itself is suspected."""


class SilenceWatch:
    """Remembers when each stream of a connection was last heard."""

    def __init__(self, names: Iterable[str], stale_after_ns: int) -> None:
        self.heard: dict[str, int] = {}
        """Time of each stream's last frame; hot code writes it directly."""
        self._stale_after_ns = stale_after_ns
        self._patience = {
            name: _PATIENCE_NS[kind]
            for name in names
            if (kind := name.split("@")[1] if "@" in name else "") in _PATIENCE_NS
        }
        self._asked: dict[str, int] = {}
        self._attempts: dict[str, int] = {}
        self._stale: set[str] = set()

    def subscribed(self, names: Iterable[str], now_ns: int) -> None:
        """Streams have just been asked for: their patience begins."""
        for name in names:
            self._asked[name] = now_ns

    def is_silent(self, name: str, now_ns: int) -> bool:
        """Whether a stream was not heard for the time that makes a book stale."""
        return now_ns - self.heard.get(name, 0) > self._stale_after_ns

    def newly_stale(self, now_ns: int) -> list[str]:
        """Depth streams that have fallen silent since the last call."""
        stale = {
            name
            for name in self.heard
            if is_depth(name) and self.is_silent(name, now_ns)
        }
        fallen = [name for name in self.heard if name in stale - self._stale]
        self._stale = stale
        return fallen

    def lost(self) -> list[str]:
        """The connection has ended: depth streams that were not known as silent."""
        heard = [name for name in self.heard if is_depth(name)]
        fallen = [name for name in heard if name not in self._stale]
        for name in heard:
            self.heard[name] = 0
        self._stale = set(heard)
        return fallen

    def due_again(self, now_ns: int) -> list[str]:
        """Streams to be subscribed to anew; counts the attempt."""
        return [name for name in self._patience if self._is_due(name, now_ns)]

    def is_hopeless(self, names: Sequence[str]) -> bool:
        """Whether one of `names` has just come to the attempt that is one too many."""
        return any(self._attempts.get(name) == HOPELESS for name in names)

    def _is_due(self, name: str, now_ns: int) -> bool:
        asked_ns = self._asked.get(name)
        if asked_ns is None:
            return False
        heard_ns = self.heard.get(name, 0)
        if heard_ns > asked_ns:
            self._attempts[name] = 0
        attempts = self._attempts.get(name, 0)
        patience_ns = min(self._patience[name] << attempts, _LONGEST_PATIENCE_NS)
        if now_ns - max(heard_ns, asked_ns) < patience_ns:
            return False
        self._attempts[name] = attempts + 1
        self._asked[name] = now_ns
        return True


def is_depth(name: str) -> bool:
    """Whether a stream carries depth events."""
    return "@depth" in name


def symbols_of(names: Iterable[str]) -> list[str]:
    """The symbols of streams, each once."""
    return list(dict.fromkeys(name.partition("@")[0].upper() for name in names))
