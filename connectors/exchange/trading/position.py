"""One position of the account, kept by its exact cost."""

from dataclasses import dataclass
from decimal import Decimal

from connectors.exchange.trading.amount import ZERO, ratio, settled, times
from connectors.exchange.trading.own_order import PositionSide


@dataclass(slots=True)
class Position:
    """Signed amount, and what it cost; realised profit adds up without remainder."""

    symbol: str
    side: PositionSide
    amount: Decimal = ZERO
    """Above 0 long, below 0 short."""
    cost: Decimal = ZERO
    """What the open amount was traded for, above 0 either way."""
    paid: Decimal = ZERO
    """Fees less realised profit since it was last flat."""
    realised: Decimal = ZERO
    """All realised profit so far, before fees."""
    updated_ms: int = 0

    @property
    def sign(self) -> int:
        """+1 long, -1 short, 0 flat."""
        return (self.amount > 0) - (self.amount < 0)

    @property
    def entry_price(self) -> Decimal:
        """Average price of the open amount; 0 when flat."""
        return ratio(self.cost, abs(self.amount))

    @property
    def break_even_price(self) -> Decimal:
        """Where closing would win back the fees; 0 when flat."""
        return ratio(self.cost * self.sign + self.paid, self.amount)

    def unrealised(self, mark: Decimal) -> Decimal:
        """Profit at the mark price."""
        return times(self.amount, mark) - self.cost * self.sign

    def trade(self, signed: Decimal, price: Decimal, fee: Decimal) -> Decimal:
        """Book a fill of `signed` quantity; the profit that it realises."""
        closing = self._closing(signed)
        realised = self._close(closing, price)
        opening = abs(signed) - closing
        if opening:
            self.cost += times(opening, price)
        self.amount += signed
        self.realised += realised
        self.paid += fee - realised
        if not self.amount or (closing and opening):
            self.paid = ZERO if not self.amount else fee
        return realised

    def _closing(self, signed: Decimal) -> Decimal:
        is_against = self.amount * signed < 0
        return min(abs(self.amount), abs(signed)) if is_against else ZERO

    def _close(self, closing: Decimal, price: Decimal) -> Decimal:
        if not closing:
            return ZERO
        held = abs(self.amount)
        released = self.cost
        if closing != held:
            released = settled(ratio(times(self.cost, closing), held, 16))
        self.cost -= released
        return settled((times(closing, price) - released) * self.sign)
