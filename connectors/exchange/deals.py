"""Public trades of one symbol: their aggregates, candles and the day's figures."""

from collections import deque
from decimal import Decimal

import msgspec

from connectors.exchange.payload import Aggregate, Deal
from flows.domain.units import EXACT, plain

AGGREGATE_MS = 100
"""Trades of one taker at one price within so much time are one aggregate."""

_REMEMBERED = 1_000
_REMEMBERED_MINUTES = 1_500
MINUTE_MS = 60_000
DAY_MS = 1_440 * MINUTE_MS
_EVER_MS = 1 << 62


class Candle(msgspec.Struct, gc=False):
    """What was traded in one span of time."""

    open_ms: int
    open: Decimal
    high: Decimal
    low: Decimal
    close: Decimal
    volume: Decimal = Decimal(0)
    quote_volume: Decimal = Decimal(0)
    taker_buy_volume: Decimal = Decimal(0)
    taker_buy_quote: Decimal = Decimal(0)
    trades: int = 0
    first_id: int = 0
    last_id: int = 0

    def add(self, deal: Deal, price: Decimal, quantity: Decimal) -> None:
        """Count one trade in."""
        quote = EXACT.multiply(price, quantity)
        self.high, self.low = max(self.high, price), min(self.low, price)
        self.close = price
        self.volume = EXACT.add(self.volume, quantity)
        self.quote_volume = EXACT.add(self.quote_volume, quote)
        if not deal.buyer_is_maker:
            self.taker_buy_volume = EXACT.add(self.taker_buy_volume, quantity)
            self.taker_buy_quote = EXACT.add(self.taker_buy_quote, quote)
        self.trades += 1
        self.first_id = self.first_id or deal.trade_id
        self.last_id = deal.trade_id


class Deals:
    """Everything that was traded, as far as it is asked for."""

    def __init__(self) -> None:
        self.recent: deque[Deal] = deque(maxlen=_REMEMBERED)
        self.aggregates: deque[Aggregate] = deque(maxlen=_REMEMBERED)
        self.minutes: deque[Candle] = deque(maxlen=_REMEMBERED_MINUTES)
        self._open: list[Deal] = []
        self._aggregate_id = 0

    def add(self, deal: Deal) -> Aggregate | None:
        """Take a trade in; the aggregate that it ended, if it did."""
        self.recent.append(deal)
        self._add_to_minute(deal)
        ended = None
        if self._open and not _continues(self._open[0], deal):
            ended = self.close_aggregate()
        self._open.append(deal)
        return ended

    def close_aggregate(self, *, before_ms: int | None = None) -> Aggregate | None:
        """The open aggregate, ended; None without one that began before `before_ms`."""
        if not self._open:
            return None
        first, last = self._open[0], self._open[-1]
        if before_ms is not None and first.time_ms > before_ms:
            return None
        quantity = Decimal(0)
        for deal in self._open:
            quantity = EXACT.add(quantity, Decimal(deal.quantity))
        self._open = []
        self._aggregate_id += 1
        total = Aggregate(
            self._aggregate_id,
            first.price,
            plain(quantity),
            first.trade_id,
            last.trade_id,
            first.time_ms,
            first.buyer_is_maker,
        )
        self.aggregates.append(total)
        return total

    def day(self, now_ms: int) -> Candle | None:
        """The last 24 hours in one; None where nothing was traded."""
        since_ms = now_ms - DAY_MS
        minutes = [candle for candle in self.minutes if candle.open_ms >= since_ms]
        return joined(minutes, _EVER_MS)[0] if minutes else None

    def _add_to_minute(self, deal: Deal) -> None:
        price, quantity = Decimal(deal.price), Decimal(deal.quantity)
        open_ms = deal.time_ms // MINUTE_MS * MINUTE_MS
        if not self.minutes or self.minutes[-1].open_ms != open_ms:
            self.minutes.append(empty_candle(open_ms, deal.price))
        self.minutes[-1].add(deal, price, quantity)


def empty_candle(open_ms: int, price: str) -> Candle:
    """A span in which nothing has been traded yet."""
    value = Decimal(price)
    return Candle(open_ms, value, value, value, value)


def _continues(first: Deal, deal: Deal) -> bool:
    return (
        deal.price == first.price
        and deal.buyer_is_maker is first.buyer_is_maker
        and deal.time_ms - first.time_ms < AGGREGATE_MS
    )


def joined(candles: list[Candle], span_ms: int) -> list[Candle]:
    """Candles of a minute as candles of `span_ms`."""
    spans: list[Candle] = []
    for candle in candles:
        open_ms = candle.open_ms // span_ms * span_ms
        if not spans or spans[-1].open_ms != open_ms:
            spans.append(msgspec.structs.replace(candle, open_ms=open_ms))
        else:
            _join(spans[-1], candle)
    return spans


def _join(span: Candle, candle: Candle) -> None:
    span.high, span.low = max(span.high, candle.high), min(span.low, candle.low)
    span.close, span.last_id = candle.close, candle.last_id
    span.trades += candle.trades
    span.volume = EXACT.add(span.volume, candle.volume)
    span.quote_volume = EXACT.add(span.quote_volume, candle.quote_volume)
    for name in ("taker_buy_volume", "taker_buy_quote"):
        total = EXACT.add(getattr(span, name), getattr(candle, name))
        setattr(span, name, total)
