"""The speed benchmark: every contender on the same bytes, interleaved in one run.

A *message* is a depth event. Figures are microseconds per message, from payload bytes
in memory. The contenders take turns, segment by segment, so that a machine that slows
down slows all of them alike:

- *naive book*: what most bots start from: `json.loads`, a dict of Decimal, and
  `sorted(items)[:5]` of each side after each event;
- *reference book*: payload to sequence rules to book to top five levels;
- *reference path*: all frames through the whole trading dataflow in batches of 256,
  with journal and bookTicker check.
"""

import json
import tempfile
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from decimal import Decimal
from pathlib import Path

from connectors.binance.wire import decode
from connectors.journal import Journal, JournalSink
from connectors.replay import ReplaySource
from flows.domain.books import Books
from flows.domain.errors import ConfigurationError, MalformedFrame, MarketDataError
from flows.domain.fault import Fault
from flows.domain.frame import RawFrame
from flows.domain.instrument import Instruments
from flows.domain.run import RunStarted
from flows.run import run
from flows.settings import Settings
from flows.trading import build_engine, build_trading_flow

SEGMENTS = 16
DEPTH = 5
RUN_ID = "benchmark"

Figures = dict[str, float | int | None]
OnSegment = Callable[[int], None]


class Stopwatch:
    """Sums the time spent in one contender."""

    def __init__(self) -> None:
        self.elapsed_ns = 0

    def __enter__(self) -> None:
        """Start."""
        self._started_ns = time.perf_counter_ns()

    def __exit__(self, *_: object) -> None:
        """Stop and add."""
        self.elapsed_ns += time.perf_counter_ns() - self._started_ns


class NaiveBooks:
    """The pattern to beat: exact, and sorted anew on every event."""

    def __init__(self) -> None:
        self._sides: dict[str, tuple[dict[Decimal, Decimal], ...]] = {}

    def apply(self, frame: RawFrame) -> list[tuple[Decimal, Decimal]]:
        """Apply a depth event or snapshot; the top five of both sides."""
        message = json.loads(frame.payload)
        symbol = frame.stream.partition("@")[0]
        if "bids" in message:
            self._sides[symbol] = ({}, {})
        bids, asks = self._sides.setdefault(symbol, ({}, {}))
        for side, short, long in ((bids, "b", "bids"), (asks, "a", "asks")):
            for price, quantity in message.get(short) or message.get(long) or ():
                if Decimal(quantity):
                    side[Decimal(price)] = Decimal(quantity)
                else:
                    side.pop(Decimal(price), None)
        best_bids = sorted(bids.items(), reverse=True)[:DEPTH]
        return best_bids + sorted(asks.items())[:DEPTH]


class _Contest:
    """Runs the book contenders on each segment before the path gets it."""

    def __init__(self, frames: Sequence[RawFrame], on_segment: OnSegment) -> None:
        self._frames = frames
        self._on_segment = on_segment
        self._naive_books = NaiveBooks()
        self._books = Books(depth=DEPTH, stale_after_ms=3_000)
        self.naive, self.reference = Stopwatch(), Stopwatch()

    def frames(self) -> Iterator[RawFrame]:
        size = -(-len(self._frames) // SEGMENTS)
        for first in range(0, len(self._frames), size):
            segment = self._frames[first : first + size]
            self._compete([frame for frame in segment if is_depth(frame)])
            self._on_segment(len(segment))
            yield from segment

    def _compete(self, depth: Sequence[RawFrame]) -> None:
        with self.naive:
            for frame in depth:
                self._naive_books.apply(frame)
        with self.reference:
            for frame in depth:
                self._books.apply(decode(frame))


def is_depth(frame: RawFrame) -> bool:
    """Whether the frame is a diff depth event or a snapshot."""
    return _kind(frame) in ("depth", "snapshot")


def _kind(frame: RawFrame) -> str:
    return frame.stream.partition("@")[2].partition("@")[0]


def measure(frames: Sequence[RawFrame], on_segment: OnSegment) -> Figures:
    """The figures over `frames`.

    Raises ConfigurationError without a depth event, and MarketDataError where the
    frames could not be replayed either.
    """
    depth = [frame for frame in frames if _kind(frame) == "depth"]
    if not depth:
        msg = "The recording has no depth event to measure"
        raise ConfigurationError(msg)
    _check(frames)
    contest = _Contest(frames, on_segment)
    path = Stopwatch()
    with tempfile.TemporaryDirectory(prefix="mft-bench-") as directory, path:
        _run_path(contest.frames(), Path(directory) / "journal.sqlite")
    others_ns = contest.naive.elapsed_ns + contest.reference.elapsed_ns
    messages = len(depth)
    naive_us = _us(contest.naive.elapsed_ns, messages)
    book_us = _us(contest.reference.elapsed_ns, messages)
    path_us = _us(path.elapsed_ns - others_ns, messages)
    return {
        "naive_book_us": naive_us,
        "reference_book_us": book_us,
        "native_book_us": None,
        "reference_path_us": path_us,
        "native_path_us": None,
        "naive_over_reference_book": round(naive_us / book_us, 1),
        "naive_over_reference_path": round(naive_us / path_us, 1),
        "messages": messages,
        "frames": len(frames),
        "levels_per_message": round(sum(map(_levels, depth)) / messages, 1),
    }


def _check(frames: Iterable[RawFrame]) -> None:
    """Take every frame once, because a contender on the clock gives no reasons."""
    books = Books(depth=DEPTH, stale_after_ms=3_000)
    for frame in frames:
        try:
            books.apply(decode(frame))
        except MalformedFrame:
            raise
        except (ValueError, MarketDataError) as error:
            msg = f"{frame.place}: {error}"
            raise MarketDataError(msg) from error


def _run_path(frames: Iterator[RawFrame], journal_path: Path) -> None:
    settings, fault = Settings(), Fault()
    started = RunStarted(
        received_ns=0,
        symbol="",
        run_id=RUN_ID,
        mode="replay",
        inputs={},
        settings=settings.as_text(),
    )
    engine = build_engine(settings, started, Instruments())
    journal = Journal(journal_path, RUN_ID)
    try:
        source = ReplaySource(frames, batch_size=settings.batch_size, fault=fault)
        sink = JournalSink(journal, fault)
        run(build_trading_flow(source, decode, engine, sink, fault), fault)
    finally:
        journal.close()


def _us(elapsed_ns: int, messages: int) -> float:
    return round(elapsed_ns / messages / 1_000, 2)


def _levels(frame: RawFrame) -> int:
    message = json.loads(frame.payload)
    return len(message["b"]) + len(message["a"])
