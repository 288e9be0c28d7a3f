"""The trading dataflow: raw frames in, journal entries out.

    frames -> books -> imbalance -> signals -> account -> journal

Replay, paper and live differ only in the source, the venue and the sink handed in.
Step names are part of stored state: a test pins them.
"""

import decimal
from collections.abc import Callable
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

import bytewax.operators as op
from bytewax.dataflow import Dataflow
from bytewax.inputs import Source
from bytewax.outputs import Sink

from flows.domain.account import Account
from flows.domain.books import Books
from flows.domain.event import Event
from flows.domain.fault import Fault
from flows.domain.frame import RawFrame
from flows.domain.imbalance import ImbalanceRule
from flows.domain.instrument import Instruments
from flows.domain.paper import PaperVenue
from flows.domain.protection import StopTerms, stop_terms
from flows.domain.risk import RiskGate
from flows.domain.run import JournalEntry, RunStarted
from flows.domain.signal import ZoneTracker
from flows.domain.units import EXACT
from flows.operators.account import account
from flows.operators.books import books
from flows.operators.imbalance import imbalance
from flows.operators.signals import signals
from flows.settings import Settings


@dataclass(frozen=True)
class Engine:
    """The state behind the steps of one run."""

    books: Books
    rule: ImbalanceRule
    tracker: ZoneTracker
    account: Account
    instruments: Instruments
    protective_stop_bps: Decimal

    def stops(self) -> dict[str, StopTerms]:
        """The stop that each open position should have at an exchange, by symbol."""
        with decimal.localcontext(EXACT):
            return {
                symbol: stop_terms(
                    position,
                    self.protective_stop_bps,
                    self.instruments.find(symbol, 0, 0).tick_size,
                )
                for symbol, position in self.account.ledger.positions.items()
            }

    def held(self) -> dict[str, Decimal]:
        """Signed quantity by symbol."""
        return {
            symbol: position.quantity if position.is_long else -position.quantity
            for symbol, position in self.account.ledger.positions.items()
        }

    def why_withhold(self) -> str:
        """Why no order that increases risk may leave now; empty: nothing."""
        tripped = self.account.kill_switch.tripped
        return "the kill switch is latched" if tripped is not None else ""


def build_engine(
    settings: Settings, started: RunStarted, instruments: Instruments
) -> Engine:
    """The state of a run on the paper venue."""
    return Engine(
        books=Books(
            depth=settings.imbalance_depth, stale_after_ms=settings.stale_after_ms
        ),
        rule=settings.zone_rule,
        tracker=ZoneTracker(),
        account=Account(
            started,
            settings.trading_rules,
            RiskGate(settings.risk_limits),
            PaperVenue(settings.paper_rules),
            instruments,
        ),
        instruments=instruments,
        protective_stop_bps=settings.protective_stop_bps,
    )


def build_trading_flow(
    source: Source[RawFrame],
    decode: Callable[[RawFrame], Event],
    engine: Engine,
    journal: Sink[tuple[str, JournalEntry]],
    fault: Fault,
    *,
    views: Sink[Any] | None = None,
) -> Dataflow:
    """Wire the flow; `views` also takes every view with its zone."""
    flow = Dataflow("trading")
    frames = op.input("frames", flow, source)
    updates = books("books", frames, decode, engine.books, fault)
    zoned = imbalance("imbalance", updates, engine.rule, fault)
    events = signals("signals", zoned, engine.tracker, fault)
    entries = account("account", events, engine.account, fault)
    op.output("journal", entries, journal)
    if views is not None:
        op.output("views", zoned, views)
    return flow
