"""Orders and fills as REST and the WebSocket API write them, in the form of 2026.

Replies to POST, PUT and DELETE have had no `avgPrice` and `cumQuote` since July 2026;
GET has them still.
"""

from typing import Any

from connectors.exchange.trading.account import ASSET
from connectors.exchange.trading.amount import ZERO, money, times, trimmed
from connectors.exchange.trading.ledger import Amendment, Fill
from connectors.exchange.trading.own_order import OwnOrder, Side, Status
from connectors.exchange.trading.scale import Scale

Json = dict[str, Any]


def order_reply(order: OwnOrder, scale: Scale, *, as_new: bool = False) -> Json:
    """The reply to a change; `as_new` shows what an ACK shows: nothing filled yet."""
    terms = order.terms
    executed = scale.quantity(ZERO if as_new else order.executed)
    return {
        "orderId": order.order_id,
        "symbol": terms.symbol,
        "pair": terms.symbol.partition("_")[0],
        "status": Status.NEW if as_new else order.status,
        "clientOrderId": terms.client_order_id,
        "price": scale.price(terms.price),
        "origQty": scale.quantity(terms.quantity),
        "executedQty": executed,
        "cumQty": executed,
        "timeInForce": terms.time_in_force,
        "type": terms.order_type,
        "reduceOnly": terms.is_reduce_only,
        "closePosition": terms.closes_position,
        "side": terms.side,
        "positionSide": terms.position_side,
        "stopPrice": scale.price(terms.stop_price),
        "workingType": terms.working_type,
        "priceProtect": terms.is_price_protected,
        "origType": terms.original_type,
        "priceMatch": terms.price_match,
        "selfTradePreventionMode": terms.self_trade,
        "goodTillDate": terms.good_till_ms,
        "updateTime": order.updated_ms,
    }


def order_record(order: OwnOrder, scale: Scale) -> Json:
    """What a query tells."""
    reply = order_reply(order, scale)
    del reply["cumQty"]
    return {
        **reply,
        "avgPrice": scale.average(order.average),
        "cumQuote": trimmed(order.quote),
        "time": order.created_ms,
    }


def fill_record(fill: Fill, scale: Scale) -> Json:
    """One entry of `userTrades`."""
    return {
        "symbol": fill.symbol,
        "pair": fill.symbol.partition("_")[0],
        "id": fill.trade_id,
        "orderId": fill.order_id,
        "side": fill.side,
        "price": scale.price(fill.price),
        "qty": scale.quantity(fill.quantity),
        "realizedPnl": money(fill.realised),
        "quoteQty": trimmed(times(fill.price, fill.quantity)),
        "commission": money(fill.commission),
        "commissionAsset": ASSET,
        "marginAsset": ASSET,
        "time": fill.time_ms,
        "positionSide": fill.position_side,
        "buyer": fill.side is Side.BUY,
        "maker": fill.is_maker,
    }


def amendment_record(amendment: Amendment, scale: Scale) -> Json:
    """One entry of `orderAmendment`."""
    terms = amendment.order.terms
    (price_before, price), (quantity_before, quantity) = (
        amendment.price,
        amendment.quantity,
    )
    return {
        "amendmentId": amendment.amendment_id,
        "symbol": terms.symbol,
        "pair": terms.symbol.partition("_")[0],
        "orderId": amendment.order.order_id,
        "clientOrderId": terms.client_order_id,
        "time": amendment.time_ms,
        "amendment": {
            "price": {
                "before": scale.price(price_before),
                "after": scale.price(price),
            },
            "origQty": {
                "before": scale.quantity(quantity_before),
                "after": scale.quantity(quantity),
            },
            "count": amendment.number,
        },
        "priceMatch": terms.price_match,
    }
