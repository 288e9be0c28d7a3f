"""The payloads of the synthetic market, byte for byte as Binance USD-M writes them.

Field order and number formats follow frames captured in production in 2026: prices and
quantities are strings with all their decimals, diff levels ascend by price, `st` is 1.
All times are milliseconds.
"""

from collections.abc import Iterable

from connectors.exchange.synthetic_book import BookImage, Level
from connectors.exchange.synthetic_flow import Taken
from connectors.exchange.synthetic_listing import Listing

Top = tuple[Level, Level]
"""The best bid and the best ask."""


def levels_text(listing: Listing, levels: Iterable[Level]) -> str:
    """`[["61800.10","0.004"],...]` in the order given."""
    price_text, quantity_text = listing.price_text, listing.quantity_text
    rows = (
        f'["{price_text(price)}","{quantity_text(quantity)}"]'
        for price, quantity in levels
    )
    return f"[{','.join(rows)}]"


def depth_payload(
    listing: Listing,
    ids: tuple[int, int, int],
    bids: Iterable[Level],
    asks: Iterable[Level],
    times_ms: tuple[int, int],
) -> bytes:
    """A `depthUpdate`; `ids` are U, u and pu, `times_ms` are E and T."""
    first, last, previous = ids
    event_ms, engine_ms = times_ms
    return (
        f'{{"e":"depthUpdate","E":{event_ms},"T":{engine_ms},"s":"{listing.symbol}",'
        f'"ps":"{listing.pair}","U":{first},"u":{last},"pu":{previous},'
        f'"b":{levels_text(listing, bids)},"a":{levels_text(listing, asks)},"st":1}}'
    ).encode()


def snapshot_payload(listing: Listing, image: BookImage, time_ms: int) -> bytes:
    """The reply to `GET /fapi/v1/depth`, best prices first."""
    return (
        f'{{"lastUpdateId":{image.update_id},"E":{time_ms},"T":{time_ms},'
        f'"bids":{levels_text(listing, image.bids)},'
        f'"asks":{levels_text(listing, image.asks)}}}'
    ).encode()


def ticker_payload(listing: Listing, update_id: int, top: Top, time_ms: int) -> bytes:
    """A `bookTicker`: the top of the book that contains `update_id`."""
    (bid, bid_quantity), (ask, ask_quantity) = top
    return (
        f'{{"e":"bookTicker","u":{update_id},"s":"{listing.symbol}",'
        f'"ps":"{listing.pair}",'
        f'"b":"{listing.price_text(bid)}","B":"{listing.quantity_text(bid_quantity)}",'
        f'"a":"{listing.price_text(ask)}","A":"{listing.quantity_text(ask_quantity)}",'
        f'"T":{time_ms},"E":{time_ms},"st":1}}'
    ).encode()


def trade_payload(
    listing: Listing, trade_id: int, taken: Taken, quantity: int, time_ms: int
) -> bytes:
    """A `trade`: one maker's share, `quantity`, of what was taken."""
    return (
        f'{{"e":"trade","E":{time_ms},"T":{time_ms},"s":"{listing.symbol}",'
        f'"t":{trade_id},"p":"{listing.price_text(taken.price)}",'
        f'"q":"{listing.quantity_text(quantity)}","X":"MARKET",'
        f'"m":{_flag(taken.buyer_is_maker)},"st":1}}'
    ).encode()


def aggregate_payload(
    listing: Listing,
    aggregate_id: int,
    trade_ids: tuple[int, int],
    taken: Taken,
    times_ms: tuple[int, int],
) -> bytes:
    """An `aggTrade` over a first and a last trade id; `times_ms` are E and T."""
    first, last = trade_ids
    event_ms, engine_ms = times_ms
    quantity = listing.quantity_text(sum(taken.quantities))
    return (
        f'{{"e":"aggTrade","E":{event_ms},"a":{aggregate_id},"s":"{listing.symbol}",'
        f'"p":"{listing.price_text(taken.price)}","q":"{quantity}","nq":"{quantity}",'
        f'"f":{first},"l":{last},"T":{engine_ms},'
        f'"m":{_flag(taken.buyer_is_maker)},"st":1}}'
    ).encode()


def _flag(value: bool) -> str:
    return "true" if value else "false"
