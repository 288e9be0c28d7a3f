"""Events find their symbol's book, and what is not read is counted."""

import pytest

from flows.domain.books import Books
from flows.domain.errors import MarketDataError
from flows.domain.event import (
    ClockTick,
    Command,
    MarketTrade,
    OtherFrame,
    VenueStatus,
    Verb,
)
from flows.domain.symbol_book import BookState, BookStateChanged
from flows.domain.units import NS_PER_S
from flows.domain.view import BookView
from tests.domain.market_events import SYMBOL, delta, snapshot, ticker


def new_books() -> Books:
    return Books(depth=5, stale_after_ms=3_000)


def synced(books: Books, *symbols: str) -> Books:
    for symbol in symbols:
        books.apply(snapshot(100, symbol=symbol))
        books.apply(delta((95, 105, 90), symbol=symbol))
    return books


def trade(at: int = 0) -> MarketTrade:
    return MarketTrade(
        SYMBOL,
        at,
        exchange_ms=1,
        trade_id=2,
        price="10",
        quantity="1",
        buyer_is_maker=True,
        is_aggregate=False,
    )


@pytest.mark.parametrize(
    "event",
    [
        Command(1, Verb.PAUSE),
        VenueStatus(1, is_reconciled=False),
        ClockTick(1),
    ],
)
def test_apply_event_of_the_account_passes_unchanged(
    event: Command | VenueStatus | ClockTick,
) -> None:
    books = new_books()
    assert list(books.apply(event)) == [event]
    assert not books.by_symbol


def test_apply_gap_in_one_symbol_leaves_the_others_alone() -> None:
    books = synced(new_books(), "BTCUSDT", "ETHUSDT")
    books.apply(delta((200, 210, 190), symbol="BTCUSDT"))
    (view,) = books.apply(delta((106, 110, 105), symbol="ETHUSDT"))
    assert isinstance(view, BookView)
    assert view.symbol == "ETHUSDT"
    states = {symbol: book.state for symbol, book in books.by_symbol.items()}
    assert states == {"BTCUSDT": BookState.GAP, "ETHUSDT": BookState.SYNCED}


def test_apply_tick_tells_stale_books_before_itself() -> None:
    books = synced(new_books(), "BTCUSDT", "ETHUSDT")
    books.apply(trade(at=1))
    tick = ClockTick(3 * NS_PER_S)
    change, passed = books.apply(tick)
    assert isinstance(change, BookStateChanged)
    assert (change.symbol, change.after) == ("ETHUSDT", BookState.STALE)
    assert passed is tick


def test_apply_ticker_checks_the_book_of_its_symbol() -> None:
    books = synced(new_books(), SYMBOL)
    assert list(books.apply(ticker(104, ("10", "1"), ("11", "1")))) == []
    assert list(books.apply(ticker(106, ("9", "1"), ("11", "1")))) == []
    check = books.by_symbol[SYMBOL].ticker_check
    assert (check.checked, check.equal) == (1, 1)


def test_apply_trade_is_counted_and_a_sign_of_life() -> None:
    books = synced(new_books(), SYMBOL)
    assert list(books.apply(trade(at=2 * NS_PER_S))) == []
    assert books.trades == {SYMBOL: 1}
    assert len(books.apply(ClockTick(4 * NS_PER_S))) == 1


def test_apply_frame_of_an_unused_stream_is_counted_by_kind() -> None:
    books = synced(new_books(), SYMBOL)
    for kind, is_known in (("kline_1m", True), ("kline_1m", True), ("novel", False)):
        other = OtherFrame(SYMBOL, 2 * NS_PER_S, stream_kind=kind, is_known=is_known)
        assert list(books.apply(other)) == []
    assert (books.unused, books.unknown) == ({"kline_1m": 2}, {"novel": 1})
    assert len(books.apply(ClockTick(4 * NS_PER_S))) == 1  # a sign of life


def test_apply_frame_of_an_unused_stream_makes_no_book() -> None:
    books = new_books()
    books.apply(OtherFrame("XRPUSDT", 1, stream_kind="markPrice", is_known=True))
    assert not books.by_symbol


def test_apply_symbol_in_two_markets_raises_market_data_error() -> None:
    books = synced(new_books(), SYMBOL)
    with pytest.raises(MarketDataError, match="replay one market of a symbol"):
        books.apply(delta((1, 2, None)))
