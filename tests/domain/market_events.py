"""Short ways to write market events."""

from collections.abc import Iterable

from flows.domain.event import BookTicker, DepthDelta, DepthSnapshot
from flows.domain.market import Market

SYMBOL = "BTCUSDT"
STREAM = "btcusdt@depth@100ms"
Texts = Iterable[tuple[str, str]]


def delta(
    ids: tuple[int, int, int | None],
    bids: Texts = (),
    asks: Texts = (),
    *,
    at: int = 0,
    symbol: str = SYMBOL,
    market: Market | None = None,
    stream: str = STREAM,
) -> DepthDelta:
    """A depth event; `ids` are U, u and pu, and without pu it is of the Spot market."""
    first, last, previous = ids
    market = market or (Market.SPOT if previous is None else Market.USD_M)
    return DepthDelta(
        symbol, at, market, first, last, previous, list(bids), list(asks), stream
    )


def snapshot(
    last_update_id: int,
    bids: Texts = (("10", "1"),),
    asks: Texts = (("11", "1"),),
    *,
    at: int = 0,
    symbol: str = SYMBOL,
) -> DepthSnapshot:
    """A REST order book."""
    return DepthSnapshot(symbol, at, last_update_id, list(bids), list(asks))


def ticker(
    update_id: int,
    bid: tuple[str, str],
    ask: tuple[str, str],
    *,
    at: int = 0,
    symbol: str = SYMBOL,
) -> BookTicker:
    """The exchange's best prices at an id."""
    return BookTicker(symbol, at, update_id, *bid, *ask)
