"""The account: turns signals into orders, and orders into positions and equity.

One object decides, with everything decided before it in sight. It takes events in
their one order and returns what the journal must hold, in order.

    watch      what is known of books, clock and venue
    refusal    why a signal may not become an order; `entry` sizes the order if it may
    execution  sends what the risk gate approves, and books what comes back
    ledger     positions, cash, equity
    control    pause, flatten, kill
"""

import decimal
from collections.abc import Callable, Iterable, Mapping
from typing import TypeVar, assert_never

import msgspec

from flows.domain.books import PassedOn
from flows.domain.cash import CashMoved
from flows.domain.control import Controls
from flows.domain.entry import EntryRules, plan_entry
from flows.domain.equity import EquityMarked
from flows.domain.event import (
    AccountOpening,
    ClockTick,
    Command,
    ExecutionTold,
    InstrumentsTold,
    VenueStatus,
)
from flows.domain.execution import Execution
from flows.domain.imbalance import Imbalance
from flows.domain.instrument import Instruments
from flows.domain.kill import KillReason
from flows.domain.ledger import Ledger
from flows.domain.order import (
    Order,
    OutsideFill,
    ProtectiveStop,
    Purpose,
    WorkingOrder,
)
from flows.domain.position import ExitRules, Position
from flows.domain.refusal import EntryCheck
from flows.domain.risk import Refused, RiskGate
from flows.domain.run import (
    AccountOpened,
    JournalEntry,
    Reconciled,
    RunEnded,
    RunStarted,
    Transcript,
)
from flows.domain.signal import Signal
from flows.domain.symbol_book import BookStateChanged
from flows.domain.units import EXACT, NS_PER_MS
from flows.domain.venue import Venue
from flows.domain.view import BookView
from flows.domain.watch import Watch

AccountEvent = Imbalance | Signal | BookStateChanged | PassedOn

_X = TypeVar("_X")


class TradingRules(msgspec.Struct, frozen=True):
    """How the strategy enters and leaves."""

    entry: EntryRules
    exit: ExitRules
    cooldown_ms: int
    """No entry into a symbol for this long after its closing fill."""


class Account:
    """Decides, executes on paper, and accounts for every consequence.

    Arithmetic runs under `EXACT`: it is exact or raises. Whatever raises in here trips
    the kill switch, because an account that cannot compute must not trade; nothing
    raises out of it. While killed or flattening, every event tries again to withdraw
    entries and to leave what is still open.
    """

    def __init__(
        self,
        started: RunStarted,
        rules: TradingRules,
        gate: RiskGate,
        venue: Venue,
        instruments: Instruments,
    ) -> None:
        limits = gate.limits
        self.gate = gate
        self.ledger = Ledger(limits.capital)
        self.last_error = ""
        """The last exception in here, also where the kill switch was latched before."""
        self.exits = rules.exit
        """When positions are left."""
        self._rules = rules
        self._instruments = instruments
        self._mark_max_age_ns = limits.mark_max_age_ms * NS_PER_MS
        self._equity_told: EquityMarked | None = None
        self.watch = Watch()
        """The last word on books, clock and venue."""
        self._transcript = Transcript(started)
        self.controls = Controls(self._transcript, self.ledger.curve, limits)
        self.kill_switch = self.controls.kill_switch
        self._execution = Execution(
            self._transcript,
            self.controls,
            self.ledger,
            gate,
            venue,
            order_prefix=started.order_prefix,
        )
        self._entry_check = EntryCheck(
            self.watch,
            self.controls,
            self.ledger,
            self._execution.working,
            limits=limits,
            instruments=instruments,
            cooldown_ms=rules.cooldown_ms,
        )

    @property
    def is_flat(self) -> bool:
        """Whether nothing is held and no order is in flight."""
        return not (self.ledger.positions or self._execution.working)

    @property
    def working(self) -> Mapping[str, WorkingOrder]:
        """Orders in flight by symbol."""
        return self._execution.working

    def entering(self) -> list[str]:
        """Symbols with an order in flight that may increase a position."""
        return [
            symbol
            for symbol, working in self.working.items()
            if not working.order.is_reduce_only
        ]

    def apply(self, events: Iterable[AccountEvent]) -> list[JournalEntry]:
        """Take events in order; everything they caused, in order."""
        with decimal.localcontext(EXACT):
            for event in events:
                self._guard(self._dispatch, event)
                closing = self.controls.closing
                if closing is not None:
                    self._close_everything(closing)
                    if self.is_flat and self.watch.venue.is_reconciled:
                        self.controls.on_flat()
        return self._transcript.take()

    def end(self) -> list[JournalEntry]:
        """Close the run at the end of input: report what is still in flight."""
        transcript, curve = self._transcript, self.ledger.curve
        transcript.at(transcript.now_ns)  # a run without an event has begun, too
        with decimal.localcontext(EXACT):
            self._guard(self._settle, transcript.now_ns)
            self._guard(self._mark_equity, transcript.now_ns)
        transcript.add(
            RunEnded(
                received_ns=transcript.now_ns,
                symbol="",
                equity=curve.equity,
                max_drawdown=curve.max_drawdown,
            )
        )
        return transcript.take()

    def _settle(self, now_ns: int) -> None:
        for report in self._execution.venue.end(now_ns):
            self._guard(self._execution.book, report)

    def _guard(self, handle: Callable[[_X], None], subject: _X) -> None:
        """Run a step; an exception latches the kill switch and goes no further."""
        try:
            handle(subject)
        except Exception as error:  # noqa: BLE001 - an unknown P&L must stop trading
            self.last_error = f"{type(error).__name__}: {error}"
            self.controls.trip(KillReason.ACCOUNT_ERROR, self.last_error)

    def _dispatch(self, event: AccountEvent) -> None:
        if isinstance(event, Imbalance):  # of a hundred events, ninety-nine
            self._transcript.at(event.view.received_ns)
            self._on_view(event.view)
            return
        self._transcript.at(event.received_ns)
        match event:
            case Signal():
                self._on_signal(event)
            case BookStateChanged():
                self.watch.on_state(event)
                self._transcript.add(event)
            case ClockTick():
                self._on_tick(event)
            case Command():
                self._on_command(event)
            case VenueStatus():
                self._on_venue(event)
            case InstrumentsTold():
                self._instruments.update(event.instruments)
            case AccountOpening():
                self._on_opening(event)
            case ExecutionTold():
                self._on_execution(event)
            case _:
                assert_never(event)

    def _on_view(self, view: BookView) -> None:
        """Let orders meet the view, revalue what is held, then see what to leave."""
        if not self.watch.on_view(view):
            return
        positions = self.ledger.positions
        position = positions.get(view.symbol)
        if position is not None:
            position.is_exit_expired = False
        outcomes = self._execution.venue.meet(view)
        if outcomes:
            for outcome in outcomes:
                self._guard(self._execution.book, outcome)
            position = positions.get(view.symbol)
        if position is not None:
            exit_price = self.ledger.take_mark(position, view)
            self._check_equity(view.received_ns)
            due = position.due_exit(exit_price, view.received_ns, self.exits)
            if due is not None:
                self._execution.leave(position, due)
        elif outcomes:
            self._check_equity(view.received_ns)

    def _on_signal(self, signal: Signal) -> None:
        self._transcript.add(signal)
        decided = self._entry_check.why_not(signal) or self._plan_entry(signal)
        if isinstance(decided, Order):
            self._execution.enter(decided)
        else:
            self._transcript.add(decided)

    def _plan_entry(self, signal: Signal) -> Order | Refused:
        view = self.watch.views[signal.symbol]
        instrument = self._instruments.find(
            signal.symbol, view.price_decimals, view.quantity_decimals
        )
        order_id = self._execution.next_order_id
        return plan_entry(signal, instrument, self._rules.entry, order_id)

    def _on_tick(self, tick: ClockTick) -> None:
        """Revalue, and leave what no view can any more be relied on to leave."""
        self.watch.on_tick(tick)
        self._mark_equity(tick.received_ns)
        for position in list(self.ledger.positions.values()):
            position.is_exit_expired = False
            due = self._due_unseen(position, tick.received_ns)
            if due is not None:
                self._execution.leave(position, due)

    def _due_unseen(self, position: Position, now_ns: int) -> Purpose | None:
        symbol = position.symbol
        if self.ledger.is_mark_older(symbol, now_ns, self._mark_max_age_ns):
            return Purpose.MARK_LOST
        if self.watch.is_synced(symbol):
            return None
        return position.due_exit_unseen(now_ns, self.exits)

    def _on_opening(self, event: AccountOpening) -> None:
        """Go on where an earlier run ended; replaces everything, once settled."""
        now_ns, opening = event.received_ns, event.opening
        self._settle(now_ns)
        self.ledger.restore(opening, now_ns)
        self.gate.restore(opening.sent_ns, opening.capital)
        self.controls.restore(opening)
        self._transcript.add(
            AccountOpened(received_ns=now_ns, symbol="", opening=opening)
        )
        self._execution.begin(opening)
        self._mark_equity(now_ns)

    def _on_venue(self, status: VenueStatus) -> None:
        """Journal whether the venue is reconciled, where that has changed."""
        before = self.watch.venue
        self.watch.on_venue(status)
        told = status.is_reconciled, status.reason
        if told != (before.is_reconciled, before.reason):
            self._transcript.add(
                Reconciled(
                    received_ns=status.received_ns,
                    symbol="",
                    is_reconciled=status.is_reconciled,
                    reason=status.reason,
                )
            )
        if status.is_lost:
            self.controls.trip(KillReason.RECONCILIATION, status.reason)

    def _on_execution(self, event: ExecutionTold) -> None:
        """Book what an exchange did, at the time at which it was told."""
        now_ns = event.received_ns
        outcome = msgspec.structs.replace(event.outcome, received_ns=now_ns)
        match outcome:
            case ProtectiveStop():
                self._transcript.add(outcome)
                return
            case CashMoved():
                self._transcript.add(outcome)
                self.ledger.move(outcome)
            case OutsideFill():
                self._execution.adopt(outcome)
            case _:
                self._execution.book(outcome)
        self._check_equity(now_ns)

    def _on_command(self, command: Command) -> None:
        for position in self.ledger.positions.values():
            position.is_exit_expired = False
        self.controls.obey(
            command,
            is_flat=self.is_flat,
            is_reconciled=self.watch.venue.is_reconciled,
        )

    def _close_everything(self, purpose: Purpose) -> None:
        """Withdraw entries in flight and leave every position, each on its own."""
        execution = self._execution
        for working in list(execution.working.values()):
            if not working.order.is_reduce_only:
                self._guard(execution.withdraw, working)
        for position in list(self.ledger.positions.values()):
            self._guard(lambda held: execution.leave(held, purpose), position)

    def _check_equity(self, now_ns: int) -> None:
        """Revalue, and trip the kill switch where a loss limit is reached."""
        self.ledger.revalue(now_ns)
        self.controls.judge_equity()

    def _mark_equity(self, now_ns: int) -> None:
        """Revalue, and journal the account's worth where it has changed."""
        self._check_equity(now_ns)
        marked = self.ledger.marked(now_ns)
        told = self._equity_told
        if told is None or told != msgspec.structs.replace(
            marked, received_ns=told.received_ns
        ):
            self._equity_told = marked
            self._transcript.add(marked)
