"""Our best prices against the exchange's own, event by event."""

from collections import deque

from flows.domain.event import BookTicker
from flows.domain.units import Counter, MoreDecimals, scaled
from flows.domain.view import BookView, TickLevel

_PENDING_LIMIT = 4_096
_BEGUN_ANEW = 100  # tickers in a row with an old id: ids are counted anew
_MEMO_LIMIT = 1_024  # best prices stay near each other


class TickerCheck:
    """Compares each view with the ticker of the largest id not above the view's.

    The comparison is decided once a ticker with a larger id has arrived; the naive one,
    against the ticker received last, fails on true books because the two streams run
    apart. Both queues are bounded: what does not fit is dropped unchecked.
    """

    def __init__(self) -> None:
        self._views: deque[BookView] = deque(maxlen=_PENDING_LIMIT)
        self._tickers: deque[BookTicker] = deque(maxlen=_PENDING_LIMIT)
        self._ticks = _counter(0)
        self._lots = _counter(0)
        self._behind = 0
        """Tickers in a row that were no news."""
        self.checked = 0
        self.equal = 0

    def on_view(self, view: BookView) -> None:
        """Queue a view, and decide it at once where the tickers are ahead."""
        self._views.append(view)
        tickers = self._tickers
        if tickers and tickers[-1].update_id > view.update_id:
            self._decide()

    def on_ticker(self, ticker: BookTicker) -> None:
        """Queue a ticker, and decide the views that it has overtaken."""
        tickers = self._tickers
        if tickers and ticker.update_id <= tickers[-1].update_id:
            self._behind += 1
            if self._behind < _BEGUN_ANEW:
                return  # repeated or reordered: it says nothing new
            tickers.clear()
        self._behind = 0
        tickers.append(ticker)
        if self._views and self._views[0].update_id < ticker.update_id:
            self._decide()

    def clear(self) -> None:
        """Forget undecided views, for a book that is no longer true."""
        self._views.clear()

    def _decide(self) -> None:
        views, tickers = self._views, self._tickers
        while views and views[0].update_id < tickers[-1].update_id:
            view = views.popleft()
            while len(tickers) > 1 and tickers[1].update_id <= view.update_id:
                tickers.popleft()
            if tickers[0].update_id <= view.update_id:
                self.checked += 1
                self.equal += self._agrees(view, tickers[0])

    def _agrees(self, view: BookView, ticker: BookTicker) -> bool:
        if self._ticks.decimals != view.price_decimals:
            self._ticks = _counter(view.price_decimals)
        if self._lots.decimals != view.quantity_decimals:
            self._lots = _counter(view.quantity_decimals)
        return self._is_top(
            view.bids, ticker.bid_price, ticker.bid_quantity
        ) and self._is_top(view.asks, ticker.ask_price, ticker.ask_quantity)

    def _is_top(self, levels: tuple[TickLevel, ...], price: str, quantity: str) -> bool:
        if not levels:  # an empty side is announced with quantity 0
            return _is_same(0, self._lots, quantity)
        ticks, lots = levels[0]
        return _is_same(ticks, self._ticks, price) and _is_same(
            lots, self._lots, quantity
        )


def _counter(decimals: int) -> Counter:
    return Counter(decimals, memo_limit=_MEMO_LIMIT)


def _is_same(count: int, counter: Counter, text: str) -> bool:
    try:
        return count == counter[text]
    except MoreDecimals as more:  # which may all be zeros
        shift: int = 10 ** (more.decimals - counter.decimals)
        return count * shift == scaled(text, more.decimals)
