"""One symbol of the exchange: what is traded becomes what is published."""

from collections.abc import Callable
from functools import partial
from typing import Protocol

from connectors.exchange import payload
from connectors.exchange.deals import AGGREGATE_MS, Candle, Deals, empty_candle
from connectors.exchange.depth_chain import DepthChain, DepthMessage
from connectors.exchange.payload import EVENT_MS, FUNDING_HOURS, Aggregate, Deal
from connectors.exchange.stream_name import PARTIAL_LEVELS, SPEEDS_MS, depth_names
from connectors.exchange.synthetic_listing import fixed
from connectors.exchange.tape import Opening, TapeEvent
from connectors.exchange.true_book import TrueBook
from flows.domain.event import BookTicker, DepthDelta, DepthSnapshot, MarketTrade
from flows.domain.units import NS_PER_MS

_AGGREGATE_LATENESS_MS = 20
"""An aggregate leaves so long after the time in which trades join it."""

_PHASE_STEP_NS = 7 * NS_PER_MS  # symbols do not all send at the same moment
_MARK_DECIMALS = 8
_FUNDING_MS = FUNDING_HOURS * 3_600_000


class Outlet(Protocol):
    """What a symbol needs of its exchange."""

    @property
    def now_ns(self) -> int:
        """The venue's time."""

    def is_wanted(self, stream: str) -> bool:
        """Whether anybody is subscribed."""

    def publish(self, stream: str, body: bytes) -> None:
        """Send to everybody who is subscribed."""

    def plan(self, due_ns: int, action: Callable[[], None]) -> None:
        """Do `action` when it is due."""


class SymbolMarket:
    """Keeps the true book and every stream of one symbol consistent with it.

    `index` tells symbols apart in when they send.
    """

    def __init__(self, opening: Opening, index: int, outlet: Outlet) -> None:
        self.listed = opening.listed
        self.true = TrueBook(opening.book)
        self.deals = Deals()
        self.events = 0
        self._outlet = outlet
        self._has_tickers = False
        self.ticker = self._top_ticker(opening.book.received_ns)
        phase_ns = index * _PHASE_STEP_NS
        self._chains = [
            DepthChain(speed * NS_PER_MS, phase_ns, self.true.update_id)
            for speed in SPEEDS_MS
        ]

    def play(self, event: TapeEvent) -> None:
        """Let one thing happen."""
        self.events += 1
        match event:
            case DepthDelta():
                self._change(event)
            case DepthSnapshot():
                self._change(self.true.change_to(event))
            case BookTicker():
                self._has_tickers = True
                self._quote(event)
            case MarketTrade():
                self._trade(event)

    def flush(self) -> None:
        """Send what is gathered at every speed, ahead of its beat."""
        for chain in self._chains:
            self._flush(chain)

    def mark_price(self) -> str:
        """The middle of the book, which stands for mark and index price."""
        book = self.true.book
        bid, ask = book.bids.best(), book.asks.best()
        known = [price for price in (bid, ask) if price is not None] or [0]
        halves = known[0] + known[-1]
        decimals = max(_MARK_DECIMALS, book.price_decimals + 1)
        return fixed(halves * 5 * 10 ** (decimals - book.price_decimals - 1), decimals)

    def mark_payload(self) -> bytes:
        """A `markPriceUpdate` of now."""
        now_ms = self._outlet.now_ns // NS_PER_MS
        mark = self.mark_price()
        return payload.mark_price(self.listed, mark, next_funding_ms(now_ms), now_ms)

    def day(self) -> Candle:
        """What was traded in the last 24 hours; before the first trade, the bid."""
        now_ms = self._outlet.now_ns // NS_PER_MS
        return self.deals.day(now_ms) or empty_candle(now_ms, self.ticker.bid_price)

    def ticker_payload(self) -> bytes:
        """The best prices as last quoted."""
        ticker = self.ticker
        time_ms = ticker.received_ns // NS_PER_MS
        return payload.book_ticker(self.listed, ticker, time_ms)

    def _change(self, delta: DepthDelta) -> None:
        self.true.apply(delta)
        for chain in self._chains:
            if not chain.add(delta):
                continue
            if chain.period_ns:
                due_ns = chain.next_flush_ns(self._outlet.now_ns)
                self._outlet.plan(due_ns, partial(self._flush, chain))
            else:
                self._flush(chain)
        if not self._has_tickers:
            self._derive_ticker()

    def _flush(self, chain: DepthChain) -> None:
        message = chain.flush()
        if message is None:
            return
        for levels in (None, *PARTIAL_LEVELS):
            names = depth_names(self.listed.stream, chain.period_ns, levels)
            wanted = [name for name in names if self._outlet.is_wanted(name)]
            body = self._depth_body(message, levels) if wanted else b""
            for name in wanted:
                self._outlet.publish(name, body)

    def _depth_body(self, message: DepthMessage, levels: int | None) -> bytes:
        engine_ms = message.engine_ns // NS_PER_MS - EVENT_MS
        event_ms = self._outlet.now_ns // NS_PER_MS
        book = self.true.book
        if levels is None:
            bids, asks = message.bids(book), message.asks(book)
        else:
            image = self.true.image(levels)
            bids, asks = image.bids, image.asks
        times_ms = (event_ms, engine_ms)
        return payload.depth_update(self.listed, message.ids, bids, asks, times_ms)

    def _quote(self, ticker: BookTicker) -> None:
        self.ticker = ticker
        name = f"{self.listed.stream}@bookTicker"
        if self._outlet.is_wanted(name):
            self._outlet.publish(name, self.ticker_payload())

    def _derive_ticker(self) -> None:
        """Quote the book's own top where the tape has no tickers."""
        ticker = self._top_ticker(self._outlet.now_ns)
        before = self.ticker
        if (
            ticker.bid_price != before.bid_price
            or ticker.bid_quantity != before.bid_quantity
            or ticker.ask_price != before.ask_price
            or ticker.ask_quantity != before.ask_quantity
        ):
            self._quote(ticker)

    def _top_ticker(self, time_ns: int) -> BookTicker:
        image = self.true.image(1)
        nothing = ("0", "0")
        bid, ask = [*image.bids, nothing][0], [*image.asks, nothing][0]
        return BookTicker(self.listed.symbol, time_ns, image.update_id, *bid, *ask)

    def _trade(self, event: MarketTrade) -> None:
        now_ms = self._outlet.now_ns // NS_PER_MS
        deal = Deal(
            event.trade_id, event.price, event.quantity, now_ms, event.buyer_is_maker
        )
        self._publish_aggregate(self.deals.add(deal))
        name = f"{self.listed.stream}@trade"
        if self._outlet.is_wanted(name):
            self._outlet.publish(name, payload.trade(self.listed, deal, now_ms))
        due_ms = now_ms + AGGREGATE_MS + _AGGREGATE_LATENESS_MS
        end = partial(self._end_aggregate, now_ms)
        self._outlet.plan(due_ms * NS_PER_MS, end)

    def _end_aggregate(self, began_ms: int) -> None:
        self._publish_aggregate(self.deals.close_aggregate(before_ms=began_ms))

    def _publish_aggregate(self, total: Aggregate | None) -> None:
        name = f"{self.listed.stream}@aggTrade"
        if total is not None and self._outlet.is_wanted(name):
            now_ms = self._outlet.now_ns // NS_PER_MS
            body = payload.aggregate_trade(self.listed, total, now_ms)
            self._outlet.publish(name, body)


def next_funding_ms(now_ms: int) -> int:
    """When funding is settled next: 00, 08 or 16 UTC."""
    return (now_ms // _FUNDING_MS + 1) * _FUNDING_MS
