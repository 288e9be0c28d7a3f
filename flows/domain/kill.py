"""The kill switch as a state: once latched, only a person resets it."""

from enum import Enum

from flows.domain.fact import Fact


class KillReason(Enum):
    """What tripped the kill switch."""

    DAILY_LOSS = "daily_loss"
    DRAWDOWN = "drawdown"
    ORDER_RATE = "order_rate"
    COMMAND = "command"
    ACCOUNT_ERROR = "account_error"
    """An exception in account or P&L code: unknown counts as a breach."""


class KillTripped(Fact, frozen=True, kw_only=True):
    """The kill switch latched; everything is being closed."""

    reason: KillReason
    detail: str


class KillReset(Fact, frozen=True, kw_only=True):
    """A person released the kill switch."""

    operator: str
    reason: str
    is_peak_rebased: bool


class KillSwitch:
    """Latches on the first trip and stays latched until reset."""

    def __init__(self) -> None:
        self.tripped: KillTripped | None = None
        self._day: int | None = None

    @property
    def is_latched(self) -> bool:
        """Whether nothing but reduce-only orders may be sent."""
        return self.tripped is not None

    def trip(
        self, reason: KillReason, detail: str, received_ns: int, day: int | None
    ) -> KillTripped | None:
        """Latch; None where it is latched already (the first reason stands)."""
        if self.tripped is not None:
            return None
        self._day = day
        self.tripped = KillTripped(
            received_ns=received_ns, symbol="", reason=reason, detail=detail
        )
        return self.tripped

    def why_not_reset(
        self, *, reason: str, rebase_peak: bool, is_flat: bool, day: int | None
    ) -> str | None:
        """Why a reset must be refused, or None where it may proceed."""
        if self.tripped is None:
            return "the kill switch is not latched"
        if not reason.strip():
            return "a reset needs a reason"
        if not is_flat:
            return "positions or orders are still open"
        if self.tripped.reason is KillReason.DRAWDOWN and not rebase_peak:
            return "after a drawdown kill a reset must rebase the peak"
        if self.tripped.reason is KillReason.DAILY_LOSS and day == self._day:
            return "after a daily-loss kill a reset waits for the next UTC day"
        return None

    def reset(self) -> None:
        """Release the latch."""
        self.tripped = None
        self._day = None
