"""`mft record`: the live market into recordings, its books watched on the way.

    frames -> books -> counts

The books are there to know when the recording needs a new snapshot, and to say how true
it is; nothing is traded.
"""

from collections import Counter
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass
from typing import Protocol

import bytewax.operators as op
import structlog
from bytewax.dataflow import Dataflow
from bytewax.inputs import Source
from bytewax.outputs import Sink

from connectors.binance.source import FrameRecorder, LiveSource
from connectors.binance.wire import decode
from connectors.latency import Latency, LatencySink
from flows.domain.books import Books
from flows.domain.fault import Fault
from flows.domain.frame import RawFrame
from flows.live import MarketJob, listed_instruments, open_market
from flows.operators.books import MarketUpdate, books
from flows.run import run
from flows.settings import Settings

_log = structlog.get_logger()


@dataclass(frozen=True)
class Recorded:
    """What a recording holds so far."""

    now_ns: int
    books: dict[str, int]
    """Symbols by book state."""
    depth_events: int
    gaps: int


class ClosingRecorder(FrameRecorder, Protocol):
    """A recorder that the flow ends."""

    def close(self) -> None:
        """Put everything where it belongs."""


def build_record_flow(
    source: Source[RawFrame], state: Books, sink: Sink[MarketUpdate], fault: Fault
) -> Dataflow:
    """Wire the flow."""
    flow = Dataflow("record")
    frames = op.input("frames", flow, source)
    op.output("counts", books("books", frames, decode, state, fault), sink)
    return flow


def record(
    job: MarketJob,
    settings: Settings,
    open_recorder: Callable[[], ClosingRecorder],
    on_status: Callable[[Recorded], None] = lambda _status: None,
) -> Recorded:
    """Record until told to stop, and close the recorder; what was recorded.

    It is opened once the symbols are known to be listed. Raises the TradingError that
    ended it early.
    """
    with ExitStack() as stack:
        instruments = listed_instruments(job)
        recorder = open_recorder()
        stack.callback(recorder.close)
        state = Books(
            depth=settings.imbalance_depth, stale_after_ms=settings.stale_after_ms
        )
        live = open_market(
            job,
            settings,
            instruments,
            state,
            recorder=recorder,
            on_second=lambda now_ns: on_status(_recorded(now_ns, state)),
        )
        stack.callback(live.transport.close)
        fault = Fault()
        counts = LatencySink(Latency(), live.clock)
        flow = build_record_flow(LiveSource(live, fault), state, counts, fault)
        _log.info("record_started", symbols=job.symbols)
        run(flow, fault, on_signal=lambda number: live.stop.request(f"signal {number}"))
    if recorder.error is not None:
        raise recorder.error
    _log.info("record_ended", reason=live.stop.reason)
    return _recorded(live.clock(), state)


def _recorded(now_ns: int, state: Books) -> Recorded:
    books = state.by_symbol.values()
    return Recorded(
        now_ns=now_ns,
        books=dict(Counter(book.state.value for book in books)),
        depth_events=sum(book.counts.depth_events for book in books),
        gaps=sum(book.counts.gaps for book in books),
    )
