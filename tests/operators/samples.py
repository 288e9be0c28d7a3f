"""Views and changes for the steps behind the books."""

from flows.domain.symbol_book import BookState, BookStateChanged
from flows.domain.view import BookView


def view(update_id: int, bid_lots: int, ask_lots: int) -> BookView:
    """A view of two levels; B and A are their lots."""
    return BookView(
        symbol="BTCUSDT",
        received_ns=update_id,
        update_id=update_id,
        bids=((100, bid_lots),),
        asks=((101, ask_lots),),
        bid_lots=bid_lots,
        ask_lots=ask_lots,
        price_decimals=0,
        quantity_decimals=0,
        is_beyond_horizon=False,
        is_traded=True,
    )


def change(after: BookState = BookState.GAP) -> BookStateChanged:
    """The book has left SYNCED."""
    return BookStateChanged(
        received_ns=1,
        symbol="BTCUSDT",
        before=BookState.SYNCED,
        after=after,
        update_id=1,
    )
