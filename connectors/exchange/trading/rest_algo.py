"""Endpoints of the Algo service. Source: Binance USD-M "Algo Order" REST endpoints."""

from typing import Any

from connectors.exchange.rest_reply import Params
from connectors.exchange.trading.algo_order import AlgoOrder, algo_record
from connectors.exchange.trading.endpoint import (
    Endpoint,
    Endpoints,
    Window,
    symbol_of,
)
from connectors.exchange.trading.order_request import bad
from connectors.exchange.trading.trading import Trading

_CANCELLED_ALL = "The operation of cancel all open order is done."


def _record(trading: Trading, algo: AlgoOrder) -> dict[str, Any]:
    return algo_record(algo, trading.execution.scales[algo.terms.symbol])


def _place(trading: Trading, params: Params) -> object:
    return _record(trading, trading.algos.place(params))


def _cancel(trading: Trading, params: Params) -> object:
    algo = trading.algos.find(params)
    if algo is None or not algo.is_open:
        raise bad(-2011, "Unknown order sent.")
    trading.algos.cancel(algo)
    name = algo.terms.client_order_id
    return {
        "algoId": algo.algo_id,
        "clientAlgoId": name,
        "code": "200",
        "msg": "success",
    }


def _cancel_all(trading: Trading, params: Params) -> object:
    trading.algos.cancel_all(symbol_of(trading, params))
    return {"code": 200, "msg": _CANCELLED_ALL}


def _query(trading: Trading, params: Params) -> object:
    algo = trading.algos.find(params)
    if algo is None:
        raise bad(-2013, "Order does not exist.")
    return _record(trading, algo)


def _open(trading: Trading, params: Params) -> object:
    symbol = symbol_of(trading, params) if params.symbol else ""
    return [_record(trading, algo) for algo in trading.algos.waiting(symbol)]


def _all(trading: Trading, params: Params) -> object:
    symbol = symbol_of(trading, params)
    window = Window.of(params, trading.now_ms)
    first_id = params.number("algoId", 0)
    rows = [
        _record(trading, algo)
        for algo in trading.algos.algos.values()
        if algo.terms.symbol == symbol
        and (algo.algo_id >= first_id if first_id else window.holds(algo.created_ms))
    ]
    return window.cut(rows)


ALGO_ENDPOINTS: Endpoints = {
    ("POST", "/fapi/v1/algoOrder"): Endpoint(_place, weight=0, orders=(1, 1)),
    ("DELETE", "/fapi/v1/algoOrder"): Endpoint(_cancel),
    ("GET", "/fapi/v1/algoOrder"): Endpoint(_query),
    ("DELETE", "/fapi/v1/algoOpenOrders"): Endpoint(_cancel_all),
    ("GET", "/fapi/v1/openAlgoOrders"): Endpoint(_open, 1, 40),
    ("GET", "/fapi/v1/allAlgoOrders"): Endpoint(_all, 5),
}
