"""A run as its journal tells it: first and last entry, and the entries between."""

from decimal import Decimal

import msgspec

from flows.domain.cash import CashMoved
from flows.domain.equity import EquityMarked
from flows.domain.event import Verb
from flows.domain.fact import Fact
from flows.domain.kill import KillCompleted, KillReset, KillTripped
from flows.domain.opening import Opening
from flows.domain.order import (
    Fill,
    OrderReport,
    OutsideFill,
    ProtectiveStop,
    Withdrawn,
)
from flows.domain.position import PositionChanged, TradeClosed
from flows.domain.risk import Approved, Refused
from flows.domain.signal import Signal
from flows.domain.suitability import Scanned
from flows.domain.symbol_book import BookStateChanged


class RunStarted(Fact, frozen=True, kw_only=True):
    """The first entry of a run: what it ran on and with."""

    run_id: str
    mode: str
    inputs: dict[str, str]
    """Name and sha256 of each input."""
    settings: dict[str, str]

    @property
    def order_prefix(self) -> str:
        """Begins the run's client order ids: the end of its id, which is random."""
        return self.run_id[-12:]


class AccountOpened(Fact, frozen=True, kw_only=True):
    """The account took over where earlier runs left it."""

    opening: Opening


class RunEnded(Fact, frozen=True, kw_only=True):
    """The last entry of a run whose input came to its end."""

    equity: Decimal
    max_drawdown: Decimal


class Reconciled(Fact, frozen=True, kw_only=True):
    """Whether what an exchange holds is what the account believes to hold."""

    is_reconciled: bool
    reason: str = ""
    """What differs, in words."""


class CommandHandled(Fact, frozen=True, kw_only=True):
    """An operator's command and what became of it."""

    verb: Verb
    operator: str
    reason: str
    is_accepted: bool
    detail: str = ""


Journalled = (
    RunStarted
    | AccountOpened
    | Signal
    | Refused
    | Approved
    | Fill
    | OutsideFill
    | Withdrawn
    | ProtectiveStop
    | CashMoved
    | Reconciled
    | OrderReport
    | PositionChanged
    | TradeClosed
    | EquityMarked
    | BookStateChanged
    | CommandHandled
    | KillTripped
    | KillCompleted
    | KillReset
    | Scanned
    | RunEnded
)
"""Everything that a journal may hold."""


class JournalEntry(msgspec.Struct, frozen=True, gc=False):
    """A fact at its place in the run; sequences count from 0 without a hole."""

    sequence: int
    fact: Journalled


class Transcript:
    """Numbers the facts of a run in their order, and keeps the time of the event.

    `RunStarted` is its first entry and bears the time of the first event.
    """

    def __init__(self, started: RunStarted) -> None:
        self.now_ns = started.received_ns
        """Engine time of the event at hand."""
        self._started: RunStarted | None = started
        self._sequence = 0
        self._entries: list[JournalEntry] = []

    def at(self, received_ns: int) -> None:
        """Move to the time of the next event."""
        self.now_ns = received_ns
        if self._started is not None:
            self._begin(self._started)

    def add(self, fact: Journalled) -> None:
        """Write down the next fact."""
        if self._started is not None:
            self._begin(self._started)
        self._entries.append(JournalEntry(self._sequence, fact))
        self._sequence += 1

    def _begin(self, started: RunStarted) -> None:
        self._started = None
        self.add(msgspec.structs.replace(started, received_ns=self.now_ns))

    def take(self) -> list[JournalEntry]:
        """The entries written since they were last taken."""
        taken, self._entries = self._entries, []
        return taken
