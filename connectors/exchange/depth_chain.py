"""One speed of one symbol's depth: underlying events in, messages with own ids out."""

from dataclasses import dataclass

from connectors.exchange.payload import Ids
from flows.domain.book import Book
from flows.domain.event import DepthDelta, Levels


@dataclass(frozen=True, slots=True)
class DepthMessage:
    """What one message of a chain says."""

    ids: Ids
    engine_ns: int
    """Time of the last event in it."""
    events: tuple[DepthDelta, ...]

    def bids(self, book: Book) -> Levels:
        """Changed bids, latest quantity each, ascending by price."""
        return _merged(book, [event.bids for event in self.events])

    def asks(self, book: Book) -> Levels:
        """Changed asks, latest quantity each, ascending by price."""
        return _merged(book, [event.asks for event in self.events])


def _merged(book: Book, parts: list[Levels]) -> Levels:
    if len(parts) == 1:
        return parts[0]
    ticks = book.ticks
    latest = {ticks[level[0]]: level for levels in parts for level in levels}
    return [latest[price] for price in sorted(latest)]


class DepthChain:
    """Gathers events until it is flushed; `pu` is the chain's own previous `u`."""

    def __init__(self, period_ns: int, phase_ns: int, last_id: int) -> None:
        self.period_ns = period_ns
        self._phase_ns = phase_ns
        self._previous_id = last_id
        self._pending: list[DepthDelta] = []

    @property
    def is_pending(self) -> bool:
        """Whether a flush would say anything."""
        return bool(self._pending)

    def add(self, delta: DepthDelta) -> bool:
        """Take an event in; whether it is the first since the last flush."""
        self._pending.append(delta)
        return len(self._pending) == 1

    def next_flush_ns(self, now_ns: int) -> int:
        """The first beat of the chain after `now_ns`; at speed 0, now."""
        if not self.period_ns:
            return now_ns
        beats = (now_ns - self._phase_ns) // self.period_ns + 1
        return beats * self.period_ns + self._phase_ns

    def flush(self) -> DepthMessage | None:
        """The message of everything gathered; None where nothing was."""
        if not self._pending:
            return None
        events, self._pending = tuple(self._pending), []
        last = events[-1]
        first_id = max(events[0].first_id, self._previous_id + 1)
        ids = Ids(first_id, last.last_id, self._previous_id)
        self._previous_id = last.last_id
        return DepthMessage(ids, last.received_ns, events)
