"""`exchangeInfo`: the rules of the symbols played, complete enough for any client."""

from collections.abc import Iterable
from typing import Any

from connectors.exchange.listing import Listed
from connectors.exchange.request_weight import WEIGHT_PER_MINUTE
from connectors.exchange.synthetic_listing import fixed

_PERPETUAL_MS = 4_133_404_800_000
_HIGHEST_PRICE = 10_000_000
_ONBOARD_MS = 1_569_398_400_000
ORDERS_PER_MINUTE = 1_200
ORDERS_PER_10_S = 300
MOST = 1_000_000
"""The largest quantity of a limit order."""

MARKET_MOST = 100_000
"""The largest quantity of a market order."""

MARK_BAND = ("0.9500", "1.0500")
"""How far below the mark a sale, and above it a buy, may be; times the mark."""

OPEN_ORDERS = 200
"""Open orders a symbol may have."""

_LIMITS = (
    ("REQUEST_WEIGHT", "MINUTE", 1, WEIGHT_PER_MINUTE),
    ("ORDERS", "MINUTE", 1, ORDERS_PER_MINUTE),
    ("ORDERS", "SECOND", 10, ORDERS_PER_10_S),
)


def exchange_info(symbols: Iterable[Listed], time_ms: int) -> dict[str, Any]:
    """The whole reply."""
    listed = list(symbols)
    return {
        "timezone": "UTC",
        "serverTime": time_ms,
        "futuresType": "U_MARGINED",
        "rateLimits": rate_limits(),
        "exchangeFilters": [],
        "assets": [
            {"asset": asset, "marginAvailable": True, "autoAssetExchange": "-10000"}
            for asset in sorted({each.assets[1] for each in listed})
        ],
        "symbols": [_symbol(each) for each in listed],
    }


def rate_limits() -> list[dict[str, Any]]:
    """The limits of requests and of orders."""
    return [
        {
            "rateLimitType": kind,
            "interval": interval,
            "intervalNum": number,
            "limit": limit,
        }
        for kind, interval, number, limit in _LIMITS
    ]


def highest_price(listed: Listed) -> str:
    """The largest price of a symbol."""
    decimals = listed.price_decimals
    return fixed(_HIGHEST_PRICE * 10**decimals, decimals)


def _symbol(listed: Listed) -> dict[str, Any]:
    base, quote = listed.assets
    return {
        "symbol": listed.symbol,
        "pair": listed.pair,
        "contractType": "PERPETUAL",
        "deliveryDate": _PERPETUAL_MS,
        "onboardDate": _ONBOARD_MS,
        "status": "TRADING",
        "maintMarginPercent": "2.5000",
        "requiredMarginPercent": "5.0000",
        "baseAsset": base,
        "quoteAsset": quote,
        "marginAsset": quote,
        "pricePrecision": listed.price_decimals,
        "quantityPrecision": listed.quantity_decimals,
        "baseAssetPrecision": 8,
        "quotePrecision": 8,
        "underlyingType": "COIN",
        "underlyingSubType": [],
        "triggerProtect": "0.0500",
        "liquidationFee": "0.012500",
        "marketTakeBound": "0.05",
        "maxMoveOrderLimit": 10_000,
        "filters": _filters(listed),
        "orderTypes": [
            "LIMIT",
            "MARKET",
            "STOP",
            "STOP_MARKET",
            "TAKE_PROFIT",
            "TAKE_PROFIT_MARKET",
            "TRAILING_STOP_MARKET",
        ],
        "timeInForce": ["GTC", "IOC", "FOK", "GTX", "GTD"],
        "permissionSets": ["GRID", "COPY"],
    }


def _filters(listed: Listed) -> list[dict[str, Any]]:
    step = listed.step_size
    lots = {"stepSize": step, "minQty": step}
    return [
        {
            "filterType": "PRICE_FILTER",
            "minPrice": listed.tick_size,
            "maxPrice": highest_price(listed),
            "tickSize": listed.tick_size,
        },
        {"filterType": "LOT_SIZE", "maxQty": str(MOST), **lots},
        {"filterType": "MARKET_LOT_SIZE", "maxQty": str(MARKET_MOST), **lots},
        {"filterType": "MAX_NUM_ORDERS", "limit": OPEN_ORDERS},
        {"filterType": "MIN_NOTIONAL", "notional": listed.min_notional},
        {
            "filterType": "PERCENT_PRICE",
            "multiplierUp": MARK_BAND[1],
            "multiplierDown": MARK_BAND[0],
            "multiplierDecimal": "4",
        },
        {"filterType": "POSITION_RISK_CONTROL", "positionControlSide": "NONE"},
    ]
