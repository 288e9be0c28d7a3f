"""The payloads of the loopback exchange, as Binance USD-M writes them in 2026.

Prices and quantities are strings, ids, counts and times (ms) integers. Field order
follows frames captured in production.
"""

from collections.abc import Iterable
from dataclasses import dataclass

import msgspec

from connectors.exchange.listing import Listed
from connectors.exchange.synthetic_listing import fixed
from flows.domain.book import Book
from flows.domain.event import BookTicker, Levels
from flows.domain.view import TickLevel

FUNDING_RATE = "0.00010000"
FUNDING_HOURS = 8

EVENT_MS = 1
"""A depth event or ticker leaves so long after its engine time."""


def levels_text(levels: Iterable[tuple[str, str]]) -> str:
    """`[["61800.10","0.004"],...]` in the order given."""
    rows = [f'["{price}","{quantity}"]' for price, quantity in levels]
    return f"[{','.join(rows)}]"


def book_levels(book: Book, levels: Iterable[TickLevel]) -> Levels:
    """Ticks and lots as texts with all the decimals of the book."""
    prices, quantities = book.price_decimals, book.quantity_decimals
    return [
        (fixed(price, prices), fixed(quantity, quantities))
        for price, quantity in levels
    ]


@dataclass(frozen=True, slots=True)
class Ids:
    """The ids of one depth message."""

    first: int
    """`U`"""
    last: int
    """`u`"""
    previous: int
    """`pu`"""


def depth_update(
    listed: Listed, ids: Ids, bids: Levels, asks: Levels, times_ms: tuple[int, int]
) -> bytes:
    """A `depthUpdate`, diff or partial; `times_ms` are E and T."""
    event_ms, engine_ms = times_ms
    return (
        f'{{"e":"depthUpdate","E":{event_ms},"T":{engine_ms},"s":"{listed.symbol}",'
        f'"ps":"{listed.pair}","U":{ids.first},"u":{ids.last},"pu":{ids.previous},'
        f'"b":{levels_text(bids)},"a":{levels_text(asks)},"st":1}}'
    ).encode()


def snapshot(update_id: int, bids: Levels, asks: Levels, time_ms: int) -> bytes:
    """The reply to `GET /fapi/v1/depth`, best prices first."""
    return (
        f'{{"lastUpdateId":{update_id},"E":{time_ms},"T":{time_ms},'
        f'"bids":{levels_text(bids)},"asks":{levels_text(asks)}}}'
    ).encode()


def book_ticker(listed: Listed, ticker: BookTicker, time_ms: int) -> bytes:
    """A `bookTicker`."""
    return (
        f'{{"e":"bookTicker","u":{ticker.update_id},"s":"{listed.symbol}",'
        f'"ps":"{listed.pair}","b":"{ticker.bid_price}","B":"{ticker.bid_quantity}",'
        f'"a":"{ticker.ask_price}","A":"{ticker.ask_quantity}",'
        f'"T":{time_ms - EVENT_MS},"E":{time_ms},"st":1}}'
    ).encode()


@dataclass(frozen=True, slots=True)
class Deal:
    """One public trade."""

    trade_id: int
    price: str
    quantity: str
    time_ms: int
    buyer_is_maker: bool


@dataclass(frozen=True, slots=True)
class Aggregate:
    """Trades of one taker at one price."""

    aggregate_id: int
    price: str
    quantity: str
    first_id: int
    last_id: int
    time_ms: int
    buyer_is_maker: bool


def trade(listed: Listed, deal: Deal, event_ms: int) -> bytes:
    """A `trade`."""
    return (
        f'{{"e":"trade","E":{event_ms},"T":{deal.time_ms},"s":"{listed.symbol}",'
        f'"t":{deal.trade_id},"p":"{deal.price}","q":"{deal.quantity}",'
        f'"X":"MARKET","m":{flag(deal.buyer_is_maker)},"st":1}}'
    ).encode()


def aggregate_trade(listed: Listed, total: Aggregate, event_ms: int) -> bytes:
    """An `aggTrade`; no RPI trades here, so `nq` equals `q`."""
    return (
        f'{{"e":"aggTrade","E":{event_ms},"a":{total.aggregate_id},'
        f'"s":"{listed.symbol}","p":"{total.price}","q":"{total.quantity}",'
        f'"nq":"{total.quantity}","f":{total.first_id},"l":{total.last_id},'
        f'"T":{total.time_ms},"m":{flag(total.buyer_is_maker)},"st":1}}'
    ).encode()


def mark_price(listed: Listed, mark: str, next_funding_ms: int, event_ms: int) -> bytes:
    """A `markPriceUpdate`; index and moving average equal the mark here."""
    return (
        f'{{"e":"markPriceUpdate","E":{event_ms},"s":"{listed.symbol}","p":"{mark}",'
        f'"ap":"{mark}","P":"{mark}","i":"{mark}","r":"{FUNDING_RATE}",'
        f'"T":{next_funding_ms},"st":1}}'
    ).encode()


def unknown_event(kind: str, symbol: str, event_ms: int) -> bytes:
    """An event of a kind that no client knows."""
    return msgspec.json.encode({"e": kind, "E": event_ms, "s": symbol, "x": [1, None]})


def server_shutdown(event_ms: int) -> bytes:
    """The exchange's announcement that it ends the connection."""
    return b'{"event":{"e":"serverShutdown","E":%d}}' % event_ms


def flag(value: bool) -> str:
    """A JSON boolean."""
    return "true" if value else "false"
