"""Recorded frames to rows: the views that they bring about, the trades that they are.

A replay numbers the views of a run from 0. A live recording may lose its oldest part at
any time, so there a frame is the unit: its number is its line, and the `sequence` of a
row is its receive time, or one more than the sequence before where a snapshot releases
several views at once.
"""

from collections.abc import Callable, Iterator, Sequence

from connectors.clickhouse import TableRow, trade_row, view_row
from flows.domain.books import Books
from flows.domain.event import Event
from flows.domain.frame import RawFrame
from flows.domain.imbalance import ImbalanceRule
from flows.domain.view import BookView
from flows.operators.books import updates_of


class MarketRows:
    """The rows of frames in their order, with the books that they need."""

    def __init__(
        self, decode: Callable[[RawFrame], Event], books: Books, rule: ImbalanceRule
    ) -> None:
        self._decode = decode
        self._books = books
        self._rule = rule
        self._sequence = 0

    def rows(self, run_id: str, frame: RawFrame) -> Iterator[TableRow]:
        """The rows of one frame, whose run is `run_id`. Raises MarketDataError."""
        for update in updates_of([frame], self._decode, self._books):
            if isinstance(update, BookView):
                self._sequence = self._sequence_after(frame)
                yield view_row(run_id, self._sequence, self._rule.judge(update))
        sequence = self._sequence_after(frame)
        trade = trade_row(run_id, sequence, frame, self._decode)
        if trade is not None:
            self._sequence = sequence
            yield trade

    @property
    def waiting(self) -> list[str]:
        """Symbols with depth events of which no book has come about yet."""
        return [
            symbol
            for symbol, book in self._books.by_symbol.items()
            if book.counts.depth_events and book.last_view is None
        ]

    def forget(self, symbols: Sequence[str]) -> None:
        """Begin the books of these symbols anew."""
        for symbol in symbols:
            del self._books.by_symbol[symbol]

    def _sequence_after(self, frame: RawFrame) -> int:
        return max(self._sequence + 1, frame.received_ns)
