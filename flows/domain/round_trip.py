"""What an entry and its exit cost at a book, for estimates; nothing is decided here.

Symbols, for a long (a short is its mirror image): quantity q as `plan_entry` sizes it,
as far as the asks hold it within its limit; best ask a, best bid b; average price E of
the entry, and X of a market order that sells q into the bids. In bps of E x q:

    impact of the entry  e = (E - a) / E
    impact of the exit   x = (b - X) / E
    crossing             c = (E - X) / E = (a - b) / E + e + x

A position is left once the best bid has come from b to E x (1 + target), or to
E x (1 - stop): target and stop are measured where one could get out, so that spread and
e lie in how far the market must move, and only x and the fees F of both ways come off:

    a trade wins target - x - F, or loses stop + x + F
    it breaks even at a win rate of (stop + x + F) / (target + stop)

A market without direction wins (stop - spread - e) / (target + stop) of them. What is
missing, (c + F) / (target + stop), is what signals must bring. The fee of the exit is
taken on the entry's value: with 5 bps a side that leaves 0.005 bps of a trade out.
"""

from collections.abc import Iterable
from decimal import Decimal
from typing import NamedTuple

from flows.domain.book import Book
from flows.domain.order import Order
from flows.domain.side import Side
from flows.domain.units import BPS
from flows.domain.view import TickLevel


class RoundTrip(NamedTuple):
    """An order's way in and out at one book, before fees."""

    entry_price: Decimal
    """E, of what is filled."""
    crossing_bps: Decimal
    """c"""
    impact_bps: Decimal
    """e + x"""
    exit_impact_bps: Decimal
    """x"""
    is_whole: bool
    """Whether the entry fills whole within its limit."""


def price_round_trip(book: Book, entry: Order) -> RoundTrip | None:
    """The way in and out at `book`; None where nothing fills, or cannot be left."""
    is_buy = entry.side is Side.BUY
    to_enter, to_leave = (book.asks, book.bids) if is_buy else (book.bids, book.asks)
    best_entry, best_exit = to_enter.best(), to_leave.best()
    if best_entry is None or best_exit is None:
        return None
    wanted = entry.quantity.scaleb(book.quantity_decimals)
    limit = entry.limit_price and entry.limit_price.scaleb(book.price_decimals)
    lots, paid = _walk(_within(to_enter.from_best(), limit, is_buy=is_buy), wanted)
    left, got = _walk(to_leave.from_best(), lots)
    if not lots or left < lots:
        return None
    entry_impact = abs(paid - best_entry * lots) * BPS / paid
    exit_impact = abs(got - best_exit * lots) * BPS / paid
    return RoundTrip(
        entry_price=(paid / lots).scaleb(-book.price_decimals),
        crossing_bps=abs(paid - got) * BPS / paid,
        impact_bps=entry_impact + exit_impact,
        exit_impact_bps=exit_impact,
        is_whole=lots == wanted,
    )


def _within(
    levels: Iterable[TickLevel], limit: Decimal | None, *, is_buy: bool
) -> Iterable[TickLevel]:
    for price, lots in levels:
        if limit is not None and (price > limit if is_buy else price < limit):
            return
        yield price, lots


def _walk(levels: Iterable[TickLevel], wanted: Decimal) -> tuple[Decimal, Decimal]:
    """Lots taken from the best on, and ticks x lots paid for them."""
    taken = paid = Decimal(0)
    for price, lots in levels:
        if taken == wanted:
            break
        part = min(Decimal(lots), wanted - taken)
        taken += part
        paid += price * part
    return taken, paid
