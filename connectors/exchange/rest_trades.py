"""REST endpoints about what was traded: trades, aggregates, candles, the day."""

from collections.abc import Iterable
from decimal import Decimal
from itertools import islice
from typing import Any

from connectors.exchange.deals import DAY_MS, MINUTE_MS, Candle, joined
from connectors.exchange.rest_endpoint import Venue, market_of, now_ms, one_or_all
from connectors.exchange.rest_reply import Params, Refusal, Reply, json_reply
from connectors.exchange.symbol_market import SymbolMarket
from flows.domain.units import plain

DayFigures = dict[str, Any]
_KLINE_LIMIT = 1_500
INTERVALS = {
    **{f"{n}m": n for n in (1, 3, 5, 15, 30)},
    **{f"{n}h": n * 60 for n in (1, 2, 4, 6, 8, 12)},
    "1d": 1_440,
    "3d": 4_320,
    "1w": 10_080,
    "1M": 43_200,
}
"""Minutes of each kline interval; there is none of a second."""


def day_figures(market: SymbolMarket, now_ms: int) -> DayFigures:
    """The last 24 hours of a symbol."""
    total = market.day()
    last = market.deals.recent[-1] if market.deals.recent else None
    change = total.close - total.open
    percent = change * 100 / total.open if total.open else Decimal(0)
    mean = total.quote_volume / total.volume if total.volume else total.close
    cents = Decimal(1).scaleb(-market.listed.price_decimals)
    return {
        "symbol": market.listed.symbol,
        "priceChange": plain(change),
        "priceChangePercent": plain(percent.quantize(Decimal("0.001"))),
        "weightedAvgPrice": plain(mean.quantize(cents)),
        "lastPrice": plain(total.close),
        "lastQty": last.quantity if last else "0",
        "openPrice": plain(total.open),
        "highPrice": plain(total.high),
        "lowPrice": plain(total.low),
        "volume": plain(total.volume),
        "quoteVolume": plain(total.quote_volume),
        "openTime": now_ms - DAY_MS,
        "closeTime": now_ms,
        "firstId": total.first_id,
        "lastId": total.last_id,
        "count": total.trades,
    }


def day(venue: Venue, params: Params) -> Reply:
    """`/ticker/24hr`."""
    return one_or_all(venue, params, lambda market: day_figures(market, now_ms(venue)))


def klines(venue: Venue, params: Params) -> Reply:
    """`/klines`, from the trades since the exchange opened."""
    market = market_of(venue, params)
    minutes = INTERVALS.get(params.required("interval"))
    if minutes is None:
        raise Refusal(400, -1120, "Invalid interval.")
    limit = params.number("limit", 500, highest=_KLINE_LIMIT)
    since_ms = params.number("startTime", 0)
    until_ms = params.number("endTime", 1 << 62)
    span_ms = minutes * MINUTE_MS
    candles = [
        candle
        for candle in joined(list(market.deals.minutes), span_ms)
        if since_ms <= candle.open_ms <= until_ms
    ]
    chosen = candles[:limit] if params.values.get("startTime") else candles[-limit:]
    return json_reply([_kline(candle, span_ms) for candle in chosen])


def _kline(candle: Candle, span_ms: int) -> list[Any]:
    return [
        candle.open_ms,
        plain(candle.open),
        plain(candle.high),
        plain(candle.low),
        plain(candle.close),
        plain(candle.volume),
        candle.open_ms + span_ms - 1,
        plain(candle.quote_volume),
        candle.trades,
        plain(candle.taker_buy_volume),
        plain(candle.taker_buy_quote),
        "0",
    ]


def kline_weight(params: Params) -> int:
    """The weight of `/klines` grows with its limit."""
    limit = params.number("limit", 500, highest=_KLINE_LIMIT)
    return next(
        weight
        for below, weight in ((100, 1), (500, 2), (1_001, 5), (_KLINE_LIMIT + 1, 10))
        if limit < below
    )


def trades(venue: Venue, params: Params) -> Reply:
    """`/trades`, oldest first."""
    market = market_of(venue, params)
    limit = params.number("limit", 500, highest=1_000)
    return json_reply(
        [
            {
                "id": deal.trade_id,
                "price": deal.price,
                "qty": deal.quantity,
                "quoteQty": plain(Decimal(deal.price) * Decimal(deal.quantity)),
                "time": deal.time_ms,
                "isBuyerMaker": deal.buyer_is_maker,
                "isRPITrade": False,
            }
            for deal in _last(market.deals.recent, limit)
        ]
    )


def aggregate_trades(venue: Venue, params: Params) -> Reply:
    """`/aggTrades`, oldest first."""
    market = market_of(venue, params)
    limit = params.number("limit", 500, highest=1_000)
    from_id = params.number("fromId", 0)
    chosen = [t for t in market.deals.aggregates if t.aggregate_id >= from_id]
    picked = chosen[:limit] if from_id else _last(chosen, limit)
    return json_reply(
        [
            {
                "a": total.aggregate_id,
                "p": total.price,
                "q": total.quantity,
                "nq": total.quantity,
                "f": total.first_id,
                "l": total.last_id,
                "T": total.time_ms,
                "m": total.buyer_is_maker,
            }
            for total in picked
        ]
    )


def _last(items: Iterable[Any], limit: int) -> list[Any]:
    newest_first = reversed(list(items))
    return list(islice(newest_first, limit))[::-1]
