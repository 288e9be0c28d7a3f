"""Runs between restarts decide what one uninterrupted account would have decided.

The judge is an account that never stops. At a restart it loses what every account then
loses: the orders in flight and the books. From there both must tell the same facts,
but for the numbers in their order ids. Two things are beyond a journal: the mark of a
held symbol, which is handed over, and what happened since the last clock tick, so that
each run ends right after one.
"""

from collections.abc import Callable
from decimal import Decimal

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from flows.domain.account import AccountEvent
from flows.domain.event import AccountOpening, Verb
from flows.domain.ledger import Ledger
from flows.domain.opening import Opening
from flows.domain.order import Fill, OrderReport
from flows.domain.rebuild import opening_after
from flows.domain.risk import Approved
from flows.domain.run import JournalEntry, Journalled
from flows.domain.side import Side
from flows.domain.symbol_book import BookState
from flows.domain.units import plain, unscaled
from tests.domain.scene import Scene, only, repeatable

SYMBOLS = ("AAAUSDT", "BBBUSDT", "CCCUSDT")
Changes = dict[str, object]

NEAR: dict[str, Changes] = {
    "day": {"max_daily_loss": Decimal(7)},
    "drawdown": {"max_drawdown": Decimal(6)},
    "rate": {"max_orders_per_minute": 6},
}
"""A limit that many stories reach; the others are far."""


class Restarted(Scene):
    """A scene whose account is stopped and begun again, beside one that goes on."""

    def __init__(self, changes: Changes) -> None:
        self.changes: Changes = {**changes, "mark_max_age_ms": 10**9}
        super().__init__(**self.changes)
        self.judge = Scene(**self.changes)
        self.mids = dict.fromkeys(SYMBOLS, 10_000)
        self.expected: list[Journalled] = []
        self.begin(Opening())

    def feed(self, *events: AccountEvent) -> list[object]:
        """Both accounts take the events."""
        self.expected += _facts(self.judge.account.apply(events))
        return super().feed(*events)

    def begin(self, opening: Opening) -> None:
        """A new run, whose first event is its opening; its books are still unknown."""
        fresh = Scene(**self.changes)
        self.account, self.gate, self.venue = fresh.account, fresh.gate, fresh.venue
        event = AccountOpening(self.now_ns, opening)
        self.entries = self.account.apply([event])
        self.expected = []
        for symbol in SYMBOLS:
            self.state(BookState.BRIDGING, symbol)
        self.venue_status()
        self.tick(0)
        assert _by_symbol(_facts(self.entries)) == _by_symbol(self.expected)
        self.told = len(self.entries)
        self.expected = []

    def restart(self, gap_ms: int, *, is_orderly: bool) -> None:
        """The run ends, at its end of input or killed, and the next one begins."""
        self.tick()
        self.assert_agree()
        opening = opening_after(_facts(self.entries))
        unfilled = [report.client_order_id for report in only(OrderReport, self.end())]
        if is_orderly:
            unfilled, opening = [], opening_after(_facts(self.entries))
        assert opening is not None
        assert [lost.order.client_order_id for lost in opening.lost_orders] == unfilled
        self.judge.end()
        ledger = self.judge.account.ledger
        assert [held.symbol for held in opening.positions] == list(ledger.positions)
        seen = [
            msgspec.structs.replace(held, mark=ledger.mark(held.symbol))
            for held in opening.positions
        ]
        self.wait(gap_ms)
        self.begin(msgspec.structs.replace(opening, positions=tuple(seen)))

    def assert_agree(self) -> None:
        """Since the run began, both accounts have told the same and stand the same."""
        facts = _facts(self.entries)[self.told :]
        assert _numbered(facts) == _numbered(self.expected)
        mine, theirs = self.account, self.judge.account
        assert mine.last_error == theirs.last_error == ""
        assert mine.kill_switch.tripped == theirs.kill_switch.tripped
        assert mine.ledger.closed_ns == theirs.ledger.closed_ns
        mine_curve, their_curve = mine.ledger.curve, theirs.ledger.curve
        assert mine_curve.equity == their_curve.equity
        assert mine_curve.peak == their_curve.peak
        assert mine_curve.day_start == their_curve.day_start
        assert mine_curve.day_fees == their_curve.day_fees
        assert mine_curve.day_gross == their_curve.day_gross
        for account in (mine, theirs):
            assert_sums(account.ledger)
        assert self.gate.gross_exposure({}) == self.judge.gate.gross_exposure({})
        now_ns = self.now_ns
        assert self.gate.orders_in_last_minute(
            now_ns
        ) == self.judge.gate.orders_in_last_minute(now_ns)

    def show(self, symbol: str, quantity: str = "500") -> None:
        """The book shows one level a side, a cent apart."""
        bid, ask = (plain(unscaled(self.mids[symbol] + i, 2)) for i in (-1, 0))
        self.view([(bid, quantity)], [(ask, quantity)], symbol)


def assert_sums(ledger: Ledger) -> None:
    """Gross less fees with funding is the net, of the day and of all time."""
    curve = ledger.curve
    day = curve.day_gross - curve.day_fees + curve.day_funding
    assert day == curve.day_pnl
    net = ledger.gross - ledger.fees + ledger.funding
    assert net == curve.equity - curve.capital


def _facts(entries: list[JournalEntry]) -> list[Journalled]:
    return [entry.fact for entry in entries]


def _by_symbol(facts: list[Journalled]) -> dict[str, Approved]:
    """The exits sent at once; which symbol's comes first does not matter."""
    return {fact.symbol: _anonymous(fact) for fact in only(Approved, facts)}


def _anonymous(approved: Approved) -> Approved:
    order = msgspec.structs.replace(approved.order, client_order_id="")
    return msgspec.structs.replace(approved, order=order)


def _numbered(facts: list[Journalled]) -> list[Journalled]:
    """The facts with orders and trades named by their symbol: one order a symbol."""
    named: list[Journalled] = []
    for fact in facts:
        match fact:
            case Approved():
                named.append(_anonymous(fact))
            case Fill():
                ids = {"client_order_id": "", "trade_id": ""}
                named.append(msgspec.structs.replace(fact, **ids))
            case OrderReport():
                named.append(msgspec.structs.replace(fact, client_order_id=""))
            case _:
                named.append(fact)
    return named


Action = Callable[[Restarted], object]


def _move(symbol: str, move: int, quantity: str, milliseconds: int) -> Action:
    def act(runs: Restarted) -> None:
        runs.wait(milliseconds)
        runs.mids[symbol] += move
        runs.show(symbol, quantity)

    return act


def _trend(move: int) -> Action:
    def act(runs: Restarted) -> None:
        for _ in range(2):
            runs.wait(20)
            for symbol in SYMBOLS:
                runs.show(symbol)
            runs.mids = {symbol: mid + move for symbol, mid in runs.mids.items()}

    return act


def _enter(chosen: list[str], side: Side, *, is_met: bool) -> Action:
    def act(runs: Restarted) -> None:
        for symbol in chosen:
            runs.state(BookState.SYNCED, symbol)
            runs.show(symbol)
            runs.signal(side, symbol)
        runs.wait(20)
        for symbol in chosen if is_met else ():
            runs.show(symbol)

    return act


def _command(verb: Verb, *, rebase_peak: bool) -> Action:
    return lambda runs: runs.command(verb, "because", rebase_peak=rebase_peak)


def _recover(runs: Restarted) -> None:
    runs.wait(20)
    for symbol in SYMBOLS:
        runs.state(BookState.SYNCED, symbol)
        runs.show(symbol)
    runs.command(Verb.RESUME)
    runs.command(Verb.RESET, "looked into it", rebase_peak=True)


def _pass(milliseconds: int) -> Action:
    return lambda runs: runs.wait(milliseconds).tick()


def _lose(symbol: str) -> Action:
    return lambda runs: runs.state(BookState.GAP, symbol)


def _restart(gap_ms: int, *, is_orderly: bool) -> Action:
    return lambda runs: runs.restart(gap_ms, is_orderly=is_orderly)


symbols = st.sampled_from(SYMBOLS)
moves = st.builds(
    _move,
    symbols,
    st.sampled_from([-60, -16, -3, 0, 3, 21, 60]),
    st.sampled_from(["500", "500", "4"]),
    st.sampled_from([1, 20, 900]),
)
trends = st.builds(_trend, st.sampled_from([-60, 60]))
entering = st.builds(
    _enter,
    st.lists(symbols, min_size=1, max_size=3, unique=True),
    st.sampled_from(Side),
    is_met=st.sampled_from([True, True, False]),
)
commands = st.builds(
    _command,
    st.sampled_from([Verb.PAUSE, Verb.RESUME, Verb.KILL, Verb.RESET]),
    rebase_peak=st.booleans(),
)
restarts = st.builds(
    _restart,
    st.sampled_from([0, 300, 2_000, 61_000, 13 * 3_600_000]),
    is_orderly=st.booleans(),
)
passing = st.builds(_pass, st.sampled_from([1, 1_000, 59_000, 13 * 3_600_000]))
stories = st.lists(
    st.one_of(
        entering,
        moves,
        entering,
        moves,
        restarts,
        restarts,
        commands,
        passing,
        trends,
        st.builds(_lose, symbols),
        st.just(_recover),
    ),
    min_size=3,
    max_size=20,
)


@pytest.mark.parametrize("near", NEAR)
@repeatable
@given(story=stories)
def test_opening_after_any_restarts_decides_like_one_account(
    near: str, story: list[Action]
) -> None:
    runs = Restarted(NEAR[near])
    for act in story:
        act(runs)
    runs.restart(0, is_orderly=False)
    for symbol in SYMBOLS:
        runs.state(BookState.SYNCED, symbol)
        runs.show(symbol)
        runs.signal(Side.BUY, symbol)
    runs.assert_agree()
