"""`exchangeInfo`: the rules of the symbols played, complete enough for any client."""

from collections.abc import Iterable
from typing import Any

from connectors.exchange.listing import Listed
from connectors.exchange.request_weight import WEIGHT_PER_MINUTE
from connectors.exchange.synthetic_listing import fixed

_PERPETUAL_MS = 4_133_404_800_000
_ONBOARD_MS = 1_569_398_400_000
_LIMITS = (
    ("REQUEST_WEIGHT", "MINUTE", 1, WEIGHT_PER_MINUTE),
    ("ORDERS", "MINUTE", 1, 1_200),
    ("ORDERS", "SECOND", 10, 300),
)


def exchange_info(symbols: Iterable[Listed], time_ms: int) -> dict[str, Any]:
    """The whole reply."""
    listed = list(symbols)
    return {
        "timezone": "UTC",
        "serverTime": time_ms,
        "futuresType": "U_MARGINED",
        "rateLimits": [
            {
                "rateLimitType": kind,
                "interval": interval,
                "intervalNum": number,
                "limit": limit,
            }
            for kind, interval, number, limit in _LIMITS
        ],
        "exchangeFilters": [],
        "assets": [
            {"asset": asset, "marginAvailable": True, "autoAssetExchange": "-10000"}
            for asset in sorted({each.assets[1] for each in listed})
        ],
        "symbols": [_symbol(each) for each in listed],
    }


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
            "maxPrice": fixed(
                10_000_000 * 10**listed.price_decimals, (listed.price_decimals)
            ),
            "tickSize": listed.tick_size,
        },
        {"filterType": "LOT_SIZE", "maxQty": "1000000", **lots},
        {"filterType": "MARKET_LOT_SIZE", "maxQty": "100000", **lots},
        {"filterType": "MAX_NUM_ORDERS", "limit": 200},
        {"filterType": "MIN_NOTIONAL", "notional": listed.min_notional},
        {
            "filterType": "PERCENT_PRICE",
            "multiplierUp": "1.0500",
            "multiplierDown": "0.9500",
            "multiplierDecimal": "4",
        },
        {"filterType": "POSITION_RISK_CONTROL", "positionControlSide": "NONE"},
    ]
