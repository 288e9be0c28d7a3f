"""How the numbers of a symbol are written: as many decimals as it is listed with."""

from dataclasses import dataclass
from decimal import Decimal

from connectors.exchange.listing import Listed
from connectors.exchange.trading.amount import ratio
from flows.domain.units import plain

_AVERAGE_EXTRA = 3


@dataclass(frozen=True, slots=True)
class Scale:
    """Decimals of prices and quantities."""

    price_decimals: int
    quantity_decimals: int

    @classmethod
    def of(cls, listed: Listed) -> "Scale":
        """The decimals of a listed symbol."""
        return cls(listed.price_decimals, listed.quantity_decimals)

    def price(self, value: Decimal) -> str:
        """A price: `61800.10`, and `0` for none."""
        return _fixed(value, self.price_decimals) if value else "0"

    def average(self, value: Decimal) -> str:
        """An average price, with more decimals: `61800.10000`."""
        return _fixed(value, self.price_decimals + _AVERAGE_EXTRA)

    def quantity(self, value: Decimal) -> str:
        """A quantity: `0.001`."""
        return _fixed(value, self.quantity_decimals)


def _fixed(value: Decimal, decimals: int) -> str:
    return plain(ratio(value, Decimal(1), decimals))
