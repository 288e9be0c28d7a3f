"""The state of an engine at one moment, for whoever watches it.

Money is text without an exponent, in the quote asset; times are nanoseconds since the
epoch, by the engine's clock. Built on demand, never per message.
"""

import decimal
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from decimal import ROUND_HALF_EVEN, Context, Decimal

import msgspec

from connectors.latency import Latency, OrderLatency
from flows.domain.account import Account
from flows.domain.books import Books
from flows.domain.control import Controls
from flows.domain.equity import EquityCurve
from flows.domain.imbalance import ImbalanceRule, ratio
from flows.domain.order import Fill, Purpose, WorkingOrder
from flows.domain.position import Position, TradeClosed
from flows.domain.risk import Approved, Refused
from flows.domain.run import Journalled
from flows.domain.signal import Signal
from flows.domain.symbol_book import BookState, BookStateChanged, SymbolBook
from flows.domain.units import BPS, EXACT, NS_PER_MS, NS_PER_S, floor_to, plain
from flows.domain.view import BookView, TickLevel

HISTOGRAM_BOUNDS_NS = tuple(
    sorted({*(1 << n for n in range(15, 31)), 19 << 18, 19 << 20})
)
"""Of histograms: powers of two from 33 us to 1.07 s, and, as near as they are counted,
the 5 ms and 20 ms promised for decisions and orders (4.98 and 19.92 ms)."""

_SHOWN = Decimal("0.0001")
_AVERAGE = Context(prec=28, rounding=ROUND_HALF_EVEN)


class BookTold(msgspec.Struct, frozen=True):
    """One symbol's book."""

    state: str
    view_age_ms: int | None
    """Since its last view, milliseconds; None before the first."""
    depth_events: int
    gaps: int
    zone: str | None = None
    """BUY, SELL or NEUTRAL; None before the first view."""
    ratio: str | None = None
    """Bid volume / ask volume of the levels shown, cut off after four decimals; None
    where no ask is."""
    bids: list[tuple[str, str]] = []
    """Price and quantity, best first."""
    asks: list[tuple[str, str]] = []


class PositionTold(msgspec.Struct, frozen=True):
    """One open position."""

    symbol: str
    direction: str
    """LONG or SHORT."""
    quantity: str
    """Open, unsigned, in the base asset."""
    entry_price: str
    """Average of its entry fills; where that has no end, to 28 digits."""
    entry_quantity: str
    """With `entry_notional` the average exactly: notional / quantity."""
    entry_notional: str
    mark: str
    """The price one could get now."""
    gross: str
    """P&L of the round trip so far before fees: exits booked, the rest at the mark."""
    fees: str
    """Paid so far."""
    closing_fee: str
    """Still to be paid to close the rest at the mark, at the taker's rate."""
    net: str
    """`gross` - `fees` - `closing_fee`: what is left if it is closed at the mark."""
    target_price: str
    """Where the price one could get reaches the target; rounded like the average."""
    stop_price: str
    held_s: int
    """Seconds since its first fill."""
    left_s: int
    """Until the time stop."""
    closing: str | None
    """Why it is being left, once that is decided."""


class OrderTold(msgspec.Struct, frozen=True):
    """One order in flight."""

    symbol: str
    client_order_id: str
    side: str
    purpose: str
    quantity: str
    limit_price: str | None
    """The worst price that it takes; None of a market order."""
    filled: str
    status: str
    """What is known of it; UNKNOWN where the exchange has not told whether it holds
    it."""
    age_ms: int


class KillTold(msgspec.Struct, frozen=True):
    """A latched kill switch."""

    reason: str
    detail: str
    since_ns: int
    flat_after_ns: int | None = None
    """How long it took until nothing was held; None while something is."""


class LimitTold(msgspec.Struct, frozen=True):
    """A limit and how much of it is used: money, or a number of orders."""

    used: str
    limit: str


class PnlTold(msgspec.Struct, frozen=True):
    """A profit or loss in parts that add up exactly: gross - fees + funding = net."""

    gross: str
    """Before fees and funding, open positions included at their marks."""
    fees: str
    """Paid."""
    funding: str
    """Booked; positive where it came in."""
    net: str


class VenueTold(msgspec.Struct, frozen=True):
    """What is known of the venue; each of it may refuse entries."""

    is_reconciled: bool
    reason: str
    """What is not reconciled, in words."""
    rate_limited_ms: int
    """Until it may be asked again, milliseconds; 0 where it may be now."""
    skew_ms: int
    """Its clock minus ours."""
    max_skew_ms: int


class LatencyTold(msgspec.Struct, frozen=True):
    """From the receipt of a frame to its journalled decision, over the whole run."""

    views: int
    p50_ns: int
    p99_ns: int
    p999_ns: int


class OrderLatencyTold(msgspec.Struct, frozen=True):
    """How long orders have taken, over the whole run."""

    orders: int
    """Sent to an exchange; none on paper."""
    placed_p50_ns: int
    """From the decision to the request on its socket, the durable commit included."""
    placed_p99_ns: int
    sent_p50_ns: int
    """The same from the receipt of the frame that was decided on."""
    sent_p99_ns: int
    acked_p50_ns: int
    """From that frame to the exchange's answer."""
    acked_p99_ns: int


class CountsTold(msgspec.Struct, frozen=True):
    """What the run has journalled."""

    signals: int
    orders: int
    refused: dict[str, int]
    """Signals that did not become an order, by reason."""
    fills: int
    trades: int
    """Round trips."""
    book_states: dict[str, dict[str, int]]
    """By symbol, times that its book came into a state: GAP a hole, STALE a silence,
    SYNCED the start or a resync."""
    entries: int
    """Everything journalled, of whatever kind."""


class HistogramTold(msgspec.Struct, frozen=True):
    """Durations of one stage over the whole run."""

    count: int
    total_ns: int
    below: list[int]
    """How many were less than each of HISTOGRAM_BOUNDS_NS."""


class Telemetry(msgspec.Struct, frozen=True, kw_only=True):
    """An engine at the moment `now_ns`."""

    run_id: str
    begun_anew: int
    """Times that its process crashed within, and began anew by itself."""
    mode: str
    now_ns: int
    data_age_ms: int | None
    """Since the newest view of any symbol, milliseconds; None before the first."""
    books: dict[str, BookTold]
    messages: dict[str, int]
    """Of the market, taken since the run began, by stream kind: `depth`, `bookTicker`,
    `trade`, and those that nothing reads."""
    positions: list[PositionTold]
    orders: list[OrderTold]
    equity: str
    day_pnl: str
    """Net, since 00:00 UTC: `day.net`."""
    day: PnlTold
    """Since 00:00 UTC."""
    drawdown: str
    gross: str
    """P&L before fees and funding since the account began."""
    fees: str
    """Paid since then."""
    funding: str
    """Funding, and other bookings of the exchange that are no transfer."""
    net: str
    """Since the account began: `gross` - `fees` + `funding`."""
    limits: dict[str, LimitTold]
    """`gross_exposure`, `daily_loss`, `drawdown`, `orders_per_minute`, and
    `exposure.<SYMBOL>` of what is held or reserved."""
    killed: KillTold | None
    alarm: str
    """What is wrong with the kill latch; empty where nothing is."""
    is_paused: bool
    is_flattening: bool
    venue: VenueTold
    latency: LatencyTold
    order_latency: OrderLatencyTold
    histograms: dict[str, HistogramTold]
    """By stage: `decision`, `placed`, `sent`, `acked`; see the two above."""
    counts: CountsTold
    recorder_waiting_bytes: int | None
    """Of frames that are not on the disk yet; None where nothing is recorded."""


class FactCounts:
    """Counts what is journalled."""

    def __init__(self) -> None:
        self._signals = self._orders = self._fills = self._trades = 0
        self._refused: Counter[str] = Counter()
        self._states: dict[str, Counter[str]] = {}
        self._entries = 0

    def count(self, facts: Iterable[Journalled]) -> None:
        """Take the facts of a batch."""
        for fact in facts:
            self._entries += 1
            if isinstance(fact, Signal):
                self._signals += 1
            elif isinstance(fact, Approved):
                self._orders += 1
            elif isinstance(fact, Refused):
                self._refused[fact.reason.value] += 1
            elif isinstance(fact, Fill):
                self._fills += 1
            elif isinstance(fact, TradeClosed):
                self._trades += 1
            elif isinstance(fact, BookStateChanged):
                states = self._states.setdefault(fact.symbol, Counter())
                states[fact.after.value] += 1

    def told(self) -> CountsTold:
        """The counts so far."""
        return CountsTold(
            self._signals,
            self._orders,
            dict(self._refused),
            self._fills,
            self._trades,
            {symbol: dict(states) for symbol, states in self._states.items()},
            self._entries,
        )


class Observer:
    """Looks at the state behind a flow's steps.

    Of `symbols` it tells from the start, also where nothing has come yet.
    """

    def __init__(
        self,
        run_id: str,
        mode: str,
        books: Books,
        account: Account,
        latency: Latency,
        *,
        rule: ImbalanceRule,
        symbols: Sequence[str] = (),
        taker_fee_bps: Decimal,
        begun_anew: int = 0,
        order_latency: OrderLatency | None = None,
        recorder_waiting: Callable[[], int | None] = lambda: None,
    ) -> None:
        self.counts = FactCounts()
        self._run_id = run_id
        self._mode = mode
        self._books = books
        self._account = account
        self._latency = latency
        self._rule = rule
        self._unheard = dict.fromkeys(
            symbols, BookTold(BookState.EMPTY.value, None, 0, 0)
        )
        self._taker_fee_bps = taker_fee_bps
        self._begun_anew = begun_anew
        self._order_latency = order_latency or OrderLatency()
        self._recorder_waiting = recorder_waiting

    def look(self, now_ns: int, alarm: str = "") -> Telemetry:
        """The state now; changes nothing of it."""
        with decimal.localcontext(EXACT):
            return self._look(now_ns, alarm)

    def _look(self, now_ns: int, alarm: str) -> Telemetry:
        account = self._account
        ledger, controls = account.ledger, account.controls
        books = self._books_told(now_ns)
        ages = [book.view_age_ms for book in books.values()]
        known = [age for age in ages if age is not None]
        return Telemetry(
            run_id=self._run_id,
            begun_anew=self._begun_anew,
            mode=self._mode,
            now_ns=now_ns,
            data_age_ms=min(known, default=None),
            books=books,
            messages=self._books.messages(),
            positions=[
                self._position_told(position, ledger.mark(symbol), now_ns)
                for symbol, position in ledger.positions.items()
            ],
            orders=[_order_told(order, now_ns) for order in account.working.values()],
            equity=plain(ledger.curve.equity),
            day_pnl=plain(ledger.curve.day_pnl),
            day=_day_told(ledger.curve),
            drawdown=plain(ledger.curve.drawdown),
            gross=plain(ledger.gross),
            fees=plain(ledger.fees),
            funding=plain(ledger.funding),
            net=plain(ledger.curve.equity - ledger.curve.capital),
            limits=_limits_told(account, now_ns),
            killed=_kill_told(controls),
            alarm=alarm,
            is_paused=controls.is_paused,
            is_flattening=controls.closing is Purpose.FLATTEN,
            venue=_venue_told(account, now_ns),
            latency=self._latency_told(),
            order_latency=self._order_latency_told(),
            histograms=self._histograms_told(),
            counts=self.counts.told(),
            recorder_waiting_bytes=self._recorder_waiting(),
        )

    def _books_told(self, now_ns: int) -> dict[str, BookTold]:
        heard = {
            symbol: self._book_told(book, now_ns)
            for symbol, book in self._books.by_symbol.items()
        }
        return self._unheard | heard

    def _book_told(self, book: SymbolBook, now_ns: int) -> BookTold:
        state, counts, view = book.state.value, book.counts, book.last_view
        if view is None:
            return BookTold(state, None, counts.depth_events, counts.gaps)
        zone = self._rule.zone(view.bid_lots, view.ask_lots)
        weight = ratio(view.bid_volume, view.ask_volume)
        return BookTold(
            state=state,
            view_age_ms=_age_ms(view.received_ns, now_ns),
            depth_events=counts.depth_events,
            gaps=counts.gaps,
            zone=zone.value,
            ratio=plain(floor_to(weight, _SHOWN)) if weight.is_finite() else None,
            bids=_levels_told(view, view.bids),
            asks=_levels_told(view, view.asks),
        )

    def _position_told(
        self, position: Position, mark: Decimal, now_ns: int
    ) -> PositionTold:
        exits, average = self._account.exits, _average(position)
        sign = 1 if position.is_long else -1
        held_s = max(now_ns - position.opened_ns, 0) // NS_PER_S
        gross = position.gross_at(mark)
        closing_fee = position.quantity * mark * self._taker_fee_bps / BPS
        return PositionTold(
            symbol=position.symbol,
            direction=position.direction.value,
            quantity=plain(position.quantity),
            entry_price=plain(average),
            entry_quantity=plain(position.entry_quantity),
            entry_notional=plain(position.entry_notional),
            mark=plain(mark),
            gross=plain(gross),
            fees=plain(position.fees),
            closing_fee=plain(closing_fee),
            net=plain(gross - position.fees - closing_fee),
            target_price=plain(_moved(average, sign * exits.target_bps)),
            stop_price=plain(_moved(average, -sign * exits.stop_bps)),
            held_s=held_s,
            left_s=max(exits.max_hold_s - held_s, 0),
            closing=position.closing.value if position.closing else None,
        )

    def _latency_told(self) -> LatencyTold:
        p50, p99, p999 = map(self._latency.quantile_ns, (500, 990, 999))
        return LatencyTold(self._latency.count, p50, p99, p999)

    def _histograms_told(self) -> dict[str, HistogramTold]:
        orders = self._order_latency
        return {
            "decision": _histogram_told(self._latency),
            "placed": _histogram_told(orders.placed),
            "sent": _histogram_told(orders.sent),
            "acked": _histogram_told(orders.acked),
        }

    def _order_latency_told(self) -> OrderLatencyTold:
        found = self._order_latency
        stages = (found.placed, found.sent, found.acked)
        return OrderLatencyTold(
            found.sent.count,
            *(stage.quantile_ns(mille) for stage in stages for mille in (500, 990)),
        )


def _histogram_told(latency: Latency) -> HistogramTold:
    below = latency.below(HISTOGRAM_BOUNDS_NS)
    return HistogramTold(latency.count, latency.total_ns, below)


def _levels_told(view: BookView, levels: Iterable[TickLevel]) -> list[tuple[str, str]]:
    return [
        (plain(view.price(ticks)), plain(view.quantity(lots))) for ticks, lots in levels
    ]


def _kill_told(controls: Controls) -> KillTold | None:
    tripped = controls.kill_switch.tripped
    if tripped is None:
        return None
    return KillTold(
        tripped.reason.value,
        tripped.detail,
        tripped.received_ns,
        controls.flat_after_ns,
    )


def _venue_told(account: Account, now_ns: int) -> VenueTold:
    watch = account.watch
    limited_ns = max(watch.venue.rate_limited_until_ns - now_ns, 0)
    return VenueTold(
        is_reconciled=watch.venue.is_reconciled,
        reason=watch.venue.reason,
        rate_limited_ms=-(-limited_ns // NS_PER_MS),
        skew_ms=watch.skew_ms,
        max_skew_ms=account.gate.limits.max_clock_skew_ms,
    )


def _age_ms(since_ns: int, now_ns: int) -> int:
    return max(now_ns - since_ns, 0) // NS_PER_MS


def _day_told(curve: EquityCurve) -> PnlTold:
    parts = curve.day_gross, curve.day_fees, curve.day_funding, curve.day_pnl
    return PnlTold(*map(plain, parts))


def _average(position: Position) -> Decimal:
    quantity = position.entry_quantity
    return _AVERAGE.divide(position.entry_notional, quantity) if quantity else Decimal()


def _moved(price: Decimal, bps: Decimal) -> Decimal:
    return _AVERAGE.divide(_AVERAGE.multiply(price, BPS + bps), BPS)


def _order_told(working: WorkingOrder, now_ns: int) -> OrderTold:
    order = working.order
    return OrderTold(
        symbol=order.symbol,
        client_order_id=order.client_order_id,
        side=order.side.value,
        purpose=order.purpose.value,
        quantity=plain(order.quantity),
        limit_price=None if order.limit_price is None else plain(order.limit_price),
        filled=plain(working.filled),
        status=working.status.value,
        age_ms=_age_ms(order.received_ns, now_ns),
    )


def _limits_told(account: Account, now_ns: int) -> dict[str, LimitTold]:
    gate, ledger = account.gate, account.ledger
    limits, exposures = gate.limits, ledger.exposures()
    day_loss = max(-ledger.curve.day_pnl, Decimal(0))
    told = {
        "gross_exposure": (gate.gross_exposure(exposures), limits.capital),
        "daily_loss": (day_loss, limits.max_daily_loss),
        "drawdown": (ledger.curve.drawdown, limits.max_drawdown),
        "orders_per_minute": (
            Decimal(gate.count_recent(now_ns)),
            Decimal(limits.max_orders_per_minute),
        ),
    }
    for symbol in sorted({*exposures, *account.working}):
        used = gate.exposure_of(symbol, exposures)
        told[f"exposure.{symbol}"] = used, limits.max_instrument_exposure
    return {
        name: LimitTold(plain(used), plain(limit))
        for name, (used, limit) in told.items()
    }
