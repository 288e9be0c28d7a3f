"""The two sides of the market."""

from enum import Enum


class Side(Enum):
    """The side of a signal or an order."""

    BUY = "BUY"
    SELL = "SELL"

    @property
    def opposite(self) -> "Side":
        """The other side."""
        return Side.SELL if self is Side.BUY else Side.BUY
