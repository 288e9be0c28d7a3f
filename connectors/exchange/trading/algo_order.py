"""A conditional order: it waits for a price, and then becomes an ordinary one.

Source: Binance USD-M "New Algo Order (TRADE)" and Algo service of December 2025.
"""

from dataclasses import dataclass
from decimal import Decimal
from enum import StrEnum
from typing import Any

from connectors.exchange.rest_reply import Params
from connectors.exchange.trading.amount import ZERO
from connectors.exchange.trading.order_request import (
    bad,
    client_id_of,
    decimal_of,
    flag_of,
    good_till_of,
    position_side_of,
    price_match_of,
    reduce_only_of,
    self_trade_of,
    side_of,
)
from connectors.exchange.trading.own_order import (
    OrderTerms,
    OwnOrder,
    Side,
    TimeInForce,
)
from connectors.exchange.trading.scale import Scale

ALGO_TYPES = {
    "STOP": "LIMIT",
    "STOP_MARKET": "MARKET",
    "TAKE_PROFIT": "LIMIT",
    "TAKE_PROFIT_MARKET": "MARKET",
}
"""Conditional types, and what each becomes."""

WORKING_TYPES = ("CONTRACT_PRICE", "MARK_PRICE")


class AlgoStatus(StrEnum):
    """Where a conditional order stands."""

    NEW = "NEW"
    TRIGGERING = "TRIGGERING"
    TRIGGERED = "TRIGGERED"
    FINISHED = "FINISHED"
    CANCELED = "CANCELED"
    EXPIRED = "EXPIRED"
    REJECTED = "REJECTED"


@dataclass(slots=True, eq=False)
class AlgoOrder:
    """A conditional order with its record."""

    algo_id: int
    terms: OrderTerms
    """Of the order that it becomes; its quantity is 0 where it closes a position."""
    trigger_price: Decimal
    created_ms: int
    updated_ms: int
    status: AlgoStatus = AlgoStatus.NEW
    triggered_ms: int = 0
    order: OwnOrder | None = None
    """What it has become."""
    reject_reason: str = ""

    @property
    def is_open(self) -> bool:
        """Whether it still waits."""
        return self.status is AlgoStatus.NEW

    @property
    def becomes(self) -> str:
        """LIMIT or MARKET."""
        return ALGO_TYPES[self.terms.original_type]

    @property
    def time_in_force(self) -> str:
        """As it is shown: one that closes a position dies with it."""
        return "GTE_GTC" if self.terms.closes_position else self.terms.time_in_force

    def fires_at(self, price: Decimal) -> bool:
        """Whether the condition holds: a stop follows its side, a profit opposes it."""
        is_stop = self.terms.original_type.startswith("STOP")
        is_from_below = is_stop is (self.terms.side is Side.BUY)
        if is_from_below:
            return price >= self.trigger_price
        return price <= self.trigger_price


def algo_terms(
    params: Params, *, now_ms: int, is_hedged: bool, fallback_id: str
) -> tuple[OrderTerms, Decimal]:
    """What a conditional order asks for, and its trigger price."""
    algo_type = params.required("algoType").upper()
    if algo_type != "CONDITIONAL":
        raise bad(-1130, "Data sent for parameter 'algoType' is not valid.")
    symbol, side = params.required("symbol").upper(), side_of(params)
    kind = params.required("type").upper()
    if kind not in ALGO_TYPES:
        raise bad(-1116, "Invalid orderType.")
    params.required("triggerPrice")
    trigger = decimal_of(params, "triggerPrice") or ZERO
    if trigger <= 0:
        raise bad(-4006, "Stop price less than zero.")
    working_type = params.values.get("workingType", "CONTRACT_PRICE").upper()
    if working_type not in WORKING_TYPES:
        raise bad(-4031, f"Invalid parameter working type: {working_type}")
    time_in_force = _time_in_force(params)
    position_side = position_side_of(params, is_hedged=is_hedged)
    closes = _closes_position(params, kind)
    match = price_match_of(params, kind)
    if ALGO_TYPES[kind] == "LIMIT" and match == "NONE":
        params.required("price")
    if not closes:
        params.required("quantity")
    terms = OrderTerms(
        symbol,
        side,
        ALGO_TYPES[kind],
        time_in_force,
        decimal_of(params, "quantity") or ZERO,
        decimal_of(params, "price") or ZERO,
        client_id_of(params, "clientAlgoId", fallback_id),
        position_side,
        reduce_only_of(params, position_side) or closes,
        closes,
        self_trade=self_trade_of(params, time_in_force),
        price_match=match,
        good_till_ms=good_till_of(params, time_in_force, now_ms),
        stop_price=trigger,
        original_type=kind,
        working_type=working_type,
        is_price_protected=flag_of(params, "priceProtect"),
    )
    return terms, trigger


def _time_in_force(params: Params) -> TimeInForce:
    text = params.values.get("timeInForce", "GTC").upper().removeprefix("GTE_")
    if text not in set(TimeInForce):
        raise bad(-1115, "Invalid timeInForce.")
    return TimeInForce(text)


def _closes_position(params: Params, kind: str) -> bool:
    if not flag_of(params, "closePosition"):
        return False
    if not kind.endswith("_MARKET"):
        msg = f"Target strategy invalid for orderType '{kind}',closePosition 'true'."
        raise bad(-4136, msg)
    if decimal_of(params, "quantity"):
        raise bad(-4137, "Quantity must be zero with closePosition equals true")
    if params.values.get("reduceOnly"):
        raise bad(-1106, "Parameter 'reduceOnly' sent when not required.")
    return True


def algo_record(algo: AlgoOrder, scale: Scale) -> dict[str, Any]:
    """A conditional order as replies and queries show it."""
    terms, order = algo.terms, algo.order
    return {
        "algoId": algo.algo_id,
        "clientAlgoId": terms.client_order_id,
        "algoType": "CONDITIONAL",
        "orderType": terms.original_type,
        "symbol": terms.symbol,
        "side": terms.side,
        "positionSide": terms.position_side,
        "timeInForce": algo.time_in_force,
        "quantity": scale.quantity(terms.quantity),
        "algoStatus": algo.status,
        "actualOrderId": str(order.order_id) if order else "",
        "actualPrice": scale.average(order.average if order else ZERO),
        "actualQty": scale.quantity(order.executed if order else ZERO),
        "actualType": order.terms.order_type if order else "",
        "triggerPrice": scale.price(algo.trigger_price),
        "price": scale.price(terms.price),
        "icebergQuantity": None,
        "tpTriggerPrice": "0",
        "tpPrice": "0",
        "slTriggerPrice": "0",
        "slPrice": "0",
        "tpOrderType": "",
        "selfTradePreventionMode": terms.self_trade,
        "workingType": terms.working_type,
        "priceMatch": terms.price_match,
        "closePosition": terms.closes_position,
        "priceProtect": terms.is_price_protected,
        "reduceOnly": terms.is_reduce_only,
        "createTime": algo.created_ms,
        "updateTime": algo.updated_ms,
        "triggerTime": algo.triggered_ms,
        "goodTillDate": terms.good_till_ms,
    }


def algo_update(algo: AlgoOrder, scale: Scale, now_ms: int) -> dict[str, Any]:
    """ALGO_UPDATE."""
    terms, order = algo.terms, algo.order
    body: dict[str, Any] = {
        "caid": terms.client_order_id,
        "aid": algo.algo_id,
        "at": "CONDITIONAL",
        "o": terms.original_type,
        "s": terms.symbol,
        "S": terms.side,
        "ps": terms.position_side,
        "f": algo.time_in_force,
        "q": scale.quantity(terms.quantity) if terms.quantity else "0",
        "X": algo.status,
        "ai": str(order.order_id) if order else "",
    }
    if order:
        body["ap"] = scale.average(order.average)
        body["aq"] = scale.quantity(order.executed)
        body["act"] = order.terms.order_type
    body |= {
        "tp": scale.price(algo.trigger_price),
        "p": scale.price(terms.price),
        "V": terms.self_trade,
        "wt": terms.working_type,
        "pm": terms.price_match,
        "cp": terms.closes_position,
        "pP": terms.is_price_protected,
        "R": terms.is_reduce_only,
        "tt": algo.triggered_ms,
        "gtd": terms.good_till_ms,
        "ia": False,
    }
    if algo.reject_reason:
        body["rm"] = algo.reject_reason
    return {"e": "ALGO_UPDATE", "T": now_ms, "E": now_ms, "o": body}
