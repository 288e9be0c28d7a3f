"""What an exchange books on the account beside trades: funding, fees, transfers."""

from decimal import Decimal
from enum import Enum

from flows.domain.fact import Fact


class CashReason(Enum):
    """Why the wallet changed without a trade."""

    FUNDING = "funding"
    TRANSFER = "transfer"
    """In or out of the account: no profit, no loss."""
    OTHER = "other"
    """A liquidation fee, an adjustment, or what nobody explained: P&L."""


class CashMoved(Fact, frozen=True, kw_only=True):
    """A booking on the wallet that is of no trade."""

    reason: CashReason
    amount: Decimal
    """Quote asset; positive where it came in."""
    booking_id: str
    """The exchange's number of it; empty where nothing but the balance told of it."""
    detail: str
    """The exchange's own word for it."""

    @property
    def profit(self) -> Decimal:
        """What of it counts as P&L."""
        return Decimal(0) if self.reason is CashReason.TRANSFER else self.amount
