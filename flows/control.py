"""Joins the control channel to a live engine.

    client -> server -> ControlDesk -> frame `@command` -> ... -> account
    client <- server <- WatchedJournal <- journal <- CommandHandled <-'

A command takes its place in the one order like any other frame, so that recording and
replay hold it, and is acknowledged once the journal holds what became of it.
"""

from collections.abc import Callable, Sequence

import msgspec
import structlog

from connectors.binance.source import COMMAND_STREAM, Live
from connectors.control.protocol import Handled, Request
from connectors.journal import EntryStore
from flows.domain.event import Verb
from flows.domain.run import CommandHandled, JournalEntry
from flows.kill_keeper import KillKeeper
from flows.telemetry import FactCounts, Telemetry

Acknowledge = Callable[[int, Handled], None]
"""Takes the place of a command in the one order, and the answer to it."""

_ON_LATCH = frozenset({Verb.KILL, Verb.RESET})

_log = structlog.get_logger()


class ControlDesk:
    """What the control server needs of the engine."""

    def __init__(self, live: Live, telemetry: Callable[[], Telemetry]) -> None:
        self._live = live
        self._telemetry = telemetry

    def tell(self, verb: Verb, request: Request) -> int:
        """Put a command into the one order; its place there, `received_ns`."""
        live = self._live
        command = {
            "verb": verb,
            "reason": request.reason,
            "operator": request.operator,
            "rebase_peak": request.rebase_peak,
        }
        place = live.feed.outbox.tell(COMMAND_STREAM, command, live.clock())
        live.transport.wake()
        if verb is Verb.STOP:
            live.stop.request(f"stop by {request.operator}", is_told=True)
        return place

    def tell_kill(self, *, operator: str, reason: str) -> None:
        """Put a kill into the one order that no client waits for."""
        self.tell(Verb.KILL, Request(Verb.KILL.value, operator, reason))

    def status(self) -> bytes:
        """The state now, as JSON."""
        return msgspec.json.encode(self._telemetry())


class WatchedJournal:
    """A journal; what it is given is shown to the kill latch first.

    Once it holds a command's outcome, the client is told.
    """

    def __init__(
        self,
        journal: EntryStore,
        keeper: KillKeeper,
        counts: FactCounts,
        acknowledge: Acknowledge,
    ) -> None:
        self._journal = journal
        self._keeper = keeper
        self._counts = counts
        self._acknowledge = acknowledge

    def append(self, entries: Sequence[JournalEntry]) -> None:
        """Commit entries. Raises StoreError."""
        facts = [entry.fact for entry in entries]
        self._keeper.before(facts)
        self._journal.append(entries)
        self._keeper.after(facts)
        self._counts.count(facts)
        for fact in facts:
            if isinstance(fact, CommandHandled):
                self._answer(fact)

    def _answer(self, handled: CommandHandled) -> None:
        _log.info(
            "command_handled",
            verb=handled.verb.value,
            operator=handled.operator,
            is_accepted=handled.is_accepted,
            detail=handled.detail,
        )
        alarm = self._keeper.alarm if handled.verb in _ON_LATCH else ""
        answer = Handled(
            handled.verb,
            handled.received_ns,
            handled.is_accepted,
            handled.detail,
            alarm,
        )
        self._acknowledge(handled.received_ns, answer)
