"""The kill switch as a state: once latched, only a person resets it."""

from enum import Enum

import msgspec

from flows.domain.event import Command
from flows.domain.fact import Fact
from flows.domain.opening import Opening
from flows.domain.units import NS_PER_DAY


class KillReason(Enum):
    """What tripped the kill switch."""

    DAILY_LOSS = "daily_loss"
    DRAWDOWN = "drawdown"
    ORDER_RATE = "order_rate"
    COMMAND = "command"
    ACCOUNT_ERROR = "account_error"
    """An exception in account or P&L code: unknown counts as a breach."""
    RECONCILIATION = "reconciliation"
    """The venue holds what no trade explains."""
    WATCHDOG = "watchdog"
    """The engine hung or died."""


class KillTripped(Fact, frozen=True, kw_only=True):
    """The kill switch latched; everything is being closed."""

    reason: KillReason
    detail: str


class KillCompleted(Fact, frozen=True, kw_only=True):
    """A killed account holds nothing, has no order in flight, and the venue agrees."""

    after_ns: int
    """Since the kill switch latched."""


def killed_before(opening: Opening) -> KillTripped | None:
    """The latched kill switch that an account begins with, if it does."""
    if opening.killed_ns is None:
        return None
    return KillTripped(
        received_ns=opening.killed_ns,
        symbol="",
        reason=KillReason(opening.kill_reason),
        detail=opening.kill_detail,
    )


class KillReset(Fact, frozen=True, kw_only=True):
    """A person released the kill switch."""

    operator: str
    reason: str
    is_peak_rebased: bool


class Standing(msgspec.Struct, frozen=True, kw_only=True):
    """Where the account stands when a reset is asked for."""

    is_flat: bool
    """Nothing is held and no order is in flight."""
    is_reconciled: bool
    """What the venue holds is known."""
    is_day_lost: bool
    """The day's loss is at its limit now, whatever tripped the switch."""
    is_drawn_down: bool
    """The drawdown is at its limit now."""


class KillSwitch:
    """Latches on the first trip and stays latched until reset."""

    def __init__(self) -> None:
        self.tripped: KillTripped | None = None

    @property
    def is_latched(self) -> bool:
        """Whether nothing but reduce-only orders may be sent."""
        return self.tripped is not None

    def trip(
        self, reason: KillReason, detail: str, received_ns: int
    ) -> KillTripped | None:
        """Latch; None where it is latched already (the first reason stands)."""
        if self.tripped is not None:
            return None
        self.tripped = KillTripped(
            received_ns=received_ns, symbol="", reason=reason, detail=detail
        )
        return self.tripped

    def why_not_reset(self, command: Command, standing: Standing) -> str | None:
        """Why a reset must be refused, or None where it may proceed.

        A limit that is breached now binds like the one that tripped the switch: what
        was lost while closing would otherwise be forgiven.
        """
        tripped = self.tripped
        if tripped is None:
            return "the kill switch is not latched"
        today = command.received_ns // NS_PER_DAY
        is_same_day = tripped.received_ns // NS_PER_DAY == today
        is_day_lost = tripped.reason is KillReason.DAILY_LOSS and is_same_day
        is_drawn_down = tripped.reason is KillReason.DRAWDOWN
        obstacles = {
            "a reset needs a reason": not command.reason.strip(),
            "the account is not reconciled": not standing.is_reconciled,
            "positions or orders are still open": not standing.is_flat,
            "after a daily-loss kill a reset waits for the next UTC day": (
                is_day_lost or standing.is_day_lost
            ),
            "after a drawdown kill a reset must rebase the peak": (
                not command.rebase_peak and (is_drawn_down or standing.is_drawn_down)
            ),
        }
        return next((why for why, stands in obstacles.items() if stands), None)

    def reset(self) -> None:
        """Release the latch."""
        self.tripped = None
