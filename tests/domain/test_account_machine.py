"""Any sequence of events leaves an account that an auditor finds in order."""

import decimal
from decimal import Decimal

import msgspec
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    rule,
)

from flows.domain.account import AccountEvent
from flows.domain.equity import EquityCurve
from flows.domain.event import AccountOpening, ClockTick, Command, VenueStatus, Verb
from flows.domain.imbalance import Imbalance, Zone
from flows.domain.opening import HeldPosition, Opening
from flows.domain.rebuild import opening_after
from flows.domain.run import RunEnded
from flows.domain.side import Side
from flows.domain.symbol_book import BookState, BookStateChanged
from flows.domain.units import EXACT, NS_PER_DAY, NS_PER_MS, plain, unscaled
from tests.domain.auditor import Audit
from tests.domain.scene import RULES, START_NS, Scene, signal_of, view_of

SYMBOLS = ("AAAUSDT", "BBBUSDT", "CCCUSDT", "DDDUSDT", "EEEUSDT")
symbols = st.sampled_from(SYMBOLS)
sides = st.sampled_from(Side)
quantities = st.sampled_from(["0.001", "0.4", "3", "9.995", "500"])
moves = st.sampled_from([-120, -30, -10, -1, 0, 0, 0, 1, 10, 21, 30, 120])
bursts = st.lists(symbols, min_size=2, max_size=5, unique=True)
verbs = st.sampled_from([*Verb, Verb.RESUME, Verb.RESUME, Verb.RESET, Verb.RESET])
steps_ms = st.sampled_from([1, 19, 20, 60, 450, 1000, 1000, 5000, 59_000])


class AccountMachine(RuleBasedStateMachine):
    """Views, signals, states, ticks, commands and venue news in any order."""

    def __init__(self) -> None:
        super().__init__()
        self.events: list[AccountEvent] = []
        self.mids = dict.fromkeys(SYMBOLS, 10_000)

    @initialize(
        order_notional=st.sampled_from([6, 700, 990, 999, 1100]),
        max_daily_loss=st.sampled_from([4, 25, 500]),
        max_drawdown=st.sampled_from([8, 1000]),
        max_orders_per_minute=st.sampled_from([3, 20, 60]),
    )
    def open(
        self,
        order_notional: int,
        max_daily_loss: int,
        max_drawdown: int,
        max_orders_per_minute: int,
    ) -> None:
        """Four instruments' quarters use up the capital; the loss limits are near."""
        self.changes: dict[str, object] = {
            "capital": Decimal(4000),
            "order_notional": Decimal(order_notional),
            "max_daily_loss": Decimal(max_daily_loss),
            "max_drawdown": Decimal(max_drawdown),
            "max_orders_per_minute": max_orders_per_minute,
        }
        self.scene = Scene(**self.changes)
        self.audit = Audit(self.scene.gate.limits, RULES)
        self.enter(list(SYMBOLS), Side.BUY)

    def feed(self, event: AccountEvent) -> None:
        """Apply an event alone, and audit what it caused."""
        self.events.append(event)
        before = len(self.scene.entries)
        self.scene.feed(event)
        with decimal.localcontext(EXACT):
            self.audit.check(event, self.scene.entries[before:])

    def show(
        self,
        symbol: str,
        lots: list[str],
        *,
        horizon: bool = False,
        traded: bool = True,
    ) -> None:
        """The book shows up to three levels a side, a cent apart."""
        mid, half = self.mids[symbol], len(lots) // 2
        bids = [(_price(mid - 1 - i), q) for i, q in enumerate(lots[:half])]
        asks = [(_price(mid + i), q) for i, q in enumerate(lots[half:])]
        view = view_of(
            symbol,
            self.scene.now_ns,
            bids,
            asks,
            is_beyond_horizon=horizon,
            is_traded=traded,
        )
        self.scene.last_view[symbol] = view
        self.feed(Imbalance(view, Zone.NEUTRAL))

    def enter_state(self, symbol: str, state: BookState) -> None:
        """The book changes its state, or enters the same one again."""
        self.feed(
            BookStateChanged(
                received_ns=self.scene.now_ns,
                symbol=symbol,
                before=BookState.BRIDGING,
                after=state,
                update_id=None,
            )
        )

    @rule(milliseconds=steps_ms)
    def wait(self, milliseconds: int) -> None:
        """Time passes."""
        self.scene.wait(milliseconds)

    @rule()
    def pass_midnight(self) -> None:
        """It is the next UTC day."""
        now_ns = self.scene.now_ns
        self.scene.now_ns = (now_ns // NS_PER_DAY + 1) * NS_PER_DAY

    @rule(
        symbol=symbols,
        move=moves,
        lots=st.lists(quantities, max_size=6),
        horizon=st.sampled_from([False] * 9 + [True]),
        traded=st.sampled_from([True] * 9 + [False]),
    )
    def view(
        self, symbol: str, move: int, lots: list[str], horizon: bool, traded: bool
    ) -> None:
        """A book moves and shows any depth: thin, one-sided, empty."""
        self.scene.wait(1)
        self.mids[symbol] += move
        self.show(symbol, lots, horizon=horizon, traded=traded)

    @rule(chosen=bursts, move=moves)
    def trend(self, chosen: list[str], move: int) -> None:
        """Good books move together, and stay there until exits have arrived."""
        for symbol in chosen:
            self.mids[symbol] += move
        for _ in range(2):
            self.scene.wait(20)
            for symbol in chosen:
                self.show(symbol, ["500", "500"])

    @rule(symbol=symbols, side=sides)
    def signal(self, symbol: str, side: Side) -> None:
        """A signal, also where the book has never shown anything."""
        view = self.scene.last_view.get(symbol)
        if view is None:
            view = view_of(symbol, 0, [("1.00", "1")], [("1.01", "1")])
        signal = signal_of(view, side)
        self.feed(msgspec.structs.replace(signal, received_ns=self.scene.now_ns))

    @rule(chosen=bursts, side=sides)
    def enter(self, chosen: list[str], side: Side) -> None:
        """A burst of signals in good books, and the views that may fill the orders."""
        for symbol in chosen:
            self.enter_state(symbol, BookState.SYNCED)
            self.show(symbol, ["500", "500"])
        for symbol in chosen:
            self.signal(symbol, side)
        self.scene.wait(20)
        for symbol in chosen:
            self.show(symbol, ["500", "500"])

    @rule(symbol=symbols, state=st.sampled_from(BookState))
    def change_state(self, symbol: str, state: BookState) -> None:
        """A book stops or begins to be true."""
        self.enter_state(symbol, state)

    @rule(skew_ms=st.sampled_from([None, None, None, 0, 1000, -1001]))
    def tick(self, skew_ms: int | None) -> None:
        """The clock ticks."""
        self.scene.wait(1)
        self.feed(ClockTick(self.scene.now_ns, skew_ms))

    @rule(
        verb=verbs,
        reason=st.sampled_from([" ", "looked into it", "looked into it"]),
        rebase_peak=st.booleans(),
    )
    def command(self, verb: Verb, reason: str, rebase_peak: bool) -> None:
        """An operator says anything."""
        now_ns = self.scene.now_ns
        self.feed(Command(now_ns, verb, reason, "ann", rebase_peak=rebase_peak))

    @rule(rebase_peak=st.sampled_from([True, True, False]))
    def recover(self, rebase_peak: bool) -> None:
        """Everything is looked into, closed, reset and resumed."""
        self.feed(VenueStatus(self.scene.now_ns, is_reconciled=True))
        self.tick(0)
        self.scene.wait(20)
        for symbol in SYMBOLS:
            self.enter_state(symbol, BookState.SYNCED)
            self.show(symbol, ["500", "500"])
        self.command(Verb.RESUME, "well again", rebase_peak=False)
        self.command(Verb.RESET, "well again", rebase_peak=rebase_peak)

    @rule(is_reconciled=st.booleans(), pause_ms=st.sampled_from([0, 0, 500]))
    def venue_status(self, is_reconciled: bool, pause_ms: int) -> None:
        """The execution side tells what it knows."""
        now_ns = self.scene.now_ns
        self.feed(VenueStatus(now_ns, is_reconciled, now_ns + pause_ms * NS_PER_MS))

    @invariant()
    def agrees_with_the_auditor(self) -> None:
        """What the account knows is what the journal says."""
        account, audit = self.scene.account, self.audit
        assert account.last_error == ""
        assert account.kill_switch.is_latched is audit.is_killed
        assert account.ledger.curve.equity == audit.equity
        assert account.ledger.curve.peak == audit.peak
        self.check_day(account.ledger.curve)
        assert self.scene.gate.gross_exposure({}) == audit.reserved
        assert self.scene.positions == {
            symbol: abs(holding.quantity) for symbol, holding in audit.held.items()
        }

    def check_day(self, curve: EquityCurve) -> None:
        """The parts of the day's P&L are those that the journal says."""
        audit = self.audit
        if curve.day_end_ns != (audit.day + 1) * NS_PER_DAY:
            return  # nothing that is worth something has happened in it yet
        assert curve.day_pnl == audit.equity - audit.day_start
        assert curve.day_gross == audit.gross - audit.day_start_gross
        assert curve.day_fees == audit.fees - audit.day_start_fees

    def check_restart(self) -> None:
        """The journal alone gives the account that made it."""
        scene = Scene(**self.changes)
        scene.feed(AccountOpening(START_NS, Opening()), *self.events)
        opening = opening_after(entry.fact for entry in scene.entries)
        assert opening is not None
        account = scene.account
        kept = msgspec.structs.asdict(account.ledger.opening())
        told = msgspec.structs.asdict(opening)
        for name in ("cash", "fees", "closed_ns"):
            assert told[name] == kept[name]
        if told["day_end_ns"] == kept["day_end_ns"]:
            assert told["day_fees"] == kept["day_fees"]
        for ours, theirs in zip(opening.positions, kept["positions"], strict=True):
            assert _known(ours) == _known(theirs)
        now_ns = scene.entries[-1].fact.received_ns
        sent = [ns for ns in opening.sent_ns if ns > now_ns - 60_000_000_000]
        assert len(sent) == scene.gate.orders_in_last_minute(now_ns)
        assert (opening.killed_ns is not None) is account.kill_switch.is_latched
        assert {lost.order.symbol for lost in opening.lost_orders} == {
            order.order.symbol for order in account._execution.working.values()
        }

    def teardown(self) -> None:
        """All events in one batch give the same journal, and every order an end."""
        if not self.events:
            return
        self.check_restart()
        at_once = Scene(**self.changes)
        at_once.feed(*self.events)
        at_once.end()
        self.scene.end()
        assert at_once.entries == self.scene.entries
        assert self.scene.gate.gross_exposure({}) == 0
        ended = self.scene.entries[-1].fact
        assert isinstance(ended, RunEnded)
        assert ended.equity == self.audit.equity


def _known(held: HeldPosition) -> HeldPosition:
    """All but the mark, and the reason to leave that no order has told yet."""
    return msgspec.structs.replace(held, mark=Decimal(0), closing=None)


def _price(cents: int) -> str:
    return plain(unscaled(cents, 2))


TestAccountMachine = AccountMachine.TestCase
TestAccountMachine.settings = settings(
    max_examples=100,
    stateful_step_count=50,
    deadline=None,
    derandomize=True,
    suppress_health_check=[HealthCheck.too_slow],
)
