"""What an instrument's market is like, for somebody who is about to trade it.

Once a second of engine time every book that is true is measured: spread, depth, what
the order of the settings would cost there and back. Zones, signals and updates are
counted as they come. Medians are of those seconds. Nothing here predicts a price.
"""

import decimal
from array import array
from collections import deque
from collections.abc import Iterable, Iterator, Sequence
from decimal import Decimal

import msgspec

from flows.domain.book import Book, BookSide
from flows.domain.books import Books, PassedOn
from flows.domain.event import Event
from flows.domain.evidence import break_even_win_rate
from flows.domain.imbalance import ImbalanceRule, Zone
from flows.domain.instrument import Instruments
from flows.domain.signal import ZoneTracker
from flows.domain.suitability import Scanned, ScanTerms, judge
from flows.domain.symbol_book import (
    BookOutput,
    BookState,
    BookStateChanged,
    SymbolBook,
)
from flows.domain.units import BPS, NS_PER_S, unscaled
from flows.domain.view import BookView, TickLevel

NEAR_BPS, WIDE_BPS = 5, 10
"""How far from the middle depth is summed."""

_SECONDS_PER_HOUR = 3_600
_MILLI = 1_000
_THOUSANDTH = Decimal("0.001")
_ESTIMATE = decimal.Context(prec=28)
"""For people, not for decisions; whatever context the caller runs under."""


class Samples:
    """Numbers to the thousandth, eight bytes each, for their quantiles."""

    def __init__(self) -> None:
        self._milli = array("q")

    def add(self, value: Decimal) -> None:
        """Take one; what is beyond a thousandth is cut off."""
        self._milli.append(int(value * _MILLI // 1))

    def quantile(self, per_mille: int) -> Decimal | None:
        """The least of them that `per_mille` of them do not exceed."""
        if not self._milli:
            return None
        rank = max(-(-len(self._milli) * per_mille // 1_000), 1)
        return unscaled(sorted(self._milli)[rank - 1], 3)

    def root_mean_square(self) -> Decimal | None:
        """Their typical size."""
        if not self._milli:
            return None
        squares = sum(value * value for value in self._milli)
        mean = Decimal(squares) / len(self._milli)
        return unscaled(int(mean.sqrt()), 3)


class _SymbolScan:
    """One symbol's measurements."""

    def __init__(self, terms: ScanTerms) -> None:
        self._terms = terms
        self.synced = self.unfilled = self.signals = 0
        self.is_depth_cut = False
        self.mid: Decimal | None = None
        self.spread, self.impact, self.cost = Samples(), Samples(), Samples()
        self.near, self.wide, self.imbalance = Samples(), Samples(), Samples()
        self.moves = Samples()
        self.windows = self.reached = 0
        self.zone_ns = dict.fromkeys(Zone, 0)
        self._zone: Zone | None = None
        self._since_ns = 0
        self._mids: deque[Decimal] = deque()
        self._second = 0

    def in_zone(self, zone: Zone | None, now_ns: int) -> None:
        """The zone from now on; None: the book is not true."""
        self.until(now_ns)
        self._zone = zone

    def until(self, now_ns: int) -> None:
        """Count the time that has passed in the present zone."""
        if self._zone is not None:
            self.zone_ns[self._zone] += now_ns - self._since_ns
        self._since_ns = now_ns

    def sample(self, found: SymbolBook, second: int) -> None:
        """Measure a true book at the end of a second."""
        book = found.book
        bid, ask = book.bids.best(), book.asks.best()
        if bid is None or ask is None:
            return
        self.synced += 1
        middle = bid + ask
        """Twice the middle, in ticks."""
        spread = Decimal(2 * BPS * (ask - bid)) / middle
        self.spread.add(spread)
        self._measure_depth(book, middle)
        self._measure_order(book, middle, spread)
        if (view := found.last_view) is not None and view.bid_lots + view.ask_lots:
            total = view.bid_lots + view.ask_lots
            self.imbalance.add(Decimal(view.bid_lots - view.ask_lots) / total)
        self.mid = unscaled(5 * middle, book.price_decimals + 1)
        self._measure_move(self.mid, second)

    def _measure_depth(self, book: Book, middle: int) -> None:
        decimals = book.price_decimals + book.quantity_decimals
        for bps, samples in ((NEAR_BPS, self.near), (WIDE_BPS, self.wide)):
            lowest = -(-middle * (BPS - bps) // (2 * BPS))
            highest = middle * (BPS + bps) // (2 * BPS)
            bids = _value(book.bids.from_best(), lowest, highest)
            asks = _value(book.asks.from_best(), lowest, highest)
            samples.add(unscaled(min(bids, asks), decimals))
            if not (book.bids.is_known(lowest) and book.asks.is_known(highest)):
                self.is_depth_cut = True

    def _measure_order(self, book: Book, middle: int, spread: Decimal) -> None:
        decimals = book.price_decimals + book.quantity_decimals
        scaled = self._terms.order_notional.scaleb(decimals)
        lots = max(int(2 * scaled / middle), 1)
        bought, sold = _paid(book.asks, lots), _paid(book.bids, lots)
        if bought is None or sold is None:
            self.unfilled += 1
            return
        there_and_back = Decimal(2 * BPS * (bought - sold)) / (lots * middle)
        self.cost.add(there_and_back)
        self.impact.add(there_and_back - spread)

    def _measure_move(self, mid: Decimal, second: int) -> None:
        """What became of the price since the longest hold ago, if it was seen whole."""
        if second != self._second + 1:
            self._mids.clear()
        self._second = second
        self._mids.append(mid)
        if len(self._mids) <= self._terms.hold_s:
            return
        first = self._mids.popleft()
        self.moves.add((mid - first) / first * BPS)
        furthest = max(abs(later - first) for later in self._mids)
        self.windows += 1
        self.reached += furthest * BPS >= self._terms.target_bps * first


class Scanner:
    """Measures every symbol of a market."""

    def __init__(
        self,
        books: Books,
        rule: ImbalanceRule,
        terms: ScanTerms,
        instruments: Instruments,
    ) -> None:
        self._books = books
        self._rule = rule
        self._terms = terms
        self._instruments = instruments
        self._tracker = ZoneTracker()
        self._scans: dict[str, _SymbolScan] = {}
        self._first_ns: int | None = None
        self.now_ns = 0
        """Time of the last event."""

    @property
    def seconds(self) -> int:
        """How long the market has been watched."""
        return 0 if self._first_ns is None else self._whole_seconds(self.now_ns)

    def apply(self, event: Event) -> Sequence[BookOutput | PassedOn]:
        """Measure, then what `Books.apply` gives and raises."""
        now_ns = event.received_ns
        if self._first_ns is None:
            self._first_ns = self.now_ns = now_ns
        if self._whole_seconds(now_ns) > self.seconds:
            self._sample_all()
        self.now_ns = max(self.now_ns, now_ns)
        updates = self._books.apply(event)
        for update in updates:
            if isinstance(update, BookView):
                self._on_view(update)
            elif isinstance(update, BookStateChanged):
                self._tracker.on_state(update)
                self._scan(update.symbol).in_zone(None, update.received_ns)
        return updates

    def results(self) -> Iterator[Scanned]:
        """What was measured until now, by symbol."""
        for symbol, book in sorted(self._books.by_symbol.items()):
            scan = self._scan(symbol)
            scan.until(self.now_ns)
            with decimal.localcontext(_ESTIMATE):
                yield self._result(symbol, book, scan)

    def _whole_seconds(self, now_ns: int) -> int:
        return max(now_ns - (self._first_ns or 0), 0) // NS_PER_S

    def _scan(self, symbol: str) -> _SymbolScan:
        scan = self._scans.get(symbol)
        if scan is None:
            scan = self._scans[symbol] = _SymbolScan(self._terms)
        return scan

    def _sample_all(self) -> None:
        with decimal.localcontext(_ESTIMATE):
            for symbol, book in self._books.by_symbol.items():
                if book.state is BookState.SYNCED:
                    self._scan(symbol).sample(book, self.seconds)

    def _on_view(self, view: BookView) -> None:
        imbalance = self._rule.judge(view)
        scan = self._scan(view.symbol)
        scan.in_zone(imbalance.zone, view.received_ns)
        scan.signals += self._tracker.on_imbalance(imbalance) is not None

    def _result(self, symbol: str, found: SymbolBook, scan: _SymbolScan) -> Scanned:
        terms, seconds = self._terms, self.seconds
        fees = 2 * terms.fee_bps
        crossing = scan.cost.quantile(500)
        cost = None if crossing is None else crossing + fees
        decimals = found.book.price_decimals, found.book.quantity_decimals
        instrument = self._instruments.find(symbol, *decimals)
        in_zones = sum(scan.zone_ns.values())
        measured = Scanned(
            received_ns=self.now_ns,
            symbol=symbol,
            seconds=seconds,
            synced_share=_share(scan.synced, seconds) or Decimal(0),
            updates_per_s=_share(found.counts.depth_events, seconds) or Decimal(0),
            mid=scan.mid,
            tick_bps=_rounded(scan.mid and instrument.tick_size * BPS / scan.mid),
            spread_bps=scan.spread.quantile(500),
            spread_p90_bps=scan.spread.quantile(900),
            depth_5bps=scan.near.quantile(500),
            depth_10bps=scan.wide.quantile(500),
            is_depth_cut=scan.is_depth_cut,
            imbalance_p10=scan.imbalance.quantile(100),
            imbalance_p50=scan.imbalance.quantile(500),
            imbalance_p90=scan.imbalance.quantile(900),
            buy_share=_share(scan.zone_ns[Zone.BUY], in_zones),
            sell_share=_share(scan.zone_ns[Zone.SELL], in_zones),
            signals_per_hour=_share(scan.signals * _SECONDS_PER_HOUR, seconds)
            or Decimal(0),
            volatility_bps=scan.moves.root_mean_square(),
            reach_share=_share(scan.reached, scan.windows),
            fill_share=_share(scan.synced - scan.unfilled, scan.synced),
            impact_bps=scan.impact.quantile(500),
            fee_bps=fees,
            cost_bps=cost,
            break_even_win_rate=_rounded(
                None
                if cost is None
                else break_even_win_rate(terms.target_bps, terms.stop_bps, cost)
            ),
            verdict="",
            reasons=(),
        )
        is_traded = found.market is not None and found.market.is_traded
        verdict, reasons = judge(measured, terms, instrument, is_traded=is_traded)
        return msgspec.structs.replace(measured, verdict=verdict, reasons=reasons)


def _share(part: int, whole: int) -> Decimal | None:
    return _rounded(Decimal(part) / whole) if whole else None


def _rounded(value: Decimal | None) -> Decimal | None:
    return None if value is None else value.quantize(_THOUSANDTH)


def _value(levels: Iterable[TickLevel], lowest: int, highest: int) -> int:
    """Price x quantity of the levels between two prices, from the best on."""
    value = 0
    for price, lots in levels:
        if not lowest <= price <= highest:
            break
        value += price * lots
    return value


def _paid(side: BookSide, lots: int) -> int | None:
    """Ticks x lots for an order that takes so many lots; None where they lack."""
    paid = 0
    for price, found in side.from_best():
        taken = min(found, lots)
        paid += price * taken
        lots -= taken
        if not lots:
            return paid
    return None
