"""The account: turns signals into orders, and orders into positions and equity.

One object owns positions, reservations, equity and the kill switch, so that a decision
sees everything decided before it. It takes events in their one order and returns what
the journal must hold, in order.
"""

import decimal
from collections.abc import Callable, Iterable
from decimal import Decimal
from typing import Any

import msgspec

from flows.domain.entry import EntryRules, plan_entry
from flows.domain.errors import RiskLimitBreached
from flows.domain.event import ClockTick, Command, VenueStatus, Verb
from flows.domain.imbalance import Imbalance
from flows.domain.instrument import Instruments
from flows.domain.kill import KillReason, KillReset, KillSwitch
from flows.domain.ledger import Ledger
from flows.domain.order import (
    Fill,
    Order,
    OrderReport,
    OrderStatus,
    OrderType,
    Purpose,
    WorkingOrder,
)
from flows.domain.paper import PaperVenue
from flows.domain.position import ExitRules, Position
from flows.domain.risk import Approved, RefusalReason, Refused, RiskGate
from flows.domain.run import (
    CommandHandled,
    JournalEntry,
    Journalled,
    RunEnded,
    RunStarted,
)
from flows.domain.signal import Signal
from flows.domain.symbol_book import BookState, BookStateChanged
from flows.domain.units import EXACT, NS_PER_MS
from flows.domain.view import BookView

AccountEvent = Imbalance | Signal | BookStateChanged | ClockTick | Command | VenueStatus

_Grounds = tuple[RefusalReason, Decimal | int | None, Decimal | int | None]
"""Why an entry is refused: reason, value measured, limit."""


class TradingRules(msgspec.Struct, frozen=True):
    """How the strategy enters and leaves."""

    entry: EntryRules
    exit: ExitRules
    cooldown_ms: int
    """No entry into a symbol for this long after its closing fill."""


class Account:
    """Decides, executes on paper, and accounts for every consequence.

    Arithmetic runs under `EXACT`: it is exact or raises, and whatever raises in here
    trips the kill switch, because an account that cannot compute must not trade.
    """

    def __init__(
        self,
        started: RunStarted,
        rules: TradingRules,
        gate: RiskGate,
        venue: PaperVenue,
        instruments: Instruments,
    ) -> None:
        self.kill_switch = KillSwitch()
        self.ledger = Ledger(gate.limits.capital)
        self._started: RunStarted | None = started
        self._order_prefix = started.run_id[:12]
        self._rules = rules
        self._gate = gate
        self._venue = venue
        self._instruments = instruments
        self._working: dict[str, WorkingOrder] = {}
        self._views: dict[str, BookView] = {}
        self._states: dict[str, BookState] = {}
        self._is_paused = False
        self._is_flattening = False
        self._skew_ms = 0
        self._venue_status = VenueStatus(0, is_reconciled=True)
        self._equity_told: Decimal | None = None
        self._orders = 0
        self._sequence = 0
        self._now_ns = 0
        self._out: list[JournalEntry] = []

    def apply(self, events: Iterable[AccountEvent]) -> list[JournalEntry]:
        """Take events in order; everything they caused, in order."""
        self._out = []
        with decimal.localcontext(EXACT):
            for event in events:
                self._guard(self._dispatch, event)
        return self._out

    def end(self) -> list[JournalEntry]:
        """Close the run at the end of input: report what is still in flight."""
        self._out = []
        with decimal.localcontext(EXACT):
            self._guard(self._end, None)
        return self._out

    def _guard(self, handle: Callable[[Any], None], event: object) -> None:
        try:
            handle(event)
        except Exception as error:  # noqa: BLE001 - an unknown P&L must stop trading
            self._trip(KillReason.ACCOUNT_ERROR, f"{type(error).__name__}: {error}")

    def _dispatch(self, event: AccountEvent) -> None:
        if isinstance(event, Imbalance):
            self._at(event.view.received_ns)
            self._on_view(event.view)
            return
        self._at(event.received_ns)
        match event:
            case Signal():
                self._on_signal(event)
            case BookStateChanged():
                self._states[event.symbol] = event.after
                self._emit(event)
            case ClockTick():
                self._on_tick(event)
            case Command():
                self._on_command(event)
            case VenueStatus():
                self._venue_status = event

    def _at(self, received_ns: int) -> None:
        self._now_ns = received_ns
        if self._started is not None:
            self._emit(msgspec.structs.replace(self._started, received_ns=received_ns))
            self._started = None
        self.ledger.curve.on_time(received_ns)

    def _emit(self, fact: Journalled) -> None:
        self._out.append(JournalEntry(self._sequence, fact))
        self._sequence += 1

    # Market ------------------------------------------------------------------

    def _on_view(self, view: BookView) -> None:
        symbol = view.symbol
        self._views[symbol] = view
        outcomes = self._venue.meet(view)
        for outcome in outcomes:
            self._on_outcome(outcome)
        position = self.ledger.positions.get(symbol)
        if position is not None:
            self.ledger.take_mark(position, view)
        if position is not None or outcomes:
            self._check_equity()
        if position is None or self._has_expired_exit(outcomes):
            return
        exit_price = view.best_bid if position.is_long else view.best_ask
        self._consider_exit(position, exit_price)

    def _has_expired_exit(self, outcomes: list[Fill | OrderReport]) -> bool:
        """Whether an exit has just expired: it is sent again on the next view."""
        return any(
            isinstance(outcome, OrderReport)
            and outcome.status is OrderStatus.EXPIRED
            and outcome.symbol in self.ledger.positions
            and self.ledger.positions[outcome.symbol].closing is not None
            for outcome in outcomes
        )

    def _on_tick(self, tick: ClockTick) -> None:
        if tick.skew_ms is not None:
            self._skew_ms = tick.skew_ms
        for position in list(self.ledger.positions.values()):
            if self._is_mark_lost(position.symbol):
                position.closing = position.closing or Purpose.MARK_LOST
                self._consider_exit(position, None)
            elif not self._is_synced(position.symbol):
                self._consider_exit(position, None)
        self._tell_equity()

    def _check_equity(self) -> None:
        """Revalue, and trip the kill switch where a loss limit is reached."""
        marked = self.ledger.revalue(self._now_ns)
        limits = self._gate.limits
        if marked.day_pnl <= -limits.max_daily_loss:
            detail = f"day P&L {marked.day_pnl} at limit -{limits.max_daily_loss}"
            self._trip(KillReason.DAILY_LOSS, detail)
        elif marked.drawdown >= limits.max_drawdown:
            detail = f"drawdown {marked.drawdown} at limit {limits.max_drawdown}"
            self._trip(KillReason.DRAWDOWN, detail)

    def _tell_equity(self) -> None:
        marked = self.ledger.revalue(self._now_ns)
        if marked.equity != self._equity_told:
            self._equity_told = marked.equity
            self._emit(marked)

    # Venue -------------------------------------------------------------------

    def _on_outcome(self, outcome: Fill | OrderReport) -> None:
        self._emit(outcome)
        working = self._working[outcome.symbol]
        order = working.order
        if isinstance(outcome, Fill):
            working.fill(outcome)
            changed, closed = self.ledger.apply(outcome, order.purpose)
            if order.limit_price is not None:
                reserved = outcome.quantity * order.limit_price
                self._gate.release(order.client_order_id, reserved)
            self._emit(changed)
            if closed is not None:
                self._emit(closed)
            return
        working.report(outcome)
        if outcome.status.is_final:
            del self._working[outcome.symbol]
            self._gate.release(order.client_order_id, None)

    def _send(self, approved: Approved) -> None:
        order = approved.order
        if self.kill_switch.is_latched and not order.is_reduce_only:
            msg = f"Order {order.client_order_id} would increase risk while killed"
            raise RiskLimitBreached(msg)
        self._emit(approved)
        self._working[order.symbol] = WorkingOrder(order)
        self._venue.submit(approved)

    def _next_order_id(self) -> str:
        self._orders += 1
        return f"{self._order_prefix}-{self._orders}"

    # Entries -----------------------------------------------------------------

    def _on_signal(self, signal: Signal) -> None:
        self._emit(signal)
        if refusal := self._why_no_entry(signal):
            self._emit(refusal)
            return
        view = self._views[signal.symbol]
        instrument = self._instruments.find(
            signal.symbol, view.price_decimals, view.quantity_decimals
        )
        planned = plan_entry(
            signal, instrument, self._rules.entry, self._next_order_id()
        )
        if isinstance(planned, Order):
            judged = self._gate.approve_entry(planned, self.ledger.exposures())
            if isinstance(judged, Approved):
                self._send(judged)
                return
            planned = judged
        self._emit(planned)

    def _why_no_entry(self, signal: Signal) -> Refused | None:
        """The first rule that forbids an entry now, with its numbers."""
        for check in (
            self._refuse_by_operator,
            self._refuse_by_symbol,
            self._refuse_by_data,
            self._refuse_by_venue,
            self._refuse_by_order_rate,
        ):
            if found := check(signal.symbol):
                reason, value, limit = found
                return Refused(
                    received_ns=self._now_ns,
                    symbol=signal.symbol,
                    side=signal.side,
                    reason=reason,
                    value=None if value is None else Decimal(value),
                    limit=None if limit is None else Decimal(limit),
                )
        return None

    def _refuse_by_operator(self, symbol: str) -> _Grounds | None:
        if self.kill_switch.is_latched:
            return RefusalReason.KILLED, None, None
        if self._is_paused:
            return RefusalReason.PAUSED, None, None
        if not self._views[symbol].is_traded:
            return RefusalReason.NOT_TRADED, None, None
        return None

    def _refuse_by_symbol(self, symbol: str) -> _Grounds | None:
        if symbol in self.ledger.positions:
            return RefusalReason.POSITION_OPEN, None, None
        if symbol in self._working:
            return RefusalReason.ORDER_IN_FLIGHT, None, None
        closed_ns = self.ledger.closed_ns.get(symbol)
        cooldown_ms = self._rules.cooldown_ms
        if closed_ns is not None:
            elapsed_ns = self._now_ns - closed_ns
            if elapsed_ns < cooldown_ms * NS_PER_MS:
                return RefusalReason.COOLDOWN, elapsed_ns // NS_PER_MS, cooldown_ms
        return None

    def _refuse_by_data(self, symbol: str) -> _Grounds | None:
        if not self._is_synced(symbol):
            return RefusalReason.BOOK_NOT_SYNCED, None, None
        if any(self._is_mark_lost(held) for held in self.ledger.positions):
            return RefusalReason.MARK_UNKNOWN, None, self._gate.limits.mark_max_age_ms
        if self._views[symbol].is_beyond_horizon:
            return RefusalReason.DEPTH_HORIZON, None, None
        return None

    def _refuse_by_venue(self, _symbol: str) -> _Grounds | None:
        if not self._venue_status.is_reconciled:
            return RefusalReason.UNRECONCILED, None, None
        if self._now_ns < self._venue_status.rate_limited_until_ns:
            return RefusalReason.RATE_LIMITED, None, None
        max_skew_ms = self._gate.limits.max_clock_skew_ms
        if abs(self._skew_ms) > max_skew_ms:
            return RefusalReason.CLOCK_SKEW, self._skew_ms, max_skew_ms
        return None

    def _refuse_by_order_rate(self, _symbol: str) -> _Grounds | None:
        if not self._trip_on_order_rate():
            return None
        sent = self._gate.orders_in_last_minute(self._now_ns)
        limit = self._gate.limits.max_orders_per_minute
        return RefusalReason.ORDER_RATE, sent, limit

    def _trip_on_order_rate(self) -> bool:
        """Trip the kill switch where one more order would pass the order rate."""
        if not self._gate.is_rate_exhausted(self._now_ns):
            return False
        limit = self._gate.limits.max_orders_per_minute
        detail = f"one more order would pass {limit} a minute"
        self._trip(KillReason.ORDER_RATE, detail)
        return True

    def _is_synced(self, symbol: str) -> bool:
        return self._states.get(symbol) is BookState.SYNCED

    def _is_mark_lost(self, symbol: str) -> bool:
        age_ns = self._gate.limits.mark_max_age_ms * NS_PER_MS
        return self.ledger.is_mark_older(symbol, self._now_ns, age_ns)

    # Exits -------------------------------------------------------------------

    def _consider_exit(self, position: Position, exit_price: Decimal | None) -> None:
        """Send a reduce-only market order where the position is due to be left."""
        if position.symbol in self._working:
            return
        position.closing = position.closing or self._forced_exit()
        due = position.due_exit(exit_price, self._now_ns, self._rules.exit)
        if due is None:
            return
        position.closing = due
        self._trip_on_order_rate()
        self._exit(position, due)

    def _forced_exit(self) -> Purpose | None:
        if self.kill_switch.is_latched:
            return Purpose.KILL
        return Purpose.FLATTEN if self._is_flattening else None

    def _exit(self, position: Position, purpose: Purpose) -> None:
        if position.symbol in self._working:
            return
        order = Order(
            received_ns=self._now_ns,
            symbol=position.symbol,
            client_order_id=self._next_order_id(),
            side=position.side.opposite,
            order_type=OrderType.MARKET,
            purpose=purpose,
            quantity=position.quantity,
            limit_price=None,
            is_reduce_only=True,
            notional=abs(position.open_value(self.ledger.mark(position.symbol))),
        )
        self._send(self._gate.approve_exit(order))

    def _close_everything(self, purpose: Purpose) -> None:
        """Withdraw entries in flight and leave every position."""
        for working in list(self._working.values()):
            if working.order.purpose is Purpose.ENTRY:
                report = self._venue.cancel(working.order, self._now_ns)
                if report is not None:
                    self._on_outcome(report)
        for position in list(self.ledger.positions.values()):
            position.closing = position.closing or purpose
            self._exit(position, position.closing)

    # Operator and kill switch --------------------------------------------------

    def _trip(self, reason: KillReason, detail: str) -> None:
        day = self.ledger.curve.day
        tripped = self.kill_switch.trip(reason, detail, self._now_ns, day)
        if tripped is not None:
            self._emit(tripped)
            self._close_everything(Purpose.KILL)

    def _on_command(self, command: Command) -> None:
        refusal = self._obey(command)
        self._emit(
            CommandHandled(
                received_ns=self._now_ns,
                symbol="",
                verb=command.verb,
                operator=command.operator,
                reason=command.reason,
                is_accepted=refusal is None,
                detail=refusal or "",
            )
        )

    def _obey(self, command: Command) -> str | None:
        """Carry out a command; why not, where it must be refused."""
        match command.verb:
            case Verb.PAUSE:
                self._is_paused = True
            case Verb.RESUME:
                self._is_paused = self._is_flattening = False
            case Verb.FLATTEN | Verb.STOP:
                self._is_paused = self._is_flattening = True
                self._close_everything(Purpose.FLATTEN)
            case Verb.KILL:
                self._trip(KillReason.COMMAND, command.reason)
            case Verb.RESET:
                return self._reset(command)
        return None

    def _reset(self, command: Command) -> str | None:
        refusal = self.kill_switch.why_not_reset(
            reason=command.reason,
            rebase_peak=command.rebase_peak,
            is_flat=not self.ledger.positions and not self._working,
            day=self.ledger.curve.day,
        )
        if refusal is not None:
            return refusal
        self.kill_switch.reset()
        if command.rebase_peak:
            self.ledger.curve.rebase_peak()
        self._emit(
            KillReset(
                received_ns=self._now_ns,
                symbol="",
                operator=command.operator,
                reason=command.reason,
                is_peak_rebased=command.rebase_peak,
            )
        )
        return None

    def _end(self, _: object) -> None:
        for report in self._venue.end(self._now_ns):
            self._on_outcome(report)
        self._tell_equity()
        curve = self.ledger.curve
        self._emit(
            RunEnded(
                received_ns=self._now_ns,
                symbol="",
                equity=curve.equity,
                max_drawdown=curve.max_drawdown,
            )
        )
