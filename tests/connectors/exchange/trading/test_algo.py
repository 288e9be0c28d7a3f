"""Conditional orders: placed, fired by the right price, withdrawn, refused."""

import json
from typing import Any

import pytest

from tests.connectors.exchange.exchange_samples import BTC, ETH
from tests.connectors.exchange.trading.trader import Trader, kinds


@pytest.fixture
def trader() -> Trader:
    return Trader()


def stop(trigger: str, side: str = "SELL", /, **more: object) -> dict[str, object]:
    usual = {"symbol": BTC, "side": side, "algoType": "CONDITIONAL"}
    usual |= {"type": "STOP_MARKET", "quantity": "0.100", "triggerPrice": trigger}
    return {**usual, **more}


def place(trader: Trader, trigger: str, side: str = "SELL", /, **more: object) -> Any:
    return trader.ask("POST", "v1/algoOrder", **stop(trigger, side, **more))


def state(trader: Trader, algo: Any) -> str:
    found = trader.ask("GET", "v1/algoOrder", algoId=algo["algoId"])
    return str(found["algoStatus"])


def test_algo_order_waits_apart_from_ordinary_ones(trader: Trader) -> None:
    algo = place(trader, "59000.00", clientAlgoId="guard")
    assert (algo["algoStatus"], algo["orderType"]) == ("NEW", "STOP_MARKET")
    assert trader.ask("GET", "v1/openOrders") == []
    trader.ask("DELETE", "v1/allOpenOrders", symbol=BTC)
    assert trader.ask("GET", "v1/openAlgoOrders", symbol=BTC) == [algo]
    assert trader.ask("GET", "v1/openAlgoOrders", symbol=ETH) == []
    assert trader.ask("GET", "v1/algoOrder", clientAlgoId="guard") == algo
    assert trader.venue.trading.account.initial_margin == 0


@pytest.mark.parametrize(
    ("kind", "side", "before", "at"),
    [
        ("STOP_MARKET", "SELL", "59000.10", "59000.00"),
        ("STOP_MARKET", "BUY", "60999.90", "61000.00"),
        ("TAKE_PROFIT_MARKET", "SELL", "60999.90", "61000.00"),
        ("TAKE_PROFIT_MARKET", "BUY", "59000.10", "59000.00"),
    ],
)
def test_algo_order_fires_at_its_price_and_not_before(
    trader: Trader, kind: str, side: str, before: str, at: str
) -> None:
    session = trader.listen()
    algo = place(trader, at, side, type=kind)
    trader.trade(before, "0.001", "BUY")
    assert state(trader, algo) == "NEW"
    trader.trade(at, "0.001", "BUY")
    fired = trader.ask("GET", "v1/algoOrder", algoId=algo["algoId"])
    assert fired["algoStatus"] == "FINISHED"
    order = {"symbol": BTC, "orderId": fired["actualOrderId"]}
    became = trader.query(order)
    assert (became["status"], became["origType"]) == ("FILLED", kind)
    assert kinds(trader.heard(session)) == [
        "ALGO:NEW",
        "ALGO:TRIGGERING",
        "NEW:NEW",
        "ALGO:TRIGGERED",
        "TRADE_LITE",
        "ACCOUNT_UPDATE",
        "TRADE:FILLED",
        "ALGO:FINISHED",
    ]


def test_algo_order_limit_rests_once_fired(trader: Trader) -> None:
    more = {"type": "STOP", "price": "61000.00"}
    algo = place(trader, "60500.00", "BUY", **more)
    trader.move(asks=[(p, "0") for p in ("60000.10", "60000.20", "60010.00")])
    trader.trade("60500.00", "0.001", "BUY")
    [order] = trader.ask("GET", "v1/openOrders", symbol=BTC)
    assert (order["type"], order["origType"], order["price"]) == (
        "LIMIT",
        "STOP",
        "61000.00",
    )
    assert state(trader, algo) == "TRIGGERED"
    trader.cancel(order)
    assert state(trader, algo) == "FINISHED"


def test_algo_order_on_the_mark_ignores_the_contract(trader: Trader) -> None:
    algo = place(trader, "59000.00", workingType="MARK_PRICE")
    trader.trade("58000.00", "0.001", "SELL")
    assert state(trader, algo) == "NEW"
    levels = ("60000.00", "59999.90", "59990.00")
    trader.move(
        bids=[*((p, "0") for p in levels), ("58999.90", "9.000")],
        asks=[("59000.00", "1.000")],
    )
    assert state(trader, algo) == "FINISHED"


def test_algo_order_closing_a_position_takes_all_of_it(trader: Trader) -> None:
    trader.order("BUY", "0.300")
    more = {"quantity": None, "closePosition": "true"}
    algo = place(trader, "59000.00", **more)
    assert (algo["timeInForce"], algo["quantity"]) == ("GTE_GTC", "0.000")
    trader.trade("59000.00", "0.001", "SELL")
    assert trader.position == 0
    assert state(trader, algo) == "FINISHED"


def test_algo_order_closing_a_position_ends_with_it(trader: Trader) -> None:
    trader.order("BUY", "0.300")
    algo = place(trader, "59000.00", quantity=None, closePosition="true")
    trader.order("SELL", "0.300")
    assert state(trader, algo) == "EXPIRED"


def test_algo_order_second_stop_of_a_position_is_4130(trader: Trader) -> None:
    trader.order("BUY", "0.300")
    closing = {"quantity": None, "closePosition": "true"}
    place(trader, "59000.00", **closing)
    params = stop("58000.00", **closing)
    assert trader.refused("POST", "v1/algoOrder", **params)[0] == -4130
    profit = {**closing, "type": "TAKE_PROFIT_MARKET"}
    assert place(trader, "62000.00", **profit)["algoStatus"] == "NEW"


def test_algo_order_without_margin_is_rejected_when_fired(trader: Trader) -> None:
    session = trader.listen()
    algo = place(trader, "59000.00", quantity="50.000")
    trader.trade("59000.00", "0.001", "SELL")
    assert state(trader, algo) == "REJECTED"
    last = trader.heard(session)[-1]
    assert last["o"]["rm"] == "Margin is insufficient."


def test_algo_order_reduce_only_without_position_is_rejected(trader: Trader) -> None:
    algo = place(trader, "59000.00", reduceOnly="true")
    trader.trade("59000.00", "0.001", "SELL")
    assert state(trader, algo) == "REJECTED"


def test_algo_order_good_till_date_expires_it(trader: Trader) -> None:
    until = str(trader.now_ms + 700_000)
    algo = place(trader, "59000.00", timeInForce="GTD", goodTillDate=until)
    trader.pass_ms(700_000)
    assert state(trader, algo) == "EXPIRED"


def test_algo_cancel_one_and_all(trader: Trader) -> None:
    first, second, third = (place(trader, f"5900{n}.00") for n in range(3))
    reply = trader.ask("DELETE", "v1/algoOrder", algoId=first["algoId"])
    assert (reply["algoId"], reply["msg"]) == (first["algoId"], "success")
    gone = {"algoId": first["algoId"]}
    assert trader.refused("DELETE", "v1/algoOrder", **gone)[0] == -2011
    trader.ask("DELETE", "v1/algoOpenOrders", symbol=BTC)
    states = [state(trader, algo) for algo in (first, second, third)]
    assert states == ["CANCELED"] * 3
    rows = trader.ask("GET", "v1/allAlgoOrders", symbol=BTC)
    assert [row["algoId"] for row in rows] == [
        algo["algoId"] for algo in (first, second, third)
    ]


@pytest.mark.parametrize(
    ("more", "code"),
    [
        ({"algoType": "VP"}, -1130),
        ({"algoType": None}, -1102),
        ({"type": "LIMIT"}, -1116),
        ({"type": "TRAILING_STOP_MARKET"}, -1116),
        ({"triggerPrice": None}, -1102),
        ({"triggerPrice": "0"}, -4006),
        ({"triggerPrice": "60000.05"}, -2021),
        ({"side": "BUY", "triggerPrice": "90000000"}, -4007),
        ({"workingType": "INDEX"}, -4031),
        ({"quantity": None}, -1102),
        ({"quantity": "0.0001"}, -1111),
        ({"closePosition": "true"}, -4137),
        ({"closePosition": "true", "quantity": None}, -4509),
        ({"closePosition": "true", "quantity": None, "reduceOnly": "true"}, -1106),
        ({"closePosition": "true", "quantity": None, "type": "STOP"}, -4136),
        ({"type": "STOP"}, -1102),
        ({"type": "STOP", "price": "59000.05"}, -4014),
        ({"timeInForce": "GTB"}, -1115),
        ({"clientAlgoId": "x" * 37}, -4015),
        ({"positionSide": "LONG"}, -4061),
        ({"symbol": "NOPE"}, -1121),
    ],
)
def test_algo_order_refused_has_its_code(
    trader: Trader, more: dict[str, object], code: int
) -> None:
    params = stop("59000.00", **more)
    assert trader.refused("POST", "v1/algoOrder", **params)[0] == code
    assert trader.ask("GET", "v1/openAlgoOrders") == []


def test_algo_order_trigger_price_may_lie_off_the_grid(trader: Trader) -> None:
    assert place(trader, "59000.05")["triggerPrice"] == "59000.05"


def test_algo_order_client_id_is_unique_among_waiting_ones(trader: Trader) -> None:
    place(trader, "59000.00", clientAlgoId="one")
    params = stop("58000.00", clientAlgoId="one")
    assert trader.refused("POST", "v1/algoOrder", **params)[0] == -4116


def test_algo_orders_two_hundred_are_the_most(trader: Trader) -> None:
    for _ in range(200):
        place(trader, "59000.00")
        trader.pass_ms(300)
    refused = trader.call("POST", "v1/algoOrder", **stop("59000.00"))
    assert json.loads(refused.body)["code"] == -4045


@pytest.mark.parametrize(
    ("params", "code"), [({}, -1102), ({"algoId": 5}, -2013), ({"algoId": "x"}, -1100)]
)
def test_algo_query_unknown_is_refused(
    trader: Trader, params: dict[str, object], code: int
) -> None:
    assert trader.refused("GET", "v1/algoOrder", **params)[0] == code
