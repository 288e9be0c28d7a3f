"""A store of entries in one order, read to its end or followed while it grows."""

from collections.abc import Callable, Iterable, Sequence
from datetime import UTC, datetime, timedelta
from typing import Generic, TypeVar

from bytewax.inputs import (
    AbortExecution,
    FixedPartitionedSource,
    StatefulSourcePartition,
)

from flows.domain.errors import TradingError
from flows.domain.fault import Fault

X = TypeVar("X")

Read = Callable[[], Sequence[X]]
"""What comes next: some of it, or nothing where there is no more for now."""


class _TailPartition(StatefulSourcePartition[X | None, None]):
    def __init__(self, source: "TailSource[X]") -> None:
        self._source = source
        self._is_ended = False
        self._has_news = True
        self._awake: datetime | None = None

    def next_batch(self) -> Iterable[X | None]:
        source = self._source
        if source.fault.error is not None:
            raise AbortExecution
        # asked before reading: what was written before the stop is still read
        is_last_look = source.until is None or source.until()
        entries = self._read()
        if entries:
            self._awake = None
            return entries
        if self._is_ended or is_last_look:
            raise StopIteration
        self._awake = datetime.now(UTC) + source.poll
        if not self._has_news:
            return []
        self._has_news = False
        return [None]

    def _read(self) -> Sequence[X]:
        source = self._source
        if self._is_ended:
            return []
        try:
            entries = source.read()
        except TradingError as error:
            source.fault.report(error)
            raise AbortExecution from None
        if entries:
            self._has_news = True
            self._is_ended = source.is_end(entries[-1])
        return entries

    def next_awake(self) -> datetime | None:
        return self._awake

    def snapshot(self) -> None:
        return None


class TailSource(FixedPartitionedSource[X | None, None], Generic[X]):
    """Entries as `read` gives them.

    Ends after the entry that `is_end`, or once all is read: at once where `until` is
    None, else when `until()` has become true. Followed, it emits None each time it has
    caught up. One partition, because the entries have one order. Delivery: each entry
    once a run of the flow; where to resume is the sink's knowledge, and `read` begins
    there.
    """

    def __init__(
        self,
        read: Read[X],
        is_end: Callable[[X], bool],
        fault: Fault,
        *,
        until: Callable[[], bool] | None = None,
        poll: timedelta = timedelta(seconds=1),
    ) -> None:
        self.read = read
        self.is_end = is_end
        self.fault = fault
        self.until = until
        self.poll = poll

    def list_parts(self) -> list[str]:
        """The one partition."""
        return ["entries"]

    def build_part(
        self, step_id: str, for_part: str, resume_state: None
    ) -> StatefulSourcePartition[X | None, None]:
        """Start with what `read` gives first."""
        return _TailPartition(self)
