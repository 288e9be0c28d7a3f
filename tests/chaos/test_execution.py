"""Orders under every fault: what the exchange did stands in the journal, once."""

import os
from fractions import Fraction

import pytest

from connectors.exchange.fault import ACCOUNT_KINDS, USER_KINDS, Fault, Kind
from connectors.exchange.scenario import random_faults
from flows.domain.cash import CashMoved, CashReason
from flows.domain.event import Command, Verb
from flows.domain.order import (
    OrderReport,
    OrderStatus,
    ProtectiveStop,
    StopStatus,
)
from flows.domain.position import TradeClosed
from tests.chaos.trading import TradingRun

SYMBOLS = ["BTCUSDT", "ETHUSDT"]
RUN_S = 40
CALM_S = 45
"""Longer than a fault may last, and than an order may be given up for lost."""
SCENARIOS = range(500) if os.environ.get("MFT_CHAOS") == "all" else range(0, 500, 20)
TRADING_KINDS = tuple(
    kind
    for kind in Kind
    if kind in USER_KINDS | ACCOUNT_KINDS
    or kind
    in {
        Kind.LOST_ACK,
        Kind.TIMEOUT,
        Kind.UNKNOWN_OUTCOME,
        Kind.SERVICE_UNAVAILABLE,
        Kind.OVERLOAD,
        Kind.ORDER_LIMIT,
        Kind.CLOCK_SKEW,
        Kind.CANCEL_RACE,
        Kind.MAINTENANCE,
        Kind.SERVER_ERROR,
        Kind.RATE_LIMIT,
        Kind.BAN,
        Kind.LATENCY,
        Kind.CUT,
    }
)


def assert_proven(run: TradingRun) -> None:
    """Everything that must hold once the exchange has been calm for a while."""
    assert run.wrong == []
    assert run.excess == []
    assert run.execution.desk.is_idle, "an order's fate is not known"
    assert run.journalled_trades() == run.venue_trades()
    assert run.engine.held() == run.venue_positions()
    assert set(run.placed.values()) <= {1}
    assert set(run.venue_orders().values()) <= {1}, "an order arrived twice"
    held = {stop.terms.symbol for stop in run.venue.trading.algos.waiting()}
    assert held <= run.venue_positions().keys(), "a stop was left behind"
    assert run.venue_positions() == {}, "flat after a kill"
    curve = run.engine.account.ledger.curve
    profit = curve.equity - curve.capital
    assert profit == run.venue_profit(), "money is not accounted for"


def kill(run: TradingRun) -> None:
    run._tell_account(Command(run.now_ns, Verb.KILL, "drill", "ann"))


def test_execution_funding_while_positions_are_held_is_booked_once() -> None:
    run = TradingRun(SYMBOLS, seed=3)
    run.run(60)
    kill(run)
    run.run(10)
    assert_proven(run)
    bookings = run.venue.trading.ledger.bookings
    paid = [
        (b.symbol, b.amount, f"{b.kind} {b.transaction_id}")
        for b in bookings
        if b.kind == "FUNDING_FEE"
    ]
    moved = [f for f in run.facts if isinstance(f, CashMoved)]
    assert paid
    assert [(f.symbol, f.amount, f.booking_id) for f in moved] == paid
    assert {f.reason for f in moved} == {CashReason.FUNDING}


def test_execution_calm_exchange_agrees_to_the_last_digit() -> None:
    run = TradingRun(SYMBOLS, seed=3)
    run.run(60)
    assert len(run.placed) > 10
    kill(run)
    run.run(10)
    assert_proven(run)
    assert run.execution.reconciliation.is_reconciled


def test_execution_calm_exchange_every_position_has_a_stop_while_it_is_open() -> None:
    run = TradingRun(SYMBOLS, seed=3)
    bare: set[str] = set()
    for _ in range(600):
        run.run(Fraction(1, 10))
        stops = run.venue.trading.algos.waiting()
        covered = {(stop.terms.symbol, stop.terms.side.value) for stop in stops}
        held = {
            (symbol, "SELL" if amount > 0 else "BUY")
            for symbol, amount in run.venue_positions().items()
        }
        bare_now = {symbol for symbol, _ in held - covered}
        assert not bare & bare_now, "without a stop for a tenth of a second"
        bare = bare_now
    assert sum(isinstance(fact, TradeClosed) for fact in run.facts) > 10
    sent = [f for f in run.facts if isinstance(f, ProtectiveStop)]
    assert {f.status for f in sent} >= {StopStatus.WORKING, StopStatus.ENDED}


NEEDS_RESTING_ORDERS = {Kind.CANCEL_RACE, Kind.PARTIAL_FILL}
IS_NOT_COUNTED = {Kind.LATENCY}


@pytest.mark.untraced
@pytest.mark.parametrize(
    "kind", sorted({*TRADING_KINDS} - NEEDS_RESTING_ORDERS - IS_NOT_COUNTED, key=str)
)
def test_execution_one_kind_of_fault_again_and_again_loses_nothing(kind: Kind) -> None:
    faults = [
        Fault(kind, at_ms=at, for_ms=4_000, count=3)
        for at in range(3_000, RUN_S * 1_000, 7_000)
    ]
    run = TradingRun(SYMBOLS, faults, seed=5)
    run.run(RUN_S)
    assert run.venue.desk.done[kind.value] > 0, "the fault met nothing"
    kill(run)
    run.run(CALM_S)
    assert_proven(run)
    assert run.execution.reconciliation.is_reconciled


@pytest.mark.untraced
@pytest.mark.parametrize("seed", SCENARIOS)
def test_execution_under_random_faults_loses_nothing(seed: int) -> None:
    faults = random_faults(
        SYMBOLS, seed=seed, count=15, over_ms=RUN_S * 1_000, kinds=TRADING_KINDS
    )
    run = TradingRun(SYMBOLS, faults, seed)
    run.run(RUN_S)
    kill(run)
    run.run(CALM_S)
    assert_proven(run)


def test_execution_unknown_order_holds_its_exposure_until_it_is_known() -> None:
    fault = Fault(Kind.TIMEOUT, at_ms=0, count=1, is_executed=False)
    run = TradingRun(SYMBOLS, [fault], seed=3)
    while not run.placed:
        run.run(1)
    run.run(2)
    [name] = [name for name, order in run.execution.desk._open.items()][:1]
    gate = run.engine.account.gate
    order = run.execution.desk._open[name].order
    assert gate.exposure_of(order.symbol, {}) == order.notional
    run.run(12)
    reports = [
        fact.status
        for fact in run.facts
        if isinstance(fact, OrderReport) and fact.client_order_id == name
    ]
    assert reports == [OrderStatus.UNKNOWN, OrderStatus.REJECTED]
    assert gate.exposure_of(order.symbol, {}) <= order.notional
