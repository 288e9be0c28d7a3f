"""What is measured of one symbol's market, once a second while its book is true."""

from collections import deque
from collections.abc import Iterable, Sequence
from decimal import Decimal
from typing import NamedTuple

from flows.domain.book import Book
from flows.domain.entry import plan_entry
from flows.domain.instrument import Instrument
from flows.domain.market import Market
from flows.domain.order import Order
from flows.domain.round_trip import RoundTrip, price_round_trip
from flows.domain.samples import Samples
from flows.domain.side import Side
from flows.domain.signal import signal_at
from flows.domain.suitability import ScanTerms
from flows.domain.symbol_book import SymbolBook
from flows.domain.units import BPS, unscaled
from flows.domain.view import BookView, TickLevel
from flows.domain.watched import WatchedTime

NEAR_BPS, WIDE_BPS = 5, 10
"""How far from the middle depth is summed."""

_QUOTE_DECIMALS = 3
"""Kept of depths."""


class _Moment(NamedTuple):
    """The prices of a second."""

    bid: Decimal
    ask: Decimal
    mid: Decimal
    bought: Decimal
    """Average price of an entry that buys; the best one where its size is not known."""
    sold: Decimal


class SymbolScan:
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
        total = view.bid_lots + view.ask_lots
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
        found = plan.notional if isinstance(plan, Order) else plan.value
        least, notional = self.entry_notional, Decimal(0) if found is None else found
        self.entry_notional = notional if least is None else min(least, notional)
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
