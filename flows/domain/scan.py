"""What an instrument's market is like, for somebody who is about to trade it.

Once a second of engine time every book that is true is measured: spread, depth, what
the order of the settings would cost there and back. Zones, signals and updates are
counted as they come. Medians are of those seconds. Nothing here predicts a price.
"""

import decimal
from collections.abc import Iterator, Sequence
from decimal import Decimal

import msgspec

from flows.domain.books import Books, PassedOn
from flows.domain.event import ClockTick, Event, MarketEvent
from flows.domain.evidence import break_even_win_rate
from flows.domain.imbalance import ImbalanceRule, Zone
from flows.domain.instrument import Instrument, Instruments
from flows.domain.signal import ZoneTracker
from flows.domain.suitability import Scanned, ScanTerms, judge
from flows.domain.symbol_book import (
    BookOutput,
    BookState,
    BookStateChanged,
    SymbolBook,
)
from flows.domain.symbol_scan import SymbolScan
from flows.domain.units import BPS, NS_PER_S
from flows.domain.view import BookView

_NS_PER_HOUR = 3_600 * NS_PER_S
_STEP = Decimal("0.00001")
_ESTIMATE = decimal.Context(prec=28)
"""For people, not for decisions; whatever context the caller runs under."""


class Scanner:
    """Measures every symbol of a market."""

    def __init__(
        self,
        books: Books,
        rule: ImbalanceRule,
        terms: ScanTerms,
        instruments: Instruments,
        *,
        is_live: bool = False,
    ) -> None:
        """Of a live market the clock, too, proves that it is watched."""
        self._books = books
        self._is_live = is_live
        self._rule = rule
        self._terms = terms
        self._instruments = instruments
        self._tracker = ZoneTracker()
        self._scans: dict[str, SymbolScan] = {}
        self._first_ns: int | None = None
        self.now_ns = 0
        """Time of the last event."""

    def apply(self, event: Event) -> Sequence[BookOutput | PassedOn]:
        """Measure, then what `Books.apply` gives and raises."""
        now_ns = event.received_ns
        if self._first_ns is None:
            self._first_ns = self.now_ns = now_ns
        if self._whole_seconds(now_ns) > self._whole_seconds(self.now_ns):
            self._sample_all()
        self.now_ns = max(self.now_ns, now_ns)
        updates = self._books.apply(event)
        for update in updates:
            if isinstance(update, BookView):
                self._on_view(update)
            elif isinstance(update, BookStateChanged):
                self._tracker.on_state(update)
                self._scan(update.symbol).time.enter(None, update.received_ns)
        self._on_life(event)
        return updates

    def results(self) -> Iterator[Scanned]:
        """What was measured until now, by symbol."""
        for symbol, book in sorted(self._books.by_symbol.items()):
            with decimal.localcontext(_ESTIMATE):
                yield self._result(symbol, book, self._scan(symbol))

    def _on_life(self, event: Event) -> None:
        if isinstance(event, ClockTick) and self._is_live:
            for scan in self._scans.values():
                scan.time.seen(event.received_ns)
        elif isinstance(event, MarketEvent) and event.symbol in self._books.by_symbol:
            self._scan(event.symbol).time.seen(event.received_ns)

    def _whole_seconds(self, now_ns: int) -> int:
        return max(now_ns - (self._first_ns or 0), 0) // NS_PER_S

    def _scan(self, symbol: str) -> SymbolScan:
        scan = self._scans.get(symbol)
        if scan is None:
            scan = self._scans[symbol] = SymbolScan(self._terms)
        return scan

    def _sample_all(self) -> None:
        second = self._whole_seconds(self.now_ns)
        with decimal.localcontext(_ESTIMATE):
            for symbol, book in self._books.by_symbol.items():
                if book.state is BookState.SYNCED:
                    instrument = self._instrument(symbol, book)
                    self._scan(symbol).sample(book, instrument, second)

    def _instrument(self, symbol: str, found: SymbolBook) -> Instrument:
        decimals = found.book.price_decimals, found.book.quantity_decimals
        return self._instruments.find(symbol, *decimals)

    def _on_view(self, view: BookView) -> None:
        imbalance = self._rule.judge(view)
        scan = self._scan(view.symbol)
        scan.time.enter(imbalance.zone, view.received_ns)
        scan.signals += self._tracker.on_imbalance(imbalance) is not None

    def _result(self, symbol: str, found: SymbolBook, scan: SymbolScan) -> Scanned:
        terms, watched_ns = self._terms, scan.time.watched_ns
        instrument = self._instrument(symbol, found)
        fees, exit_impact = 2 * terms.fee_bps, scan.exit_impact.median()
        crossing = scan.cost.median()
        stakes = terms.target_bps, terms.stop_bps
        measured = Scanned(
            received_ns=self.now_ns,
            symbol=symbol,
            seconds=watched_ns // NS_PER_S,
            synced_share=_share(scan.time.true_ns, watched_ns) or Decimal(0),
            updates_per_s=_share(found.counts.depth_events * NS_PER_S, watched_ns)
            or Decimal(0),
            mid=scan.mid,
            tick_bps=_rounded(scan.mid and instrument.tick_size * BPS / scan.mid),
            spread_bps=scan.spread.median(),
            spread_p90_bps=scan.spread.quantile(900),
            depth_5bps=scan.near.median(),
            depth_10bps=scan.wide.median(),
            is_depth_cut=scan.is_depth_cut,
            imbalance_p10=scan.imbalance.quantile(100),
            imbalance_p50=scan.imbalance.median(),
            imbalance_p90=scan.imbalance.quantile(900),
            buy_share=_share(scan.time.zone_ns[Zone.BUY], scan.time.true_ns),
            sell_share=_share(scan.time.zone_ns[Zone.SELL], scan.time.true_ns),
            signals_per_hour=_share(scan.signals * _NS_PER_HOUR, watched_ns)
            or Decimal(0),
            volatility_bps=scan.moves.root_mean_square(),
            target_move_bps=scan.target_move.median(),
            reach_share=_share(scan.reached, scan.windows),
            entry_notional=scan.entry_notional,
            fill_share=_share(scan.whole, scan.entries),
            impact_bps=scan.impact.median(),
            exit_impact_bps=exit_impact,
            fee_bps=fees,
            fee_source=terms.fee_source,
            cost_bps=None if crossing is None else crossing + fees,
            break_even_win_rate=_rounded(
                None
                if exit_impact is None
                else break_even_win_rate(*stakes, exit_impact + fees)
            ),
            fee_win_rate=break_even_win_rate(*stakes, fees).quantize(_STEP),
            verdict="",
            reasons=(),
        )
        is_traded = found.market is not None and found.market.is_traded
        verdict, reasons = judge(measured, terms, instrument, is_traded=is_traded)
        return msgspec.structs.replace(measured, verdict=verdict, reasons=reasons)


def _share(part: int, whole: int) -> Decimal | None:
    return _rounded(Decimal(part) / whole) if whole else None


def _rounded(value: Decimal | None) -> Decimal | None:
    return None if value is None else value.quantize(_STEP)
