"""What the exchange says of a symbol: decimals, grid, smallest notional, assets."""

from dataclasses import dataclass

from connectors.exchange.synthetic_listing import Listing, fixed
from flows.domain.event import DepthSnapshot
from flows.domain.instrument import FALLBACK_MIN_NOTIONAL, PACKAGED
from flows.domain.units import decimals_of, plain

_QUOTES = ("USDT", "USDC", "BUSD", "FDUSD", "BTC", "USD")


@dataclass(frozen=True, slots=True)
class Listed:
    """One symbol of `exchangeInfo`; grids and notional are decimal texts."""

    symbol: str
    price_decimals: int
    quantity_decimals: int
    tick_size: str
    step_size: str
    min_notional: str

    @property
    def stream(self) -> str:
        """The symbol as stream names spell it."""
        return self.symbol.lower()

    @property
    def pair(self) -> str:
        """The symbol without its delivery date: the `ps` of a payload."""
        return self.symbol.partition("_")[0]

    @property
    def assets(self) -> tuple[str, str]:
        """Base and quote asset, told from the name; an unknown quote is USDT."""
        for quote in _QUOTES:
            if self.pair.endswith(quote) and self.pair != quote:
                return self.pair.removesuffix(quote), quote
        return self.pair, "USDT"


def listed_of(listing: Listing) -> Listed:
    """A synthetic symbol's own grid."""
    known = PACKAGED.get(listing.symbol)
    notional = known.min_notional if known else FALLBACK_MIN_NOTIONAL
    return Listed(
        listing.symbol,
        listing.price_decimals,
        listing.quantity_decimals,
        fixed(listing.tick, listing.price_decimals),
        fixed(listing.step, listing.quantity_decimals),
        plain(notional),
    )


def listed_from(book: DepthSnapshot) -> Listed:
    """A recorded symbol's grid: the packaged one, else the decimals of its book."""
    levels = [*book.bids, *book.asks]
    prices = max((decimals_of(price) for price, _ in levels), default=2)
    quantities = max((decimals_of(quantity) for _, quantity in levels), default=3)
    known = PACKAGED.get(book.symbol)
    return Listed(
        book.symbol,
        prices,
        quantities,
        plain(known.tick_size) if known else fixed(1, prices),
        plain(known.step_size) if known else fixed(1, quantities),
        plain(known.min_notional if known else FALLBACK_MIN_NOTIONAL),
    )
