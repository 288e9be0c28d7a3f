"""Streams that have a period of their own, sent on whole seconds.

The exchange sends candles every 250 ms; here they come once a second.
"""

from collections.abc import Callable, Mapping
from typing import Any

import msgspec

from connectors.exchange.deals import MINUTE_MS, Candle, empty_candle, joined
from connectors.exchange.rest_trades import INTERVALS, day_figures
from connectors.exchange.symbol_market import Outlet, SymbolMarket
from flows.domain.units import NS_PER_MS, plain

_MARK_PRICE_S = 3
_TICKER_S = 2
_ALL_BOOK_TICKERS_S = 5


class PeriodicStreams:
    """Mark prices, tickers and candles of every symbol."""

    def __init__(self, markets: Mapping[str, SymbolMarket], outlet: Outlet) -> None:
        self._markets = markets.values()
        self._outlet = outlet
        self._seconds = 0

    def beat(self) -> None:
        """Send what is due in this second."""
        self._seconds += 1
        for market in self._markets:
            self._send_of(market)
        self._send_array("!markPrice@arr@1s", SymbolMarket.mark_payload)
        self._send_array("!ticker@arr", self._ticker)
        self._send_array("!miniTicker@arr", self._mini_ticker)
        if self._is_every(_MARK_PRICE_S):
            self._send_array("!markPrice@arr", SymbolMarket.mark_payload)

    def _send_of(self, market: SymbolMarket) -> None:
        stream = market.listed.stream
        self._send(f"{stream}@markPrice@1s", market, SymbolMarket.mark_payload)
        for interval, minutes in INTERVALS.items():
            name = f"{stream}@kline_{interval}"
            if self._outlet.is_wanted(name):
                self._outlet.publish(name, self._candle(market, interval, minutes))
        if self._is_every(_TICKER_S):
            self._send(f"{stream}@ticker", market, self._ticker)
            self._send(f"{stream}@miniTicker", market, self._mini_ticker)
        if self._is_every(_MARK_PRICE_S):
            self._send(f"{stream}@markPrice", market, SymbolMarket.mark_payload)
        if self._is_every(_ALL_BOOK_TICKERS_S):
            self._send("!bookTicker", market, SymbolMarket.ticker_payload)

    def _is_every(self, seconds: int) -> bool:
        return self._seconds % seconds == 0

    def _send(
        self, name: str, market: SymbolMarket, make: Callable[[SymbolMarket], bytes]
    ) -> None:
        if self._outlet.is_wanted(name):
            self._outlet.publish(name, make(market))

    def _send_array(self, name: str, make: Callable[[SymbolMarket], bytes]) -> None:
        if self._outlet.is_wanted(name):
            bodies = [make(market) for market in self._markets]
            self._outlet.publish(name, b"[%b]" % b",".join(bodies))

    @property
    def _now_ms(self) -> int:
        return self._outlet.now_ns // NS_PER_MS

    def _ticker(self, market: SymbolMarket) -> bytes:
        day = day_figures(market, self._now_ms)
        return msgspec.json.encode(
            {
                **self._head("24hrTicker", market),
                "ps": market.listed.pair,
                "p": day["priceChange"],
                "P": day["priceChangePercent"],
                "w": day["weightedAvgPrice"],
                "c": day["lastPrice"],
                "Q": day["lastQty"],
                **_range(day),
                "O": day["openTime"],
                "C": day["closeTime"],
                "F": day["firstId"],
                "L": day["lastId"],
                "n": day["count"],
                "st": 1,
            }
        )

    def _mini_ticker(self, market: SymbolMarket) -> bytes:
        day = day_figures(market, self._now_ms)
        close = {"c": day["lastPrice"]}
        head = self._head("24hrMiniTicker", market)
        return msgspec.json.encode({**head, **close, **_range(day), "st": 1})

    def _candle(self, market: SymbolMarket, interval: str, minutes: int) -> bytes:
        span_ms = minutes * MINUTE_MS
        open_ms = self._now_ms // span_ms * span_ms
        spans = joined(list(market.deals.minutes), span_ms)
        present = spans[-1] if spans and spans[-1].open_ms == open_ms else None
        candle = present or empty_candle(open_ms, market.ticker.bid_price)
        symbol = market.listed.symbol
        body = _kline(candle, symbol, interval, open_ms + span_ms - 1)
        return msgspec.json.encode({**self._head("kline", market), "k": body})

    def _head(self, kind: str, market: SymbolMarket) -> dict[str, Any]:
        return {"e": kind, "E": self._now_ms, "s": market.listed.symbol}


def _range(day: dict[str, Any]) -> dict[str, Any]:
    return {
        "o": day["openPrice"],
        "h": day["highPrice"],
        "l": day["lowPrice"],
        "v": day["volume"],
        "q": day["quoteVolume"],
    }


def _kline(candle: Candle, symbol: str, interval: str, close_ms: int) -> dict[str, Any]:
    return {
        "t": candle.open_ms,
        "T": close_ms,
        "s": symbol,
        "i": interval,
        "f": candle.first_id,
        "L": candle.last_id,
        "o": plain(candle.open),
        "c": plain(candle.close),
        "h": plain(candle.high),
        "l": plain(candle.low),
        "v": plain(candle.volume),
        "n": candle.trades,
        "x": False,
        "q": plain(candle.quote_volume),
        "V": plain(candle.taker_buy_volume),
        "Q": plain(candle.taker_buy_quote),
        "B": "0",
    }
