"""All books of a run, by symbol."""

from collections.abc import Callable, Sequence
from typing import Any

from flows.domain.event import (
    AccountOpening,
    BookTicker,
    ClockTick,
    Command,
    DepthAlarm,
    DepthDelta,
    DepthSnapshot,
    Event,
    ExecutionTold,
    InstrumentsTold,
    MarketTrade,
    OtherFrame,
    VenueStatus,
)
from flows.domain.symbol_book import BookOutput, SymbolBook

PassedOn = (
    ClockTick | Command | VenueStatus | InstrumentsTold | AccountOpening | ExecutionTold
)
"""Events that concern the account and cross the books unchanged."""


class Books:
    """Routes each event to its symbol's book.

    `unused` counts frames of streams that nothing here reads, by stream kind;
    `unknown` those whose kind is not even known.
    """

    def __init__(self, *, depth: int, stale_after_ms: int) -> None:
        self.by_symbol: dict[str, SymbolBook] = {}
        self.unused: dict[str, int] = {}
        self.unknown: dict[str, int] = {}
        self.trades: dict[str, int] = {}
        self.tickers = 0
        self._depth = depth
        self._stale_after_ms = stale_after_ms
        self._handlers: dict[type, Callable[[Any], Sequence[BookOutput | PassedOn]]] = {
            DepthAlarm: self._on_alarm,
            DepthDelta: self._on_delta,
            DepthSnapshot: self._on_snapshot,
            BookTicker: self._on_ticker,
            MarketTrade: self._on_trade,
            OtherFrame: self._on_other,
            ClockTick: self._on_tick,
            Command: lambda command: (command,),
            VenueStatus: lambda status: (status,),
            InstrumentsTold: lambda told: (told,),
            AccountOpening: lambda opening: (opening,),
            ExecutionTold: lambda told: (told,),
        }

    def apply(self, event: Event) -> Sequence[BookOutput | PassedOn]:
        """What downstream must know of one event, in order.

        Raises ValueError on a malformed number and MarketDataError where one symbol
        comes from two markets.
        """
        return self._handlers[type(event)](event)

    def messages(self) -> dict[str, int]:
        """Streamed messages so far, by stream kind."""
        counts = [book.counts for book in self.by_symbol.values()]
        return {
            "depth": sum(one.depth_events + one.other_speed for one in counts),
            "bookTicker": self.tickers,
            "trade": sum(self.trades.values()),
            **self.unused,
            **self.unknown,
        }

    def _on_delta(self, event: DepthDelta) -> list[BookOutput]:
        return self._book(event.symbol).on_delta(event)

    def _on_snapshot(self, event: DepthSnapshot) -> list[BookOutput]:
        return self._book(event.symbol).on_snapshot(event)

    def _on_ticker(self, event: BookTicker) -> list[BookOutput]:
        self.tickers += 1
        return self._book(event.symbol).on_ticker(event)

    def _on_trade(self, event: MarketTrade) -> list[BookOutput]:
        self.trades[event.symbol] = self.trades.get(event.symbol, 0) + 1
        return self._book(event.symbol).on_other(event.received_ns)

    def _book(self, symbol: str) -> SymbolBook:
        book = self.by_symbol.get(symbol)
        if book is None:
            book = self.by_symbol[symbol] = SymbolBook(
                symbol, depth=self._depth, stale_after_ms=self._stale_after_ms
            )
        return book

    def _on_other(self, event: OtherFrame) -> list[BookOutput]:
        counts = self.unused if event.is_known else self.unknown
        counts[event.stream_kind] = counts.get(event.stream_kind, 0) + 1
        book = self.by_symbol.get(event.symbol)
        return book.on_other(event.received_ns) if book else []

    def _on_alarm(self, alarm: DepthAlarm) -> list[BookOutput]:
        changes: list[BookOutput] = []
        for symbol in alarm.symbols:
            book = self._book(symbol)
            changes += book.on_alarm(alarm.received_ns, must_bridge=alarm.must_bridge)
        return changes

    def _on_tick(self, tick: ClockTick) -> list[BookOutput | PassedOn]:
        changes: list[BookOutput | PassedOn] = []
        for book in self.by_symbol.values():
            changes += book.on_time(tick.received_ns)
        return [*changes, tick]
