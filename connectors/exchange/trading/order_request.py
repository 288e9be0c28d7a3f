"""An order as a request asks for it, read and checked for its form.

Source: Binance USD-M "New Order (TRADE)" and "Error Codes".
"""

import re
from decimal import Decimal

from connectors.exchange.rest_reply import Params, Refusal
from connectors.exchange.trading.amount import ZERO
from connectors.exchange.trading.own_order import (
    OrderTerms,
    PositionSide,
    SelfTrade,
    Side,
    TimeInForce,
)

CONDITIONAL_TYPES = (
    "STOP",
    "STOP_MARKET",
    "TAKE_PROFIT",
    "TAKE_PROFIT_MARKET",
    "TRAILING_STOP_MARKET",
)
PRICE_MATCHES = ("OPPONENT", "OPPONENT_5", "QUEUE", "QUEUE_5", "QUEUE_10", "QUEUE_20")
"""OPPONENT_10 and OPPONENT_20 have been withdrawn since October 2025."""

LONGEST_GOOD_TILL_MS = 253_402_300_799_000
SHORTEST_GOOD_TILL_MS = 600_000
_LONGEST_CLIENT_ID = 36
_CLIENT_ID = re.compile(r"[.A-Z:/a-z0-9_-]{1,36}")
_DECIMAL = re.compile(r"[0-9]{1,20}(\.[0-9]{1,20})?")
_MS_PER_S = 1_000


def bad(code: int, message: str) -> Refusal:
    """A request refused for what it says."""
    return Refusal(400, code, message)


def decimal_of(params: Params, name: str) -> Decimal | None:
    """A decimal parameter; None without it, Refusal -1100 for other text."""
    text = params.values.get(name)
    if not text:
        return None
    if not _DECIMAL.fullmatch(text):
        msg = f"Illegal characters found in parameter '{name}'; legal range is "
        raise bad(-1100, msg + r"'^([0-9]{1,20})(\.[0-9]{1,20})?$'.")
    return Decimal(text)


def flag_of(params: Params, name: str) -> bool:
    """A boolean parameter, false without it; Refusal -1130 for other text."""
    text = params.values.get(name, "").lower()
    if text not in {"", "true", "false"}:
        raise bad(-1130, f"Data sent for parameter '{name}' is not valid.")
    return text == "true"


def side_of(params: Params) -> Side:
    """The mandatory side; Refusal -1117 for an unknown one."""
    try:
        return Side(params.required("side").upper())
    except ValueError:
        raise bad(-1117, "Invalid side.") from None


def client_id_of(params: Params, name: str, fallback: str) -> str:
    """A new client id, or `fallback` without one; Refusal -4015 for a bad one."""
    text = params.values.get(name) or fallback
    if len(text) > _LONGEST_CLIENT_ID:
        msg = "Client order id length should not be more than 36 chars"
        raise bad(-4015, msg)
    if not _CLIENT_ID.fullmatch(text):
        raise bad(-4015, "Client order id is not valid.")
    return text


def position_side_of(params: Params, *, is_hedged: bool) -> PositionSide:
    """The position meant; Refusal -4060 or -4061 where it does not fit the mode."""
    try:
        side = PositionSide(params.values.get("positionSide", "BOTH").upper())
    except ValueError:
        raise bad(-4060, "Invalid position side.") from None
    if (side is PositionSide.BOTH) is is_hedged:
        raise bad(-4061, "Order's position side does not match user's setting.")
    return side


def self_trade_of(params: Params, time_in_force: TimeInForce) -> SelfTrade:
    """The self-trade prevention; Refusal -5039 for NONE, or where it has no place."""
    text = params.values.get("selfTradePreventionMode")
    if not text:
        return SelfTrade.EXPIRE_MAKER
    is_placed = time_in_force not in {TimeInForce.FOK, TimeInForce.GTX}
    if text not in set(SelfTrade) or not is_placed:
        raise bad(-5039, "Invalid self trade prevention mode")
    return SelfTrade(text)


def good_till_of(params: Params, time_in_force: TimeInForce, now_ms: int) -> int:
    """The end of a GTD order in whole seconds; 0 of any other."""
    if time_in_force is not TimeInForce.GTD:
        if params.number("goodTillDate", 0):
            raise bad(-1106, "Parameter 'goodTillDate' sent when not required.")
        return 0
    params.required("goodTillDate")
    until_ms = params.number("goodTillDate", 0)
    if not now_ms + SHORTEST_GOOD_TILL_MS < until_ms < LONGEST_GOOD_TILL_MS:
        msg = (
            "The goodTillDate timestamp must be greater than the current time plus "
            "600 seconds and smaller than 253402300799000 (UTC 9999-12-31 23:59:59)"
        )
        raise bad(-5040, msg)
    return until_ms // _MS_PER_S * _MS_PER_S


def price_match_of(params: Params, order_type: str) -> str:
    """The price match, NONE without one; Refusal -5037 or -5038 where it is wrong."""
    match = params.values.get("priceMatch", "NONE").upper()
    if match == "NONE":
        return match
    if match not in PRICE_MATCHES:
        raise bad(-5037, "Invalid price match")
    if order_type not in {"LIMIT", "STOP", "TAKE_PROFIT"}:
        msg = "Price match only supports order type: LIMIT, STOP AND TAKE_PROFIT"
        raise bad(-5038, msg)
    if params.values.get("price"):
        raise bad(-1106, "Parameter 'price' sent when not required.")
    return match


def response_type_of(params: Params) -> str:
    """ACK or RESULT; Refusal -1136 for another."""
    text = params.values.get("newOrderRespType", "ACK").upper()
    if text not in {"ACK", "RESULT"}:
        raise bad(-1136, "Invalid newOrderRespType.")
    return text


def reduce_only_of(params: Params, position_side: PositionSide) -> bool:
    """Whether it may only reduce; Refusal -4062 in hedge mode, which has sides."""
    if params.values.get("reduceOnly") and position_side is not PositionSide.BOTH:
        raise bad(-4062, "Invalid or improper reduceOnly value.")
    return flag_of(params, "reduceOnly")


def order_type_of(params: Params) -> str:
    """LIMIT or MARKET; Refusal -4120 for those of the Algo service, else -1116."""
    order_type = params.required("type").upper()
    if order_type in CONDITIONAL_TYPES:
        msg = (
            "Order type not supported for this endpoint. "
            "Please use the Algo Order API endpoints instead."
        )
        raise bad(-4120, msg)
    if order_type not in {"LIMIT", "MARKET"}:
        raise bad(-1116, "Invalid orderType.")
    return order_type


def time_in_force_of(params: Params, *, is_limit: bool) -> TimeInForce:
    """How long it lives: mandatory for a limit order, and out of place elsewhere."""
    text = params.values.get("timeInForce", "").upper()
    if not is_limit:
        if text:
            raise bad(-1106, "Parameter 'timeInForce' sent when not required.")
        return TimeInForce.GTC
    params.required("timeInForce")
    if text not in set(TimeInForce):
        raise bad(-1115, "Invalid timeInForce.")
    return TimeInForce(text)


def order_terms(
    params: Params, *, now_ms: int, is_hedged: bool, fallback_id: str
) -> OrderTerms:
    """What a new order asks for; its price is 0 where a price match is to tell it."""
    symbol = params.required("symbol").upper()
    side = side_of(params)
    order_type = order_type_of(params)
    is_limit = order_type == "LIMIT"
    time_in_force = time_in_force_of(params, is_limit=is_limit)
    if flag_of(params, "closePosition"):
        msg = "Target strategy invalid for orderType '%s',closePosition '%s'."
        raise bad(-4136, msg % (order_type, "true"))
    position_side = position_side_of(params, is_hedged=is_hedged)
    match = price_match_of(params, order_type)
    response_type_of(params)
    params.required("quantity")
    if is_limit and match == "NONE":
        params.required("price")
    price = decimal_of(params, "price")
    if price is not None and not is_limit:
        raise bad(-1106, "Parameter 'price' sent when not required.")
    return OrderTerms(
        symbol,
        side,
        order_type,
        time_in_force,
        decimal_of(params, "quantity") or ZERO,
        price or ZERO,
        client_id_of(params, "newClientOrderId", fallback_id),
        position_side,
        reduce_only_of(params, position_side),
        self_trade=self_trade_of(params, time_in_force),
        price_match=match,
        good_till_ms=good_till_of(params, time_in_force, now_ms),
        original_type=order_type,
    )
