"""Order endpoints. Source: Binance USD-M "Trade" REST endpoints."""

import msgspec

from connectors.exchange.exchange_info import rate_limits
from connectors.exchange.rest_reply import Params, Refusal
from connectors.exchange.trading.endpoint import (
    Endpoint,
    Endpoints,
    Handler,
    Window,
    symbol_of,
    symbols_of,
)
from connectors.exchange.trading.order_desk import OrderName
from connectors.exchange.trading.order_json import (
    Json,
    amendment_record,
    fill_record,
    order_record,
    order_reply,
)
from connectors.exchange.trading.order_request import bad, response_type_of
from connectors.exchange.trading.own_order import OwnOrder
from connectors.exchange.trading.trading import Trading

MOST_PLACED = 5
MOST_CANCELLED = 10
_UNKNOWN = (-2011, "Unknown order sent.")
_MISSING = (-2013, "Order does not exist.")
_CANCELLED_ALL = "The operation of cancel all open order is done."
_MOST_TRADES = 1_000
_MOST_AMENDMENTS = 100


def _record(trading: Trading, order: OwnOrder) -> Json:
    return order_record(order, trading.execution.scales[order.terms.symbol])


def _reply(trading: Trading, order: OwnOrder, *, as_new: bool = False) -> Json:
    scale = trading.execution.scales[order.terms.symbol]
    return order_reply(order, scale, as_new=as_new)


def place(trading: Trading, params: Params) -> object:
    """Place an order; an ACK shows it as new whatever has become of it."""
    terms = trading.orders.terms_of(params)
    order = trading.orders.place(terms)
    is_final = response_type_of(params) == "RESULT" and terms.takes_only
    return _reply(trading, order, as_new=not is_final)


def _test(trading: Trading, params: Params) -> object:
    trading.orders.check(trading.orders.terms_of(params))
    return {}


def _amend(trading: Trading, params: Params) -> object:
    order = trading.amending.amend(params)
    return {**_reply(trading, order), "modifyId": order.amendments}


def _cancel(trading: Trading, params: Params) -> object:
    order = trading.orders.open_order(OrderName.of(params), *_UNKNOWN)
    return _reply(trading, trading.orders.cancel(order))


def _cancel_all(trading: Trading, params: Params) -> object:
    trading.orders.cancel_all(symbol_of(trading, params))
    return {"code": 200, "msg": _CANCELLED_ALL}


def _query(trading: Trading, params: Params) -> object:
    order = trading.orders.find(OrderName.of(params))
    if order is None or order.is_forgotten(trading.now_ms):
        raise bad(*_MISSING)
    return _record(trading, order)


def _query_open(trading: Trading, params: Params) -> object:
    order = trading.orders.open_order(OrderName.of(params), *_MISSING)
    return _record(trading, order)


def _open_orders(trading: Trading, params: Params) -> object:
    symbol = symbol_of(trading, params) if params.symbol else ""
    return [_record(trading, order) for order in trading.ledger.open_of(symbol)]


def _all_orders(trading: Trading, params: Params) -> object:
    symbols = set(symbols_of(trading, params))
    window = Window.of(params, trading.now_ms)
    first_id = params.number("orderId", 0)
    rows = [
        order
        for order in trading.ledger.recent(trading.now_ms)
        if order.terms.symbol in symbols
        and (order.order_id >= first_id if first_id else window.holds(order.created_ms))
    ]
    chosen = rows[: window.limit] if first_id else window.cut(rows)
    return [_record(trading, order) for order in chosen]


def _user_trades(trading: Trading, params: Params) -> object:
    symbol = symbol_of(trading, params)
    window = Window.of(params, trading.now_ms, most=_MOST_TRADES)
    order_id, first_id = params.number("orderId", 0), params.number("fromId", 0)
    if first_id and (params.values.get("startTime") or params.values.get("endTime")):
        raise bad(-1128, "Combination of optional parameters invalid.")
    rows = [
        fill
        for fill in trading.ledger.fills_of(symbol)
        if order_id in {0, fill.order_id}
        and (fill.trade_id >= first_id if first_id else window.holds(fill.time_ms))
    ]
    chosen = rows[: window.limit] if first_id else window.cut(rows)
    scale = trading.execution.scales[symbol]
    return [fill_record(fill, scale) for fill in chosen]


def _amendments(trading: Trading, params: Params) -> object:
    symbol = symbol_of(trading, params)
    window = Window.of(params, trading.now_ms, most=_MOST_AMENDMENTS)
    order_id = params.number("orderId", 0)
    client_id = params.values.get("origClientOrderId", "")
    rows = [
        amendment_record(amendment, trading.execution.scales[symbol])
        for amendment in trading.ledger.amendments
        if amendment.order.terms.symbol == symbol
        and order_id in {0, amendment.order.order_id}
        and client_id in {"", amendment.order.terms.client_order_id}
    ]
    return window.cut(rows)


def _force_orders(trading: Trading, params: Params) -> object:
    symbols = set(symbols_of(trading, params))
    window = Window.of(params, trading.now_ms, most=_MOST_AMENDMENTS)
    rows = [
        _record(trading, order)
        for order in trading.ledger.orders.values()
        if order.is_forced and order.terms.symbol in symbols
    ]
    return window.cut(rows)


def _place_batch(trading: Trading, params: Params) -> object:
    items = _items(params.required("batchOrders"))
    if not 1 <= len(items) <= MOST_PLACED:
        raise bad(-4082, "Invalid number of batch place orders.")
    return [_each(trading, place, item) for item in items]


def _amend_batch(trading: Trading, params: Params) -> object:
    items = _items(params.required("batchOrders"))
    if not 1 <= len(items) <= MOST_PLACED:
        raise bad(-4082, "Invalid number of batch place orders.")
    return [_each(trading, _amend, item) for item in items]


def _cancel_batch(trading: Trading, params: Params) -> object:
    symbol = symbol_of(trading, params)
    names = [("orderId", text) for text in _list(params, "orderIdList")]
    if not names:
        clients = _list(params, "origClientOrderIdList")
        names = [("origClientOrderId", text) for text in clients]
    if not names:
        msg = "Mandatory parameter 'orderIdList' was not sent, was empty/null, or "
        raise bad(-1102, msg + "malformed.")
    if len(names) > MOST_CANCELLED:
        raise bad(-4032, "Exceed maximum cancel order size.")
    items = [{"symbol": symbol, name: text} for name, text in names]
    return [_each(trading, _cancel, item) for item in items]


def _each(trading: Trading, handle: Handler, item: dict[str, str]) -> object:
    """One part of a batch: its reply, or its refusal."""
    try:
        return handle(trading, Params(item))
    except Refusal as refusal:
        return {"code": refusal.code, "msg": refusal.message}


def _items(text: str) -> list[dict[str, str]]:
    try:
        raw = msgspec.json.decode(text, type=list[dict[str, msgspec.Raw]])
    except msgspec.DecodeError:
        raise bad(
            -1130, "Data sent for parameter 'batchOrders' is not valid."
        ) from None
    return [{name: raw_text(value) for name, value in item.items()} for item in raw]


def _list(params: Params, name: str) -> list[str]:
    text = params.values.get(name)
    if not text:
        return []
    try:
        raw = msgspec.json.decode(text, type=list[msgspec.Raw])
    except msgspec.DecodeError:
        raise bad(-1130, f"Data sent for parameter '{name}' is not valid.") from None
    return [raw_text(value) for value in raw]


def raw_text(value: msgspec.Raw) -> str:
    """A JSON value as a parameter: a number keeps its digits, null is nothing."""
    text = bytes(value).decode()
    if text.startswith('"'):
        return msgspec.json.decode(value, type=str)
    return "" if text == "null" else text


def _countdown(trading: Trading, params: Params) -> object:
    symbol = symbol_of(trading, params)
    countdown = params.required("countdownTime")
    trading.switch.arm(symbol, params.number("countdownTime", 0))
    return {"symbol": symbol, "countdownTime": countdown}


def _order_limits(_trading: Trading, _params: Params) -> object:
    return [limit for limit in rate_limits() if limit["rateLimitType"] == "ORDERS"]


_ORDER = (1, 1)
_BATCH = (5, 1)

ORDER_ENDPOINTS: Endpoints = {
    ("POST", "/fapi/v1/order"): Endpoint(place, weight=0, orders=_ORDER),
    ("PUT", "/fapi/v1/order"): Endpoint(_amend, weight=0, orders=_ORDER),
    ("DELETE", "/fapi/v1/order"): Endpoint(_cancel),
    ("GET", "/fapi/v1/order"): Endpoint(_query),
    ("POST", "/fapi/v1/order/test"): Endpoint(_test),
    ("POST", "/fapi/v1/batchOrders"): Endpoint(_place_batch, 5, orders=_BATCH),
    ("PUT", "/fapi/v1/batchOrders"): Endpoint(_amend_batch, 5, orders=_BATCH),
    ("DELETE", "/fapi/v1/batchOrders"): Endpoint(_cancel_batch),
    ("DELETE", "/fapi/v1/allOpenOrders"): Endpoint(_cancel_all),
    ("POST", "/fapi/v1/countdownCancelAll"): Endpoint(_countdown, 10),
    ("GET", "/fapi/v1/openOrder"): Endpoint(_query_open),
    ("GET", "/fapi/v1/openOrders"): Endpoint(_open_orders, 1, 40),
    ("GET", "/fapi/v1/allOrders"): Endpoint(_all_orders, 5),
    ("GET", "/fapi/v1/userTrades"): Endpoint(_user_trades, 5),
    ("GET", "/fapi/v1/orderAmendment"): Endpoint(_amendments),
    ("GET", "/fapi/v1/forceOrders"): Endpoint(_force_orders, 20, 50),
    ("GET", "/fapi/v1/rateLimit/order"): Endpoint(_order_limits),
}
