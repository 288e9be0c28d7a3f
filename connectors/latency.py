"""How long frames take to their decision: a histogram, and the sink that fills it."""

from collections.abc import Callable, Sequence
from itertools import accumulate
from typing import Any

from bytewax.outputs import DynamicSink, StatelessSinkPartition

from flows.domain.imbalance import Imbalance

_STEPS_BITS = 4
_STEPS = 1 << _STEPS_BITS


class Latency:
    """Counts durations in ns, in buckets at most a sixteenth wide; never grows."""

    def __init__(self) -> None:
        self.count = 0
        self.total_ns = 0
        self.highest_ns = 0
        self._buckets = [0] * (64 * _STEPS)

    def add(self, duration_ns: int) -> None:
        """Count one duration; a negative one (the clock was set) counts as 0."""
        duration_ns = max(duration_ns, 0)
        self.count += 1
        self.total_ns += duration_ns
        self.highest_ns = max(self.highest_ns, duration_ns)
        self._buckets[_bucket(duration_ns)] += 1

    def quantile_ns(self, per_mille: int) -> int:
        """The least bucket bound that `per_mille` of all durations do not exceed."""
        wanted = -(-self.count * per_mille // 1_000)
        seen = 0
        for bucket, count in enumerate(self._buckets):
            seen += count
            if count and seen >= wanted:
                return min(_upper_bound(bucket), self.highest_ns)
        return 0

    def below(self, bounds_ns: Sequence[int]) -> list[int]:
        """How many durations were less than each bound.

        Exactly where a bound begins a bucket, as `n * 2 ** power` for n of 16 to 31
        does; elsewhere less than the bound of its bucket.
        """
        seen = list(accumulate(self._buckets, initial=0))
        return [seen[_bucket(bound)] for bound in bounds_ns]


class OrderLatency:
    """How long orders take."""

    def __init__(self) -> None:
        self.placed = Latency()
        """From the decision to the request on its socket, the commit included."""
        self.sent = Latency()
        """The same from the receipt of the frame that was decided on."""
        self.acked = Latency()
        """From that frame to the exchange's answer."""


def _bucket(value: int) -> int:
    shift = max(value.bit_length() - _STEPS_BITS - 1, 0)
    return (shift << _STEPS_BITS) + (value >> shift)


def _upper_bound(bucket: int) -> int:
    shift = max((bucket >> _STEPS_BITS) - 1, 0)
    return ((bucket - (shift << _STEPS_BITS) + 1) << shift) - 1


class _LatencyPartition(StatelessSinkPartition[Any]):
    def __init__(self, latency: Latency, clock: Callable[[], int]) -> None:
        self._latency = latency
        self._clock = clock

    def write_batch(self, items: list[Any]) -> None:
        now_ns, latency = self._clock(), self._latency
        for item in items:
            if isinstance(item, Imbalance):
                latency.add(now_ns - item.view.received_ns)


class LatencySink(DynamicSink[Any]):
    """Counts, for each view, the time since its frame was received.

    Wired behind the journal, it measures the whole way to a journalled decision. It
    writes nothing and guarantees nothing; one partition a worker.
    """

    def __init__(self, latency: Latency, clock: Callable[[], int]) -> None:
        self._latency = latency
        self._clock = clock

    def build(
        self, step_id: str, worker_index: int, worker_count: int
    ) -> StatelessSinkPartition[Any]:
        """Count into the one histogram."""
        return _LatencyPartition(self._latency, self._clock)
