"""What stops the account: pause, flatten, and the kill switch."""

from typing import assert_never

from flows.domain.equity import EquityCurve
from flows.domain.event import Command, Verb
from flows.domain.kill import (
    KillCompleted,
    KillReason,
    KillReset,
    KillSwitch,
    Standing,
    killed_before,
)
from flows.domain.opening import Opening
from flows.domain.order import Purpose
from flows.domain.risk import RiskLimits
from flows.domain.run import CommandHandled, Transcript


class Controls:
    """Obeys operators and limits, and says what may no longer be done.

    It only remembers and journals: closing is the account's work, tried again after
    every event for as long as `closing` names a purpose.
    """

    def __init__(
        self, transcript: Transcript, curve: EquityCurve, limits: RiskLimits
    ) -> None:
        self.kill_switch = KillSwitch()
        self.is_paused = False
        self._is_flattening = False
        self.flat_after_ns: int | None = None
        """How long the last kill took until nothing was held; None: it still does."""
        self._transcript = transcript
        self._curve = curve
        self._limits = limits

    def restore(self, opening: Opening) -> None:
        """Stay stopped where an earlier run was."""
        self.kill_switch.tripped = killed_before(opening)
        self.is_paused = opening.is_paused
        self._is_flattening = False
        is_open = opening.positions or opening.lost_orders
        self.flat_after_ns = None if is_open else 0

    @property
    def closing(self) -> Purpose | None:
        """Why every position must be left now, if it must."""
        if self.kill_switch.tripped is not None:
            return Purpose.KILL
        return Purpose.FLATTEN if self._is_flattening else None

    @property
    def is_entry_allowed(self) -> bool:
        """Whether an order that increases risk may be sent at all."""
        return not (self.is_paused or self.kill_switch.is_latched)

    def trip(self, reason: KillReason, detail: str) -> None:
        """Latch the kill switch and journal it; the first reason stands."""
        tripped = self.kill_switch.trip(reason, detail, self._transcript.now_ns)
        if tripped is not None:
            self.flat_after_ns = None
            self._transcript.add(tripped)

    def on_flat(self) -> None:
        """Nothing is held any more: journal how long a kill took, once."""
        tripped, now_ns = self.kill_switch.tripped, self._transcript.now_ns
        if tripped is None or self.flat_after_ns is not None:
            return
        self.flat_after_ns = after_ns = now_ns - tripped.received_ns
        self._transcript.add(
            KillCompleted(received_ns=now_ns, symbol="", after_ns=after_ns)
        )

    def judge_equity(self) -> None:
        """Trip the kill switch where equity stands at a loss limit."""
        limits, curve = self._limits, self._curve
        if limits.is_day_lost(curve.day_pnl):
            detail = f"day P&L {curve.day_pnl} at limit -{limits.max_daily_loss}"
            self.trip(KillReason.DAILY_LOSS, detail)
        elif limits.is_drawn_down(curve.drawdown):
            detail = f"drawdown {curve.drawdown} at limit {limits.max_drawdown}"
            self.trip(KillReason.DRAWDOWN, detail)

    def obey(self, command: Command, *, is_flat: bool, is_reconciled: bool) -> None:
        """Carry out an operator's command, or journal why it is refused.

        Every verb is idempotent; only a reset can be refused.
        """
        refusal: str | None = None
        match command.verb:
            case Verb.PAUSE:
                self.is_paused = True
            case Verb.RESUME:
                self.is_paused = self._is_flattening = False
            case Verb.FLATTEN | Verb.STOP:
                self.is_paused = self._is_flattening = True
            case Verb.KILL:
                self.trip(KillReason.COMMAND, command.reason)
            case Verb.RESET:
                refusal = self._reset(command, is_flat, is_reconciled)
            case _:
                assert_never(command.verb)
        self._transcript.add(
            CommandHandled(
                received_ns=command.received_ns,
                symbol="",
                verb=command.verb,
                operator=command.operator,
                reason=command.reason,
                is_accepted=refusal is None,
                detail=refusal or "",
            )
        )

    def _reset(
        self, command: Command, is_flat: bool, is_reconciled: bool
    ) -> str | None:
        """Release the kill switch; why not, where it must stay latched."""
        curve = self._curve
        curve.roll_day(command.received_ns)
        standing = Standing(
            is_flat=is_flat,
            is_reconciled=is_reconciled,
            is_day_lost=self._limits.is_day_lost(curve.day_pnl),
            is_drawn_down=self._limits.is_drawn_down(curve.drawdown),
        )
        refusal = self.kill_switch.why_not_reset(command, standing)
        if refusal is not None:
            return refusal
        self.kill_switch.reset()
        if command.rebase_peak:
            curve.rebase_peak()
        self._transcript.add(
            KillReset(
                received_ns=command.received_ns,
                symbol="",
                operator=command.operator,
                reason=command.reason,
                is_peak_rebased=command.rebase_peak,
            )
        )
        return None
