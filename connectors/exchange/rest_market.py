"""The public REST endpoints: what each weighs and answers.

Source: Binance USD-M "Market Data Endpoints"; refusals as observed in September 2026.
"""

from typing import Any

from connectors.exchange import payload
from connectors.exchange.deals import MINUTE_MS
from connectors.exchange.exchange_info import exchange_info
from connectors.exchange.payload import FUNDING_HOURS, FUNDING_RATE
from connectors.exchange.rest_endpoint import (
    Handler,
    Venue,
    Weigh,
    market_of,
    now_ms,
    one_or_all,
)
from connectors.exchange.rest_reply import Params, Refusal, Reply, json_reply
from connectors.exchange.rest_trades import (
    aggregate_trades,
    day,
    kline_weight,
    klines,
    trades,
)
from connectors.exchange.symbol_market import SymbolMarket, next_funding_ms
from flows.domain.units import NS_PER_MS

DEPTH_WEIGHTS = {5: 2, 10: 2, 20: 2, 50: 2, 100: 5, 500: 10, 1_000: 20}
"""Limits that `/depth` accepts; any other is refused."""


def _ping(_venue: Venue, _params: Params) -> Reply:
    return json_reply({})


def _time(venue: Venue, _params: Params) -> Reply:
    return json_reply({"serverTime": now_ms(venue)})


def _exchange_info(venue: Venue, _params: Params) -> Reply:
    listed = [market.listed for market in venue.symbols.values()]
    return json_reply(exchange_info(listed, now_ms(venue)))


def _depth(venue: Venue, params: Params) -> Reply:
    market = market_of(venue, params)
    limit = params.number("limit", 500, highest=1_000)
    if limit not in DEPTH_WEIGHTS:
        raise Refusal(400, -4021, f"{limit} is not valid depth limit.")
    image = venue.depth_image(market, limit)
    time_ms = now_ms(venue)
    return Reply(
        200, payload.snapshot(image.update_id, image.bids, image.asks, time_ms)
    )


def _depth_weight(params: Params) -> int:
    limit = params.values.get("limit", "500")
    return DEPTH_WEIGHTS.get(int(limit) if limit.isdecimal() else 0, 20)


def _book_ticker(venue: Venue, params: Params) -> Reply:
    def entry(market: SymbolMarket) -> dict[str, Any]:
        ticker = market.ticker
        return {
            "symbol": market.listed.symbol,
            "ps": market.listed.pair,
            "bidPrice": ticker.bid_price,
            "bidQty": ticker.bid_quantity,
            "askPrice": ticker.ask_price,
            "askQty": ticker.ask_quantity,
            "time": ticker.received_ns // NS_PER_MS,
            "lastUpdateId": ticker.update_id,
        }

    return one_or_all(venue, params, entry)


def _price(venue: Venue, params: Params) -> Reply:
    def entry(market: SymbolMarket) -> dict[str, Any]:
        last = market.deals.recent[-1] if market.deals.recent else None
        price = last.price if last else market.ticker.bid_price
        symbol = market.listed.symbol
        return {"symbol": symbol, "price": price, "time": now_ms(venue)}

    return one_or_all(venue, params, entry)


def _premium_index(venue: Venue, params: Params) -> Reply:
    def entry(market: SymbolMarket) -> dict[str, Any]:
        mark = market.mark_price()
        return {
            "symbol": market.listed.symbol,
            "markPrice": mark,
            "indexPrice": mark,
            "estimatedSettlePrice": mark,
            "lastFundingRate": FUNDING_RATE,
            "interestRate": FUNDING_RATE,
            "nextFundingTime": next_funding_ms(now_ms(venue)),
            "time": now_ms(venue),
        }

    return one_or_all(venue, params, entry)


def _funding_rate(venue: Venue, params: Params) -> Reply:
    markets = [market_of(venue, params)] if params.symbol else venue.symbols.values()
    settled_ms = next_funding_ms(now_ms(venue)) - FUNDING_HOURS * 60 * MINUTE_MS
    return json_reply(
        [
            {
                "symbol": market.listed.symbol,
                "fundingTime": settled_ms,
                "fundingRate": FUNDING_RATE,
                "markPrice": market.mark_price(),
                "rateType": "NORMAL",
            }
            for market in markets
        ]
    )


def _funding_info(venue: Venue, _params: Params) -> Reply:
    return json_reply(
        [
            {
                "symbol": symbol,
                "adjustedFundingRateCap": "0.00300000",
                "adjustedFundingRateFloor": "-0.00300000",
                "fundingIntervalHours": FUNDING_HOURS,
                "disclaimer": False,
            }
            for symbol in venue.symbols
        ]
    )


def _flat(weight: int, of_all: int | None = None) -> Weigh:
    """A fixed weight; `of_all` where no symbol is given."""
    return lambda params: weight if params.symbol or of_all is None else of_all


ENDPOINTS: dict[str, tuple[Weigh, Handler]] = {
    "/fapi/v1/ping": (_flat(1), _ping),
    "/fapi/v1/time": (_flat(1), _time),
    "/fapi/v1/exchangeInfo": (_flat(1), _exchange_info),
    "/fapi/v1/depth": (_depth_weight, _depth),
    "/fapi/v1/trades": (_flat(5), trades),
    "/fapi/v1/aggTrades": (_flat(20), aggregate_trades),
    "/fapi/v1/klines": (kline_weight, klines),
    "/fapi/v1/ticker/24hr": (_flat(1, of_all=40), day),
    "/fapi/v1/ticker/price": (_flat(1, of_all=2), _price),
    "/fapi/v2/ticker/price": (_flat(1, of_all=2), _price),
    "/fapi/v1/ticker/bookTicker": (_flat(2, of_all=5), _book_ticker),
    "/fapi/v1/premiumIndex": (_flat(1, of_all=10), _premium_index),
    "/fapi/v1/fundingRate": (_flat(1), _funding_rate),
    "/fapi/v1/fundingInfo": (_flat(1), _funding_info),
    "/api/v3/ping": (_flat(1), _ping),
    "/api/v3/time": (_flat(1), _time),
}
"""Every GET endpoint by path; the two of Spot are what some clients begin with."""
