"""Every recording gives the book that is known of it, event by event.

The digests are of an independent implementation; SOURCES.md beside them defines them.
"""

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import pytest

from connectors.binance.wire import decode
from connectors.recording import merged_frames
from flows.domain.book import BookSide
from flows.domain.books import Books
from flows.domain.symbol_book import BookState, SymbolBook
from flows.domain.units import plain, unscaled
from flows.domain.view import BookView
from tests.recordings import NO_SNAPSHOT, WITH_SNAPSHOT, expected_symbols, recorded

TICKERS_BEHIND = {
    ("spot_btcusdt_20240808-09.jsonl.gz", "BTCUSDT"): 2,
    ("coinm_10contracts_20210722_30s.jsonl.gz", "BCHUSD_PERP"): 2,
    ("coinm_10contracts_20210722_30s.jsonl.gz", "TRXUSD_PERP"): 1,
}
"""Views that differ from a bookTicker for reasons of the recording (SOURCES.md)."""

UNDECIDED = 25
"""Views before the first ticker or after the last one, which have no oracle."""


@dataclass
class Replayed:
    """Books at the end of a recording, and digests of what they showed."""

    books: Books
    tops: dict[str, Any] = field(default_factory=dict)
    views: dict[str, int] = field(default_factory=dict)


def replayed(name: str) -> Replayed:
    found = Replayed(Books(depth=5, stale_after_ms=3_000))
    for frame in merged_frames([recorded(name)]):
        for out in found.books.apply(decode(frame)):
            if isinstance(out, BookView):
                digest = found.tops.setdefault(out.symbol, hashlib.sha256())
                digest.update(top_line(out).encode())
                found.views[out.symbol] = found.views.get(out.symbol, 0) + 1
    return found


def top_line(view: BookView) -> str:
    """`u,bid,bidqty,ask,askqty` with the exchange's decimals."""
    (bid, bid_lots), (ask, ask_lots) = view.bids[0], view.asks[0]
    numbers = (
        view.price(bid),
        view.quantity(bid_lots),
        view.price(ask),
        view.quantity(ask_lots),
    )
    return f"{view.update_id},{','.join(map(plain, numbers))}\n"


def side_rows(book: SymbolBook, side: BookSide) -> Iterator[list[str]]:
    """[price, quantity], by ascending price."""
    for price, lots in side.levels():
        quantity = unscaled(lots, book.book.quantity_decimals)
        yield [plain(unscaled(price, book.book.price_decimals)), plain(quantity)]


def book_digest(bids: list[list[str]], asks: list[list[str]]) -> str:
    rows = [f"B {price} {quantity}\n" for price, quantity in bids]
    rows += [f"A {price} {quantity}\n" for price, quantity in asks]
    return hashlib.sha256("".join(rows).encode()).hexdigest()


@pytest.mark.untraced
@pytest.mark.parametrize("name", WITH_SNAPSHOT)
def test_apply_recording_with_snapshot_gives_the_known_books(name: str) -> None:
    expected = expected_symbols(name)
    found = replayed(name)
    assert found.books.by_symbol.keys() == expected.keys()
    assert not found.books.unknown
    for symbol, facts in expected.items():
        book = found.books.by_symbol[symbol]
        counts = book.counts
        assert book.state is BookState.SYNCED
        assert counts.depth_events == facts["depth"]
        assert counts.applied == facts["applied"] == found.views[symbol]
        assert counts.stale == facts["stale_before_snapshot"]
        assert (counts.gaps, counts.duplicates, counts.waiting) == (0, 0, 0)
        assert (counts.crossed, counts.drifted, counts.other_speed) == (0, 0, 0)
        assert found.books.trades.get(symbol, 0) == facts["trades"]
        bids = list(side_rows(book, book.book.bids))[::-1]
        asks = list(side_rows(book, book.book.asks))
        assert [bids[0], asks[0]] == [
            facts["final_best_bid"],
            facts["final_best_ask"],
        ]
        assert [len(bids), len(asks)] == facts["final_levels"]
        assert found.tops[symbol].hexdigest() == facts["top_digest"]
        assert book_digest(bids, asks) == facts["book_sha256"]
        check = book.ticker_check
        assert check.checked - check.equal == TICKERS_BEHIND.get((name, symbol), 0)
        assert counts.applied - check.checked <= UNDECIDED


def test_apply_recording_without_snapshot_never_gives_a_view() -> None:
    (facts,) = expected_symbols(NO_SNAPSHOT).values()
    found = replayed(NO_SNAPSHOT)
    book = found.books.by_symbol["BTCUSDT"]
    assert not found.views
    assert book.state is BookState.BRIDGING
    assert book.counts.depth_events == book.counts.waiting == facts["depth"]
    assert (book.counts.applied, book.ticker_check.checked) == (0, 0)
