"""Keeps the kill latch in step with the kill switch of an engine.

the switch trips          the file is written, before the journal knows of it
a reset is journalled     the file is removed
a run begins killed       the file is written, where it is missing
somebody writes the file  the account is told to kill
"""

from collections.abc import Sequence
from typing import Protocol

import msgspec
import structlog

from connectors.kill_latch import KillLatch, Latch
from flows.domain.kill import KillReset, KillSwitch, KillTripped, killed_before
from flows.domain.opening import Opening
from flows.domain.run import AccountOpened, Journalled
from flows.domain.units import NS_PER_MS, NS_PER_S

_LOOK_EVERY_NS = 20 * NS_PER_MS
_RETRY_EVERY_NS = NS_PER_S

_log = structlog.get_logger()


class TellKill(Protocol):
    """Puts a kill command into the engine's one order."""

    def __call__(self, *, operator: str, reason: str) -> object:
        """Tell it."""


def latched_opening(opening: Opening, latch: Latch | None) -> Opening:
    """The opening of an account whose latch file was found; an earlier kill stands."""
    if latch is None or opening.killed_ns is not None:
        return opening
    by = f"({latch.operator})" if latch.operator else ""
    return msgspec.structs.replace(
        opening,
        killed_ns=latch.killed_ns,
        kill_reason=latch.reason.value,
        kill_detail=f"{latch.detail} {by}".strip(),
    )


class KillKeeper:
    """Sees every batch of facts before and after it is journalled.

    Nothing raises out of it: the switch in memory stands whatever becomes of the file.
    """

    def __init__(
        self, latch: KillLatch, switch: KillSwitch, tell_kill: TellKill
    ) -> None:
        self._latch = latch
        self._switch = switch
        self._tell_kill = tell_kill
        self._look_due_ns = self._retry_due_ns = 0

    @property
    def alarm(self) -> str:
        """What is wrong with the file; empty where it is what it should be."""
        return self._latch.problem

    def before(self, facts: Sequence[Journalled]) -> None:
        """Write the file where these facts latch the kill switch."""
        for fact in facts:
            if isinstance(fact, KillTripped):
                _log.warning("killed", reason=fact.reason.value, detail=fact.detail)
                self._set(fact)
            elif isinstance(fact, AccountOpened):
                killed = killed_before(fact.opening)
                if killed is not None and not self._latch.is_set:
                    self._set(killed)

    def after(self, facts: Sequence[Journalled]) -> None:
        """Remove the file where these facts, in the journal now, end with a reset."""
        turns = [fact for fact in facts if isinstance(fact, KillTripped | KillReset)]
        if turns and isinstance(turns[-1], KillReset):
            self._latch.release()
            _log.warning("kill_reset", operator=turns[-1].operator)
            self._tell_problem()

    def watch(self, now_ns: int) -> None:
        """Obey a latch that was put there by hand, and write again what was not."""
        if now_ns < self._look_due_ns:
            return
        self._look_due_ns = now_ns + _LOOK_EVERY_NS
        foreign = self._latch.take_foreign(now_ns)
        if foreign is not None:
            self._tell_kill(operator=foreign.operator, reason=foreign.detail)
        elif now_ns >= self._retry_due_ns:
            self._retry_due_ns = now_ns + _RETRY_EVERY_NS
            tripped = self._switch.tripped
            if tripped is not None and self._latch.is_due:
                self._set(tripped)

    def _set(self, killed: KillTripped) -> None:
        self._latch.set(Latch(killed.received_ns, killed.reason, killed.detail))
        self._tell_problem()

    def _tell_problem(self) -> None:
        if self._latch.problem:
            _log.error("kill_latch_failed", reason=self._latch.problem)
