"""The synthetic market as a tape: every change of every book, endlessly."""

from collections.abc import Iterable, Iterator
from fractions import Fraction

from msgspec.structs import replace

from connectors.binance.wire import decode
from connectors.exchange.listing import listed_of
from connectors.exchange.synthetic import Changes, SyntheticMarket
from connectors.exchange.synthetic_book import Level
from connectors.exchange.synthetic_listing import Listing
from connectors.exchange.tape import Opening, TapeEvent, Tempo
from flows.domain.event import (
    BookTicker,
    DepthDelta,
    DepthSnapshot,
    Levels,
    MarketTrade,
)
from flows.domain.frame import RawFrame
from flows.domain.market import Market

_TRIGGERS = ("bookTicker", "trade")
"""Frames of the market after which its book is read: some every few milliseconds."""


class SyntheticTape:
    """Plays a seeded SyntheticMarket from `start_ns` on."""

    def __init__(
        self,
        symbols: Iterable[str | Listing],
        *,
        start_ns: int,
        seed: int = 0,
        speed: Fraction = Fraction(1),
    ) -> None:
        self._market = SyntheticMarket(
            symbols, seed=seed, start_ns=start_ns, streams=_TRIGGERS
        )
        self._tempo = Tempo(start_ns, speed)
        self._tempo.at(start_ns)
        self.openings = {
            symbol: Opening(listed_of(listing), self._opening(listing, start_ns))
            for symbol, listing in self._market.listings.items()
        }
        self._listings = {
            listing.stream: listing for listing in self._market.listings.values()
        }
        self._read_ids = {
            symbol: opening.book.last_update_id
            for symbol, opening in self.openings.items()
        }

    def __iter__(self) -> Iterator[TapeEvent]:
        """Every change, ticker and trade; never ends."""
        for frame in self._market:
            listing = self._listings[frame.stream.partition("@")[0]]
            yield from self._events(frame, listing, self._tempo.at(frame.received_ns))

    def _opening(self, listing: Listing, start_ns: int) -> DepthSnapshot:
        self._market.take_changes(listing.symbol)
        image = self._market.book(listing.symbol)
        return DepthSnapshot(
            listing.symbol,
            start_ns,
            image.update_id,
            _texts(listing, image.bids),
            _texts(listing, image.asks),
        )

    def _events(
        self, frame: RawFrame, listing: Listing, time_ns: int
    ) -> Iterator[TapeEvent]:
        changes = self._market.take_changes(listing.symbol)
        if changes.first_id:
            yield self._delta(listing, time_ns, changes)
        event = decode(frame)
        if isinstance(event, BookTicker | MarketTrade):
            yield replace(event, received_ns=time_ns)

    def _delta(self, listing: Listing, time_ns: int, changes: Changes) -> DepthDelta:
        previous_id = self._read_ids[listing.symbol]
        self._read_ids[listing.symbol] = changes.last_id
        return DepthDelta(
            listing.symbol,
            time_ns,
            Market.USD_M,
            changes.first_id,
            changes.last_id,
            previous_id,
            _texts(listing, changes.bids),
            _texts(listing, changes.asks),
            f"{listing.stream}@depth@0ms",
        )


def _texts(listing: Listing, levels: Iterable[Level]) -> Levels:
    price, quantity = listing.price_text, listing.quantity_text
    return [(price(each), quantity(amount)) for each, amount in levels]
