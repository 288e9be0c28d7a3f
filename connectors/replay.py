"""Sources and sinks of a replay."""

from collections.abc import Iterable, Iterator
from itertools import islice

from bytewax.inputs import FixedPartitionedSource, StatefulSourcePartition

from flows.domain.errors import TradingError
from flows.domain.fault import Fault
from flows.domain.frame import RawFrame


class _ReplayPartition(StatefulSourcePartition[RawFrame, None]):
    def __init__(
        self, frames: Iterator[RawFrame], batch_size: int, fault: Fault
    ) -> None:
        self._frames = frames
        self._batch_size = batch_size
        self._fault = fault

    def next_batch(self) -> Iterable[RawFrame]:
        batch: list[RawFrame] = []
        if self._fault.error is None:
            try:
                batch.extend(islice(self._frames, self._batch_size))
            except TradingError as error:  # what was read before it stays in the batch
                self._fault.report(error)
        if not batch:
            raise StopIteration
        return batch

    def snapshot(self) -> None:
        return None


class ReplaySource(FixedPartitionedSource[RawFrame, None]):
    """Frames that are already in one order, in batches.

    One partition, because the account must see one order. Delivery: each frame once a
    run; there is nothing to resume, a run starts again from its first frame. Ends early
    after a fault, once the steps have finished what came before it: so a journal holds
    the same up to there, whatever the batch size.
    """

    def __init__(
        self, frames: Iterator[RawFrame], *, batch_size: int, fault: Fault
    ) -> None:
        self._frames = frames
        self._batch_size = batch_size
        self._fault = fault

    def list_parts(self) -> list[str]:
        """The one partition."""
        return ["frames"]

    def build_part(
        self, step_id: str, for_part: str, resume_state: None
    ) -> StatefulSourcePartition[RawFrame, None]:
        """Start at the first frame."""
        return _ReplayPartition(self._frames, self._batch_size, self._fault)
