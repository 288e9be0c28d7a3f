"""The true book as prices and quantities, for matching."""

from collections.abc import Iterator
from decimal import Decimal
from itertools import islice

from connectors.exchange.trading.own_order import Side
from flows.domain.book import Book
from flows.domain.units import unscaled

Level = tuple[Decimal, Decimal]
"""Price and quantity."""


def levels(book: Book, side: Side) -> Iterator[Level]:
    """What stands on a side (BUY: the bids), best first."""
    held = book.bids if side is Side.BUY else book.asks
    prices = reversed(held.prices) if side is Side.BUY else iter(held.prices)
    price_decimals, quantity_decimals = book.price_decimals, book.quantity_decimals
    for price in prices:
        if lots := held.lots.get(price):
            yield unscaled(price, price_decimals), unscaled(lots, quantity_decimals)


def level(book: Book, side: Side, number: int) -> Level | None:
    """The level that is `number`-th best, counted from 1."""
    return next(islice(levels(book, side), number - 1, None), None)


def quantity_at(book: Book, side: Side, price: Decimal) -> Decimal:
    """What stands at a price; 0 where nothing does."""
    held = book.bids if side is Side.BUY else book.asks
    lots = held.lots.get(int(price.scaleb(book.price_decimals)), 0)
    return unscaled(lots, book.quantity_decimals)
