"""An auditor of the account: recomputes everything from events and journal alone."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from decimal import Decimal

from flows.domain.account import AccountEvent, TradingRules
from flows.domain.equity import EquityMarked
from flows.domain.event import ClockTick, VenueStatus, Verb
from flows.domain.imbalance import Imbalance
from flows.domain.kill import KillReset, KillTripped
from flows.domain.order import Fill, Order, OrderReport
from flows.domain.position import Direction, PositionChanged, TradeClosed
from flows.domain.risk import Approved, RiskLimits
from flows.domain.run import CommandHandled, JournalEntry
from flows.domain.side import Side
from flows.domain.symbol_book import BookState, BookStateChanged
from flows.domain.units import NS_PER_DAY, NS_PER_MS, NS_PER_S
from flows.domain.view import BookView

ZERO = Decimal(0)


@dataclass
class Holding:
    """One symbol's position as the sum of its fills."""

    mark: Decimal
    quantity: Decimal = ZERO
    """Signed."""
    cash: Decimal = ZERO
    fees: Decimal = ZERO

    @property
    def worth(self) -> Decimal:
        """Signed value at the mark."""
        return self.quantity * self.mark


@dataclass
class InFlight:
    """An approved order and what of it has filled."""

    order: Order
    filled: Decimal = ZERO

    @property
    def reserved(self) -> Decimal:
        """Notional that the order may still add."""
        if self.order.limit_price is None:
            return ZERO
        return (self.order.quantity - self.filled) * self.order.limit_price


@dataclass
class Audit:
    """Checks every entry against the rules as they stood at that moment."""

    limits: RiskLimits
    rules: TradingRules
    cash: Decimal = ZERO
    fees: Decimal = ZERO
    sequence: int = 0
    now_ns: int = 0
    day: int = -1
    is_killed: bool = False
    is_paused: bool = False
    is_flattening: bool = False
    skew_ms: int = 0
    venue: VenueStatus = field(default_factory=lambda: VenueStatus(0, True))
    held: dict[str, Holding] = field(default_factory=dict)
    in_flight: dict[str, InFlight] = field(default_factory=dict)
    views: dict[str, BookView] = field(default_factory=dict)
    states: dict[str, BookState] = field(default_factory=dict)
    closed_ns: dict[str, int] = field(default_factory=dict)
    sent_ns: list[int] = field(default_factory=list)
    seen: set[str] = field(default_factory=set)
    """What has happened at all, so that a run can show that it was no idle one."""

    def __post_init__(self) -> None:
        """Begin at the capital."""
        self.peak = self.day_start = self.limits.capital
        self.day_start_gross = self.day_start_fees = ZERO

    @property
    def equity(self) -> Decimal:
        """Capital + cash from fills - fees + open value."""
        open_value = sum((h.worth for h in self.held.values()), ZERO)
        return self.limits.capital + self.cash - self.fees + open_value

    @property
    def gross(self) -> Decimal:
        """P&L before fees."""
        return self.equity + self.fees - self.limits.capital

    @property
    def reserved(self) -> Decimal:
        """Notional of all entry orders in flight."""
        return sum((f.reserved for f in self.in_flight.values()), ZERO)

    @property
    def is_closing(self) -> bool:
        """Whether everything must be left."""
        return self.is_killed or self.is_flattening

    def check(self, event: AccountEvent, entries: Sequence[JournalEntry]) -> None:
        """Take one event and everything that it caused."""
        self._before(event)
        for entry in entries:
            assert entry.sequence == self.sequence
            assert entry.fact.received_ns == self.now_ns
            self.sequence += 1
            self._take(entry)
        self._after(event)

    def _before(self, event: AccountEvent) -> None:
        stamped = event.view if isinstance(event, Imbalance) else event
        self.now_ns = stamped.received_ns
        if self.now_ns // NS_PER_DAY != self.day:
            self.day = self.now_ns // NS_PER_DAY
            self.day_start = self.equity
            self.day_start_gross, self.day_start_fees = self.gross, self.fees
        if isinstance(event, BookStateChanged):
            self.states[event.symbol] = event.after
        elif isinstance(event, ClockTick) and event.skew_ms is not None:
            self.skew_ms = event.skew_ms
        elif isinstance(event, VenueStatus):
            self.venue = event
        elif isinstance(event, Imbalance):
            self._see(event.view)

    def _see(self, view: BookView) -> None:
        if self.states.get(view.symbol) is BookState.SYNCED:
            self.views[view.symbol] = view
            if view.symbol in self.held:
                self._mark(view.symbol)

    def _mark(self, symbol: str) -> None:
        holding, view = self.held[symbol], self.views[symbol]
        price = view.best_bid if holding.quantity > 0 else view.best_ask
        if price is not None:
            holding.mark = price

    def _after(self, event: AccountEvent) -> None:
        self.peak = max(self.peak, self.equity)
        is_day_lost = self.equity - self.day_start <= -self.limits.max_daily_loss
        if is_day_lost or self.peak - self.equity >= self.limits.max_drawdown:
            assert self.is_killed
        if self.is_closing:
            assert all(f.order.is_reduce_only for f in self.in_flight.values())
            if isinstance(event, ClockTick):
                assert set(self.in_flight) == set(self.held)

    def _take(self, entry: JournalEntry) -> None:
        self.seen.add(type(entry.fact).__name__)
        match entry.fact:
            case Approved(order=order):
                self._on_order(order)
            case Fill() as fill:
                self._on_fill(fill)
            case OrderReport() as report:
                self._on_report(report)
            case PositionChanged() as changed:
                self._on_position(changed)
            case TradeClosed() as trade:
                self._on_trade(trade)
            case EquityMarked() as marked:
                self._on_equity(marked)
            case _:
                self._take_control(entry)

    def _take_control(self, entry: JournalEntry) -> None:
        match entry.fact:
            case KillTripped() as tripped:
                assert not self.is_killed
                self.is_killed = True
                self.seen.add(f"kill {tripped.reason.value}")
            case KillReset() as reset:
                self._on_reset(reset)
            case CommandHandled() as handled:
                self._on_command(handled)
            case _:
                pass

    def _on_report(self, report: OrderReport) -> None:
        assert report.filled_quantity == self.in_flight[report.symbol].filled
        if report.status.is_final:
            del self.in_flight[report.symbol]

    def _on_order(self, order: Order) -> None:
        assert order.symbol not in self.in_flight
        self.in_flight[order.symbol] = InFlight(order)
        self.sent_ns = [t for t in self.sent_ns if t > self.now_ns - 60 * NS_PER_S]
        self.sent_ns.append(self.now_ns)
        if len(self.sent_ns) > self.limits.max_orders_per_minute:
            assert self.is_killed
        if order.is_reduce_only:
            quantity = self.held[order.symbol].quantity
            assert order.side is (Side.SELL if quantity > 0 else Side.BUY)
            assert 0 < order.quantity <= abs(quantity)
            self.seen.add(f"exit {order.purpose.value}")
        else:
            self._on_entry(order)

    def _on_entry(self, order: Order) -> None:
        symbol, limits = order.symbol, self.limits
        assert not self.is_killed
        assert not self.is_paused
        assert symbol not in self.held
        assert self.states[symbol] is BookState.SYNCED
        assert not self.views[symbol].is_beyond_horizon
        assert self.views[symbol].is_traded
        assert self.venue.is_reconciled
        assert self.venue.rate_limited_until_ns <= self.now_ns
        assert abs(self.skew_ms) <= limits.max_clock_skew_ms
        since_ns = self.now_ns - self.closed_ns.get(symbol, -NS_PER_DAY)
        assert since_ns >= self.rules.cooldown_ms * NS_PER_MS
        new = self.in_flight[symbol].reserved
        assert new == order.notional <= limits.max_position_notional
        assert new <= limits.capital * limits.max_instrument_share
        gross = sum((abs(h.worth) for h in self.held.values()), ZERO) + self.reserved
        assert gross <= limits.capital

    def _on_fill(self, fill: Fill) -> None:
        in_flight = self.in_flight[fill.symbol]
        order = in_flight.order
        assert fill.client_order_id == order.client_order_id
        in_flight.filled += fill.quantity
        assert 0 < in_flight.filled <= order.quantity
        sign = 1 if fill.side is Side.BUY else -1
        if order.limit_price is not None:
            assert (fill.price - order.limit_price) * sign <= 0
        holding = self.held.get(fill.symbol)
        if holding is None:
            holding = self.held[fill.symbol] = Holding(fill.price)
        notional = fill.price * fill.quantity
        assert fill.fee == notional * 5 / 10_000
        holding.quantity += sign * fill.quantity
        holding.cash -= sign * notional
        holding.fees += fill.fee
        self.cash -= sign * notional
        self.fees += fill.fee
        self._mark(fill.symbol)

    def _on_position(self, changed: PositionChanged) -> None:
        quantity = self.held[changed.symbol].quantity
        assert changed.quantity == abs(quantity)
        signs = {Direction.LONG: 1, Direction.SHORT: -1, Direction.FLAT: 0}
        assert (quantity > 0) - (quantity < 0) == signs[changed.direction]

    def _on_trade(self, trade: TradeClosed) -> None:
        holding = self.held.pop(trade.symbol)
        assert holding.quantity == 0
        assert trade.gross == holding.cash
        assert trade.fees == holding.fees
        assert trade.net == holding.cash - holding.fees
        self.closed_ns[trade.symbol] = trade.received_ns

    def _on_equity(self, marked: EquityMarked) -> None:
        assert marked.equity == self.equity
        assert marked.fees == self.fees
        assert marked.funding == 0
        assert marked.gross == self.gross
        assert marked.day_pnl == self.equity - self.day_start
        assert marked.drawdown == max(self.peak, self.equity) - self.equity

    def _on_reset(self, reset: KillReset) -> None:
        assert self.is_killed
        assert self.venue.is_reconciled
        assert not self.held
        assert not self.in_flight
        self.is_killed = False
        if reset.is_peak_rebased:
            self.peak = self.equity

    def _on_command(self, handled: CommandHandled) -> None:
        self.seen.add(f"{handled.verb.value} {handled.is_accepted}")
        assert handled.is_accepted or handled.verb is Verb.RESET
        if handled.verb is Verb.KILL:
            assert self.is_killed
        if handled.verb is Verb.RESUME:
            self.is_paused = self.is_flattening = False
        elif handled.verb in (Verb.FLATTEN, Verb.STOP):
            self.is_paused = self.is_flattening = True
        elif handled.verb is Verb.PAUSE:
            self.is_paused = True
