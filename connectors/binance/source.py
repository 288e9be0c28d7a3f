"""The live source of raw frames: recorded first, then handed to the flow."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Protocol

from bytewax.inputs import FixedPartitionedSource, StatefulSourcePartition

from connectors.binance.feed import MarketFeed
from connectors.binance.transport import Transport
from flows.domain.errors import TradingError
from flows.domain.event import Verb
from flows.domain.fault import Fault
from flows.domain.frame import RawFrame
from flows.domain.units import NS_PER_MS, NS_PER_S

COMMAND_STREAM = "@command"
FLATTEN_WITHIN_NS = 1_200 * NS_PER_MS
"""How long a stop waits for positions to be closed; what remains is journalled."""
_LATE_NS = 1_250 * NS_PER_MS


class FrameRecorder(Protocol):
    """Keeps every frame before anything is decided on it."""

    @property
    def error(self) -> TradingError | None:
        """Why it can keep no more."""

    @property
    def segment(self) -> int:
        """Number of the segment being written; a new one wants fresh snapshots."""

    def record(self, frames: Sequence[RawFrame]) -> None:
        """Take frames, in order; never waits."""


class Stop:
    """A request to end, made by a signal handler or a time limit."""

    def __init__(self) -> None:
        self.reason = ""
        self.is_told = False
        """Whether the account hears of it by a frame that is on its way already."""

    def request(self, reason: str, *, is_told: bool = False) -> None:
        """Ask for the end; the first reason stands."""
        if not self.reason:
            self.reason, self.is_told = reason, is_told


@dataclass(frozen=True)
class Live:
    """What a live run shares with its source."""

    clock: Callable[[], int]
    feed: MarketFeed
    transport: Transport
    recorder: FrameRecorder | None
    stop: Stop
    is_flat: Callable[[], bool]
    on_second: Callable[[int], None]
    on_poll: Callable[[int], None]
    """Told the time before each poll; frames it tells of come first in the batch."""


class _LivePartition(StatefulSourcePartition[RawFrame, None]):
    def __init__(self, live: Live, fault: Fault) -> None:
        self._live = live
        self._fault = fault
        self._segment = live.recorder.segment if live.recorder else 0
        self._end_ns: int | None = None
        self._second_ns = 0

    def next_batch(self) -> Iterable[RawFrame]:
        live = self._live
        if self._fault.error is not None or self._is_over():
            raise StopIteration
        live.on_poll(live.clock())
        frames = live.transport.poll()
        recorder = live.recorder
        if recorder is not None and frames:
            recorder.record(frames)
            self._watch(recorder)
        self._tell_time(is_idle=not frames)
        return frames

    def snapshot(self) -> None:
        return None

    def _watch(self, recorder: FrameRecorder) -> None:
        if recorder.error is not None:
            self._live.stop.request(str(recorder.error))
        if recorder.segment != self._segment:
            self._segment = recorder.segment
            self._live.feed.begin_segment(self._live.clock())

    def _is_over(self) -> bool:
        """Whether a requested stop is done: flat, or long enough tried."""
        live = self._live
        if not live.stop.reason:
            return False
        now_ns = live.clock()
        if self._end_ns is None:
            self._end_ns = now_ns + FLATTEN_WITHIN_NS
            if not live.stop.is_told:
                command = {"verb": Verb.STOP, "reason": live.stop.reason}
                live.feed.outbox.tell(COMMAND_STREAM, command, now_ns)
            return False
        return live.is_flat() or now_ns >= self._end_ns

    def _tell_time(self, *, is_idle: bool) -> None:
        """About once a second, and best while no frame waits for it to be done."""
        now_ns = self._live.clock()
        if now_ns - self._second_ns >= (NS_PER_S if is_idle else _LATE_NS):
            self._second_ns = now_ns
            self._live.on_second(now_ns)


class LiveSource(FixedPartitionedSource[RawFrame, None]):
    """Frames of the live market in their one order.

    One partition, because the account must see one order. Delivery: each frame at most
    once; what arrives while the process is down is bridged over by new snapshots. A
    stop is told to the account as a `@command` frame; the source ends when the account
    is flat, or after FLATTEN_WITHIN_NS.
    """

    def __init__(self, live: Live, fault: Fault) -> None:
        self._live = live
        self._fault = fault

    def list_parts(self) -> list[str]:
        """The one partition."""
        return ["frames"]

    def build_part(
        self, step_id: str, for_part: str, resume_state: None
    ) -> StatefulSourcePartition[RawFrame, None]:
        """Start with what happens now."""
        return _LivePartition(self._live, self._fault)
