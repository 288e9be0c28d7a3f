"""An exchange with a true book for each symbol, and the frames it would send."""

from collections.abc import Iterable
from random import Random

from flows.domain.event import DepthDelta, DepthSnapshot, Levels
from flows.domain.market import Market

BEST_BID, BEST_ASK, WORST_ASK = 50, 51, 100
Side = dict[int, int]


class SimulatedSymbol:
    """The true book of one symbol, and the changes not sent yet."""

    def __init__(self) -> None:
        self.bids: Side = {}
        self.asks: Side = {}
        self.last_change_id = 0
        self.last_sent_id = 0
        self.first_unsent_id = 0
        self.unsent: tuple[Side, Side] = ({}, {})
        self.truth: dict[int, tuple[Side, Side]] = {}
        """Both sides as they were at the `u` of each event."""


class SimulatedExchange:
    """Prices are whole numbers, bids up to 50 and asks from 51, so it never crosses.

    On futures all symbols share one counter of ids, and a snapshot bears either the
    symbol's own last id or the counter's; on Spot each symbol counts by itself.
    """

    def __init__(self, symbols: Iterable[str], market: Market, seed: int) -> None:
        self.symbols = {symbol: SimulatedSymbol() for symbol in symbols}
        self.market = market
        self._random = Random(seed)
        self._counter = 1_000

    def change(self, name: str) -> None:
        """Set or remove one level."""
        symbol, random = self.symbols[name], self._random
        symbol.last_change_id = self._next_id(symbol)
        symbol.first_unsent_id = symbol.first_unsent_id or symbol.last_change_id
        is_bid = random.random() < 1 / 2
        price = random.randint(1, BEST_BID) + (0 if is_bid else BEST_BID)
        quantity = random.choice((0, 1, 2, 3))
        side = symbol.bids if is_bid else symbol.asks
        side[price] = quantity
        if not quantity:
            del side[price]
        symbol.unsent[0 if is_bid else 1][price] = quantity

    def _next_id(self, symbol: SimulatedSymbol) -> int:
        if self.market is Market.SPOT:
            return max(symbol.last_change_id, symbol.last_sent_id) + 1
        self._counter += self._random.randint(1, 3)
        return self._counter

    def event(self, name: str, received_ns: int) -> DepthDelta:
        """The changes since the last event, of which there is one at least."""
        symbol = self.symbols[name]
        if not symbol.first_unsent_id:
            self.change(name)
        bids, asks = symbol.unsent
        event = DepthDelta(
            name,
            received_ns,
            self.market,
            symbol.first_unsent_id,
            symbol.last_change_id,
            None if self.market is Market.SPOT else symbol.last_sent_id,
            _levels(bids),
            _levels(asks),
            f"{name.lower()}@depth",
        )
        symbol.last_sent_id, symbol.first_unsent_id = event.last_id, 0
        symbol.unsent = ({}, {})
        symbol.truth[event.last_id] = (dict(symbol.bids), dict(symbol.asks))
        return event

    def snapshot(self, name: str, received_ns: int) -> DepthSnapshot:
        """The book now, which may be in the middle of an event."""
        symbol = self.symbols[name]
        is_own_id = self.market is Market.SPOT or self._random.random() < 1 / 2
        last_id = symbol.last_change_id if is_own_id else self._counter
        return DepthSnapshot(
            name, received_ns, last_id, _levels(symbol.bids), _levels(symbol.asks)
        )


def _levels(side: Side) -> Levels:
    return [(str(price), str(quantity)) for price, quantity in side.items()]
