"""What every REST endpoint needs: the exchange, the symbol asked for, one or all."""

from collections.abc import Callable, Mapping
from typing import Protocol

from connectors.exchange.rest_reply import Params, Refusal, Reply, json_reply
from connectors.exchange.symbol_market import SymbolMarket
from connectors.exchange.true_book import Image
from flows.domain.units import NS_PER_MS


class Venue(Protocol):
    """What the endpoints need of the exchange."""

    @property
    def now_ns(self) -> int:
        """The venue's time."""

    @property
    def symbols(self) -> Mapping[str, SymbolMarket]:
        """Every symbol played."""

    def depth_image(self, market: SymbolMarket, limit: int) -> Image:
        """The book as a snapshot shows it, faults included."""


Handler = Callable[[Venue, Params], Reply]
Weigh = Callable[[Params], int]


def now_ms(venue: Venue) -> int:
    """The venue's time in milliseconds."""
    return venue.now_ns // NS_PER_MS


def market_of(venue: Venue, params: Params) -> SymbolMarket:
    """The symbol asked for; Refusal without one, or where it is not played."""
    market = venue.symbols.get(params.required("symbol").upper())
    if market is None:
        raise Refusal(400, -1121, "Invalid symbol.")
    return market


def one_or_all(
    venue: Venue, params: Params, entry: Callable[[SymbolMarket], object]
) -> Reply:
    """`entry` of the symbol asked for, or of all of them without one."""
    if params.symbol:
        return json_reply(entry(market_of(venue, params)))
    return json_reply([entry(market) for market in venue.symbols.values()])
