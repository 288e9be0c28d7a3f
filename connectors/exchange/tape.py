"""The tape: what happened in the market, in order, for the exchange to play.

A tape is an iterator of events in non-decreasing time. Depth events carry every change
of a book; a snapshot on the tape means "from here on the book is this one", which is
how a recording starts over and how it leaves a gap of its own behind.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from fractions import Fraction
from typing import Protocol

from connectors.exchange.listing import Listed
from flows.domain.event import BookTicker, DepthDelta, DepthSnapshot, MarketTrade

TapeEvent = DepthDelta | DepthSnapshot | BookTicker | MarketTrade
"""`received_ns` is the venue's time; `previous_id` and `stream` mean nothing here."""


@dataclass(frozen=True, slots=True)
class Opening:
    """One symbol as the exchange opens: its rules and its whole book."""

    listed: Listed
    book: DepthSnapshot


class Tape(Protocol):
    """Where the venue's market comes from."""

    @property
    def openings(self) -> Mapping[str, Opening]:
        """Every symbol played, with its book before the first event."""

    def __iter__(self) -> Iterator[TapeEvent]:
        """The events; a tape is played once."""


class Tempo:
    """Maps the time of a source to the venue's, `speed` times as fast."""

    def __init__(self, start_ns: int, speed: Fraction = Fraction(1)) -> None:
        self._start_ns = start_ns
        self._speed = speed
        self._first_ns: int | None = None
        self._last_ns = start_ns

    def at(self, source_ns: int) -> int:
        """The venue's time of a moment of the source; the first asked is the start."""
        if self._first_ns is None:
            self._first_ns = source_ns
        elapsed_ns = source_ns - self._first_ns
        venue_ns = self._start_ns + elapsed_ns * self._speed.denominator // (
            self._speed.numerator
        )
        self._last_ns = max(self._last_ns, venue_ns)
        return self._last_ns

    def start_over(self, pause_ns: int) -> int:
        """Let the source begin again, `pause_ns` after its last moment; that time."""
        self._start_ns = self._last_ns = self._last_ns + pause_ns
        self._first_ns = None
        return self._start_ns
