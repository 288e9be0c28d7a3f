"""Orders leave in the step that has journalled them: commit, then send."""

from collections.abc import Callable, Sequence

from connectors.binance.execution_feed import ExecutionFeed
from connectors.binance.source import Live
from connectors.journal import EntryStore
from connectors.latency import OrderLatency
from flows.domain.order import Withdrawn
from flows.domain.risk import Approved
from flows.domain.run import JournalEntry


def sending(live: Live, journal: EntryStore, latency: OrderLatency) -> EntryStore:
    """A journal from which orders leave, where the run's orders leave at all."""
    execution = live.feed.execution
    if execution is None:
        return journal
    return SendingJournal(journal, execution, live.transport.push, live.clock, latency)


class SendingJournal:
    """A journal; what it holds of orders is sent at once, and what it lacks never."""

    def __init__(
        self,
        journal: EntryStore,
        execution: ExecutionFeed,
        push: Callable[[], None],
        clock: Callable[[], int],
        latency: OrderLatency,
    ) -> None:
        self._journal = journal
        self._execution = execution
        self._push = push
        self._clock = clock
        self._latency = latency

    def append(self, entries: Sequence[JournalEntry]) -> None:
        """Commit entries, then send their orders. Raises StoreError."""
        decided_ns = self._clock()
        self._journal.append(entries)
        is_due = False
        received_ns: list[int] = []
        for entry in entries:
            match entry.fact:
                case Approved(order=order):
                    self._execution.place(order, self._clock())
                    received_ns.append(order.received_ns)
                case Withdrawn(client_order_id=name):
                    self._execution.cancel(name, self._clock())
                case _:
                    continue
            is_due = True
        if is_due:
            self._push()
            now_ns = self._clock()
            for frame_ns in received_ns:
                self._latency.placed.add(now_ns - decided_ns)
                self._latency.sent.add(now_ns - frame_ns)
