"""What the synthetic market trades: symbols, grids and the text of their numbers."""

import zlib
from dataclasses import dataclass

from flows.domain.errors import ConfigurationError
from flows.domain.units import decimals_of, scaled

LEVEL_NOTIONAL = 15_000
"""A typical order of the synthetic market is worth this many quote units."""

SHORTEST_PRICE_TICKS = 1_000
"""A start price of fewer steps of the grid leaves no room for a book."""


@dataclass(frozen=True, slots=True)
class Listing:
    """One symbol: where its price starts, and the grid of its prices and quantities.

    Numbers are scaled integers: prices count 10^-price_decimals, quantities
    10^-quantity_decimals, which is also how many decimals the market writes.
    """

    symbol: str
    start_price: int
    price_decimals: int
    tick: int
    """The price grid; BTCUSDT writes two decimals and moves by 0.10, so 10."""
    quantity_decimals: int
    step: int
    """The quantity grid."""

    @property
    def stream(self) -> str:
        """The symbol as stream names spell it."""
        return self.symbol.lower()

    @property
    def pair(self) -> str:
        """The symbol without its delivery date: the `ps` of a payload."""
        return self.symbol.partition("_")[0]

    @property
    def typical_steps(self) -> int:
        """Quantity steps in an order worth LEVEL_NOTIONAL at the start price."""
        scale: int = 10 ** (self.price_decimals + self.quantity_decimals)
        return max(8, LEVEL_NOTIONAL * scale // (self.start_price * self.step))

    def price_text(self, price: int) -> str:
        """The price with the market's fixed decimals: `61800.10`."""
        return fixed(price, self.price_decimals)

    def quantity_text(self, quantity: int) -> str:
        """The quantity with the market's fixed decimals: `0.000`."""
        return fixed(quantity, self.quantity_decimals)


def fixed(value: int, decimals: int) -> str:
    """`value` / 10^decimals as plain text with all its decimals (value >= 0)."""
    if not decimals:
        return str(value)
    digits = str(value).zfill(decimals + 1)
    return f"{digits[:-decimals]}.{digits[-decimals:]}"


def listed(symbol: str, start_price: str, tick: str, step: str) -> Listing:
    """A listing from decimal texts; start price and step fix the decimals written.

    Raises ConfigurationError for a symbol that no payload could carry, a tick with more
    decimals than the start price, and a price off its grid or too low for a book.
    """
    if symbol != symbol.upper() or not symbol.replace("_", "").isalnum():
        raise ConfigurationError(f"Expected an uppercase symbol, was {symbol!r}")
    decimals = decimals_of(start_price)
    lots = decimals_of(step)
    try:
        price, grid = scaled(start_price, decimals), scaled(tick, decimals)
        quantity_grid = scaled(step, lots)
    except ValueError as error:
        raise ConfigurationError(f"{symbol}: {error}") from None
    if not grid or price % grid or price < SHORTEST_PRICE_TICKS * grid:
        msg = f"{symbol}: expected a start price of at least {SHORTEST_PRICE_TICKS}"
        raise ConfigurationError(f"{msg} whole ticks, was {start_price} by {tick}")
    if not quantity_grid:
        raise ConfigurationError(f"{symbol}: expected a step above 0, was {step}")
    return Listing(symbol, price, decimals, grid, lots, quantity_grid)


KNOWN = {
    listing.symbol: listing
    for listing in (
        listed("BTCUSDT", "61800.10", tick="0.10", step="0.001"),
        listed("ETHUSDT", "2681.62", tick="0.01", step="0.001"),
        listed("SOLUSDT", "152.34", tick="0.01", step="0.01"),
        listed("XRPUSDT", "0.6123", tick="0.0001", step="0.1"),
        listed("DOGEUSDT", "0.10467", tick="0.00001", step="1"),
        listed("BNBUSDT", "512.340", tick="0.010", step="0.01"),
    )
}
"""The symbols whose real grids are known; the start prices are invented."""


def listing_of(symbol: str) -> Listing:
    """The known listing of a symbol, or a plausible one derived from its name.

    The derived one depends on nothing but the name (CRC-32, equal on every run), and a
    quantity step is worth between 0.20 and 2.00 quote units.
    """
    if symbol in KNOWN:
        return KNOWN[symbol]
    draw = zlib.crc32(symbol.encode())
    price_decimals = 2 + draw % 4
    price = 20_000 + (draw >> 2) % 180_000
    step = fixed(1, 5 - price_decimals)
    return listed(symbol, fixed(price, price_decimals), fixed(1, price_decimals), step)
