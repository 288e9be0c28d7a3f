"""What an instrument's market is like, for somebody who is about to trade it.

Once a second of engine time every book that is true is measured: spread, depth, what
the order of the settings would cost there and back. Zones, signals and updates are
counted as they come. Medians are of those seconds. Nothing here predicts a price.
"""

import decimal
from collections import deque
from collections.abc import Iterable, Iterator, Sequence
from decimal import Decimal
from typing import NamedTuple

import msgspec

from flows.domain.book import Book
from flows.domain.books import Books, PassedOn
from flows.domain.entry import plan_entry
from flows.domain.event import ClockTick, Event, MarketEvent
from flows.domain.evidence import break_even_win_rate
from flows.domain.imbalance import ImbalanceRule, Zone
from flows.domain.instrument import Instrument, Instruments
from flows.domain.market import Market
from flows.domain.order import Order
from flows.domain.round_trip import RoundTrip, price_round_trip
from flows.domain.samples import Samples
from flows.domain.side import Side
from flows.domain.signal import ZoneTracker, signal_at
from flows.domain.suitability import Scanned, ScanTerms, judge
from flows.domain.symbol_book import (
    BookOutput,
    BookState,
    BookStateChanged,
    SymbolBook,
)
from flows.domain.units import BPS, NS_PER_S, unscaled
from flows.domain.view import BookView, TickLevel
from flows.domain.watched import WatchedTime

NEAR_BPS, WIDE_BPS = 5, 10
"""How far from the middle depth is summed."""

_NS_PER_HOUR = 3_600 * NS_PER_S
_QUOTE_DECIMALS = 3
"""Kept of depths."""
_STEP = Decimal("0.00001")
_ESTIMATE = decimal.Context(prec=28)
"""For people, not for decisions; whatever context the caller runs under."""


class _Moment(NamedTuple):
    """The prices of a second."""

    bid: Decimal
    ask: Decimal
    mid: Decimal
    bought: Decimal
    """Average price of an entry that buys; the best one where its size is not known."""
    sold: Decimal


class _SymbolScan:
    """One symbol's measurements."""

    def __init__(self, terms: ScanTerms) -> None:
        self._terms = terms
        self.time = WatchedTime()
        self.entries = self.whole = self.signals = 0
        """Seconds in which entries were looked at, and those in which both fill."""
        self.is_depth_cut = False
        self.mid: Decimal | None = None
        self.entry_notional: Decimal | None = None
        self.spread, self.impact, self.cost = Samples(), Samples(), Samples()
        self.exit_impact, self.target_move = Samples(), Samples()
        self.near, self.wide = Samples(_QUOTE_DECIMALS), Samples(_QUOTE_DECIMALS)
        self.imbalance, self.moves = Samples(), Samples()
        self.windows = self.reached = 0
        self._moments: deque[_Moment] = deque()
        self._second = 0

    def sample(self, found: SymbolBook, instrument: Instrument, second: int) -> None:
        """Measure a true book at the end of a second."""
        book, view = found.book, found.last_view
        if view is None or view.best_bid is None or view.best_ask is None:
            return
        bid, ask = view.best_bid, view.best_ask
        self.mid = unscaled(
            5 * (view.bids[0][0] + view.asks[0][0]), book.price_decimals + 1
        )
        self.spread.add((ask - bid) * BPS / self.mid)
        if total := view.bid_lots + view.ask_lots:
            self.imbalance.add(Decimal(view.bid_lots - view.ask_lots) / total)
        bought, sold = ask, bid
        if found.market is not Market.COIN_M:  # whose quantities are no money
            self._measure_depth(book, view.bids[0][0] + view.asks[0][0])
            if trips := self._measure_entries(book, view, instrument):
                bought, sold = (trip.entry_price for trip in trips)
        self._measure_move(_Moment(bid, ask, self.mid, bought, sold), second)

    def _measure_depth(self, book: Book, middle: int) -> None:
        """`middle` is twice the middle, in ticks."""
        decimals = book.price_decimals + book.quantity_decimals
        for bps, samples in ((NEAR_BPS, self.near), (WIDE_BPS, self.wide)):
            lowest = -(-middle * (BPS - bps) // (2 * BPS))
            highest = middle * (BPS + bps) // (2 * BPS)
            bids = _value(book.bids.from_best(), lowest, highest)
            asks = _value(book.asks.from_best(), lowest, highest)
            samples.add(unscaled(min(bids, asks), decimals))
            if not (book.bids.is_known(lowest) and book.asks.is_known(highest)):
                self.is_depth_cut = True

    def _measure_entries(
        self, book: Book, view: BookView, instrument: Instrument
    ) -> list[RoundTrip]:
        """What an entry of either side would cost there and back, if both are known."""
        self.entries += 1
        both = [
            self._enter(book, view, instrument, side) for side in (Side.BUY, Side.SELL)
        ]
        trips = [trip for trip in both if trip is not None]
        if len(trips) < len(both):
            return []
        self.whole += all(trip.is_whole for trip in trips)
        self.cost.add(_mean([trip.crossing_bps for trip in trips]))
        self.impact.add(_mean([trip.impact_bps for trip in trips]))
        self.exit_impact.add(_mean([trip.exit_impact_bps for trip in trips]))
        return trips

    def _enter(
        self, book: Book, view: BookView, instrument: Instrument, side: Side
    ) -> RoundTrip | None:
        rules = self._terms.entry_rules
        plan = plan_entry(signal_at(view, side), instrument, rules, "")
        notional = plan.notional if isinstance(plan, Order) else plan.value
        if notional is not None:
            least = notional if self.entry_notional is None else self.entry_notional
            self.entry_notional = min(least, notional)
        return price_round_trip(book, plan) if isinstance(plan, Order) else None

    def _measure_move(self, now: _Moment, second: int) -> None:
        """What became of the price since the longest hold ago, if it was seen whole."""
        target = self._terms.target_bps
        to_gain = now.bought * (BPS + target) - now.bid * BPS
        to_fall = now.ask * BPS - now.sold * (BPS - target)
        self.target_move.add(_mean([to_gain, to_fall]) / now.mid)
        if second != self._second + 1:
            self._moments.clear()
        self._second = second
        self._moments.append(now)
        if len(self._moments) <= self._terms.hold_s:
            return
        first = self._moments.popleft()
        self.moves.add((now.mid - first.mid) / first.mid * BPS)
        self.windows += 1
        highest = max(later.bid for later in self._moments)
        lowest = min(later.ask for later in self._moments)
        self.reached += highest * BPS >= first.bought * (
            BPS + target
        ) or lowest * BPS <= first.sold * (BPS - target)


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
        self._scans: dict[str, _SymbolScan] = {}
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

    def _scan(self, symbol: str) -> _SymbolScan:
        scan = self._scans.get(symbol)
        if scan is None:
            scan = self._scans[symbol] = _SymbolScan(self._terms)
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

    def _result(self, symbol: str, found: SymbolBook, scan: _SymbolScan) -> Scanned:
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


def _value(levels: Iterable[TickLevel], lowest: int, highest: int) -> int:
    """Price x quantity of the levels between two prices, from the best on."""
    value = 0
    for price, lots in levels:
        if not lowest <= price <= highest:
            break
        value += price * lots
    return value


def _mean(values: Sequence[Decimal]) -> Decimal:
    return sum(values, Decimal(0)) / len(values)
