"""Placing, querying and cancelling: what is accepted, and every documented refusal."""

from decimal import Decimal
from typing import Any

import pytest

from connectors.exchange.trading.trading import TradingSettings
from tests.connectors.exchange.exchange_samples import BTC, ETH
from tests.connectors.exchange.trading.trader import Trader, order_params

FIELDS_2026 = {
    "clientOrderId",
    "closePosition",
    "cumQty",
    "executedQty",
    "goodTillDate",
    "orderId",
    "origQty",
    "origType",
    "pair",
    "positionSide",
    "price",
    "priceMatch",
    "priceProtect",
    "reduceOnly",
    "selfTradePreventionMode",
    "side",
    "status",
    "stopPrice",
    "symbol",
    "timeInForce",
    "type",
    "updateTime",
    "workingType",
}
HOUR_MS = 3_600_000


@pytest.fixture
def trader() -> Trader:
    return Trader()


def test_order_reply_has_the_fields_of_2026(trader: Trader) -> None:
    reply = trader.order("BUY", "0.100", "59000.00", newClientOrderId="a:b/c.d-1_Z")
    assert set(reply) == FIELDS_2026
    assert (reply["status"], reply["executedQty"]) == ("NEW", "0.000")
    assert reply["clientOrderId"] == "a:b/c.d-1_Z"
    assert (reply["price"], reply["origQty"]) == ("59000.00", "0.100")
    queried = trader.query(reply)
    assert set(queried) - set(reply) == {"avgPrice", "cumQuote", "time"}
    assert (queried["avgPrice"], queried["cumQuote"]) == ("0.00000", "0")


def test_order_ack_shows_new_though_filled(trader: Trader) -> None:
    reply = trader.order("BUY", "0.500")
    assert (reply["status"], reply["executedQty"]) == ("NEW", "0.000")
    queried = trader.query(reply)
    assert (queried["status"], queried["executedQty"]) == ("FILLED", "0.500")
    assert (queried["avgPrice"], queried["cumQuote"]) == ("60000.10000", "30000.05")


@pytest.mark.parametrize(
    ("more", "status", "executed"),
    [
        ({"price": "", "type": "MARKET", "timeInForce": None}, "FILLED", "1.500"),
        ({"timeInForce": "IOC"}, "EXPIRED", "1.000"),
        ({"timeInForce": "IOC", "price": "60000.20"}, "FILLED", "1.500"),
        ({"timeInForce": "FOK", "price": "60000.20"}, "FILLED", "1.500"),
        ({"timeInForce": "GTC"}, "NEW", "0.000"),
    ],
)
def test_order_result_shows_the_end_of_what_takes(
    trader: Trader, more: dict[str, object], status: str, executed: str
) -> None:
    trader.ask("POST", "v1/leverage", symbol=BTC, leverage=50)
    asked = {"newOrderRespType": "RESULT", **more}
    reply = trader.order("BUY", "1.500", "60000.10", **asked)
    assert (reply["status"], reply["executedQty"]) == (status, executed)


@pytest.mark.parametrize(
    ("more", "code"),
    [
        ({"symbol": None}, -1102),
        ({"symbol": "NOPE"}, -1121),
        ({"side": "HOLD"}, -1117),
        ({"side": None}, -1102),
        ({"type": "ICEBERG"}, -1116),
        ({"type": None}, -1102),
        ({"type": "STOP_MARKET"}, -4120),
        ({"type": "TRAILING_STOP_MARKET"}, -4120),
        ({"timeInForce": "GTB"}, -1115),
        ({"timeInForce": None}, -1102),
        ({"quantity": None}, -1102),
        ({"price": None}, -1102),
        ({"quantity": "1e-05"}, -1100),
        ({"quantity": "-1"}, -1100),
        ({"quantity": "0"}, -4003),
        ({"quantity": "0.0001"}, -1111),
        ({"quantity": "1000001"}, -4005),
        ({"price": "0"}, -4001),
        ({"price": "59000.001"}, -1111),
        ({"price": "59000.05"}, -4014),
        ({"price": "10000000.10"}, -4002),
        ({"price": "0.05"}, -4013),
        ({"price": "63000.20"}, -4016),
        ({"side": "SELL", "price": "56999.90"}, -4024),
        ({"quantity": "0.001", "price": "49000.00"}, -4164),
        ({"newClientOrderId": "x" * 37}, -4015),
        ({"newClientOrderId": "a b"}, -4015),
        ({"positionSide": "LONG"}, -4061),
        ({"positionSide": "UP"}, -4060),
        ({"reduceOnly": "true"}, -2022),
        ({"reduceOnly": "maybe"}, -1130),
        ({"closePosition": "true"}, -4136),
        ({"quantity": "10.000"}, -2019),
        ({"timeInForce": "GTX", "price": "60000.10"}, -5022),
        ({"timeInForce": "FOK", "price": "60000.10", "quantity": "1.001"}, -5021),
        ({"timeInForce": "GTD"}, -1102),
        ({"goodTillDate": "1790007200000"}, -1106),
        ({"selfTradePreventionMode": "NONE"}, -5039),
        ({"selfTradePreventionMode": "EXPIRE_MAKER", "timeInForce": "GTX"}, -5039),
        ({"priceMatch": "OPPONENT_10", "price": None}, -5037),
        ({"priceMatch": "QUEUE"}, -1106),
        ({"priceMatch": "QUEUE_20", "price": None}, -5041),
        ({"newOrderRespType": "FULL"}, -1136),
        ({"type": "MARKET"}, -1106),
        ({"type": "MARKET", "price": None}, -1106),
        (
            {
                "type": "MARKET",
                "price": None,
                "timeInForce": None,
                "priceMatch": "QUEUE",
            },
            -5038,
        ),
        (
            {
                "type": "MARKET",
                "price": None,
                "timeInForce": None,
                "quantity": "100001",
            },
            -4005,
        ),
    ],
)
def test_order_refused_has_its_code_and_leaves_no_trace(
    trader: Trader, more: dict[str, object], code: int
) -> None:
    params = order_params("BUY", "0.010", "59000.00", more)
    assert trader.refused("POST", "v1/order", **params)[0] == code
    assert trader.refused("POST", "v1/order/test", **params)[0] == code
    assert trader.venue.trading.ledger.orders == {}


def test_order_min_notional_text_names_the_limit(trader: Trader) -> None:
    params = order_params("BUY", "0.001", "49000.00", {})
    assert trader.refused("POST", "v1/order", **params) == (
        -4164,
        "Order's notional must be no smaller than 50 (unless you choose reduce only)",
    )


def test_order_test_of_a_good_order_does_nothing(trader: Trader) -> None:
    params = order_params("BUY", "0.010", "59000.00", {})
    assert trader.ask("POST", "v1/order/test", **params) == {}
    assert trader.venue.trading.ledger.orders == {}
    assert trader.venue.trading.count.used == [0, 0]


def test_order_client_id_is_unique_among_open_ones_only(trader: Trader) -> None:
    first = trader.order("BUY", "0.010", "59000.00", newClientOrderId="one")
    again = {"newClientOrderId": "one"}
    assert trader.refused_order("BUY", "0.010", "59000.00", **again) == -4116
    trader.cancel(first)
    second = trader.order("BUY", "0.010", "59000.00", newClientOrderId="one")
    found = trader.ask("GET", "v1/order", symbol=BTC, origClientOrderId="one")
    assert found["orderId"] == second["orderId"] != first["orderId"]


@pytest.mark.parametrize(
    ("match", "price"),
    [
        ("QUEUE", "60000.00"),
        ("OPPONENT", "60000.10"),
    ],
)
def test_order_price_match_takes_the_price_of_the_book(
    trader: Trader, match: str, price: str
) -> None:
    reply = trader.order("BUY", "0.010", "1", price=None, priceMatch=match)
    assert (reply["price"], reply["priceMatch"]) == (price, match)


@pytest.mark.parametrize(
    ("lead_ms", "code"), [(600_000, -5040), (600_001, 0), (10**15, -5040)]
)
def test_order_good_till_date_has_to_be_ten_minutes_away(
    trader: Trader, lead_ms: int, code: int
) -> None:
    until = str(trader.now_ms + lead_ms)
    more = {"timeInForce": "GTD", "goodTillDate": until}
    params = order_params("BUY", "0.010", "59000.00", dict(more))
    reply = trader.call("POST", "v1/order", **params)
    assert (reply.status == 200) is (code == 0)


def test_order_good_till_date_expires_it_to_the_second(trader: Trader) -> None:
    until_ms = trader.now_ms + 700_123
    more = {"timeInForce": "GTD", "goodTillDate": str(until_ms)}
    order = trader.order("BUY", "0.010", "59000.00", **more)
    assert order["goodTillDate"] == until_ms // 1_000 * 1_000
    trader.pass_ms(699_999)
    assert trader.query(order)["status"] == "NEW"
    trader.pass_ms(1)
    assert trader.query(order)["status"] == "EXPIRED"


def test_cancel_order_is_gone_and_cancelling_again_is_2011(trader: Trader) -> None:
    order = trader.order("BUY", "0.010", "59000.00")
    assert trader.cancel(order)["status"] == "CANCELED"
    ids = {"symbol": BTC, "orderId": order["orderId"]}
    assert trader.refused("DELETE", "v1/order", **ids) == (
        -2011,
        "Unknown order sent.",
    )
    assert trader.refused("GET", "v1/openOrder", **ids)[0] == -2013
    assert trader.query(order)["status"] == "CANCELED"


@pytest.mark.parametrize(
    ("params", "code"),
    [
        ({"symbol": BTC}, -1102),
        ({"symbol": BTC, "orderId": 1}, -2013),
        ({"symbol": BTC, "origClientOrderId": "nobody"}, -2013),
        ({"symbol": "NOPE", "orderId": 1}, -1121),
    ],
)
def test_query_unknown_order_is_refused(
    trader: Trader, params: dict[str, object], code: int
) -> None:
    assert trader.refused("GET", "v1/order", **params)[0] == code


@pytest.mark.untraced
def test_query_old_orders_are_forgotten(trader: Trader) -> None:
    unfilled = trader.cancel(trader.order("BUY", "0.010", "59000.00"))
    filled = trader.order("BUY", "0.010")
    waiting = trader.order("BUY", "0.010", "59000.00")
    trader.pass_ms(3 * 24 * HOUR_MS)
    ask = {"symbol": BTC, "orderId": unfilled["orderId"]}
    assert trader.refused("GET", "v1/order", **ask)[0] == -2013
    rows = trader.ask("GET", "v1/allOrders", symbol=BTC)
    assert [r["orderId"] for r in rows] == [filled["orderId"], waiting["orderId"]]


def test_query_order_of_another_symbol_is_2013(trader: Trader) -> None:
    order = trader.order("BUY", "0.010", "59000.00")
    other = {"symbol": ETH, "orderId": order["orderId"]}
    assert trader.refused("GET", "v1/order", **other)[0] == -2013


def test_cancel_all_leaves_other_symbols_alone(trader: Trader) -> None:
    for price in ("59000.00", "58000.00"):
        trader.order("BUY", "0.010", price)
    trader.order("BUY", "0.010", "59000.00", symbol=ETH)
    assert len(trader.ask("GET", "v1/openOrders")) == 3
    reply = trader.ask("DELETE", "v1/allOpenOrders", symbol=BTC)
    assert reply["code"] == 200
    [left] = trader.ask("GET", "v1/openOrders")
    assert left["symbol"] == ETH


def batch(*items: dict[str, object]) -> list[dict[str, object]]:
    usual = {"symbol": BTC, "side": "BUY", "type": "LIMIT", "timeInForce": "GTC"}
    return [{**usual, "quantity": "0.010", "price": "59000.00", **i} for i in items]


def test_batch_orders_each_has_its_own_outcome(trader: Trader) -> None:
    items = batch({}, {"price": 90000.0}, {"quantity": 0.02}, {"side": "UP"})
    found = trader.ask("POST", "v1/batchOrders", batchOrders=items)
    assert [each.get("code") for each in found] == [None, -4016, None, -1117]
    assert found[2]["origQty"] == "0.020"
    ids = [each["orderId"] for each in found if "orderId" in each]
    ended = trader.ask("DELETE", "v1/batchOrders", symbol=BTC, orderIdList=[*ids, 5])
    assert [each.get("code") for each in ended] == [None, None, -2011]


def test_batch_cancel_by_client_ids_takes_at_most_ten(trader: Trader) -> None:
    trader.order("BUY", "0.010", "59000.00", newClientOrderId="one")
    ask = {"symbol": BTC, "origClientOrderIdList": ["one"]}
    [ended] = trader.ask("DELETE", "v1/batchOrders", **ask)
    assert ended["status"] == "CANCELED"
    many = {"symbol": BTC, "orderIdList": list(range(1, 12))}
    assert trader.refused("DELETE", "v1/batchOrders", **many)[0] == -4032
    assert trader.refused("DELETE", "v1/batchOrders", symbol=BTC)[0] == -1102


@pytest.mark.parametrize(
    ("orders", "code"),
    [(batch(*[{}] * 6), -4082), ([], -4082), ("{", -1130), ([1], -1130), (None, -1102)],
)
def test_batch_orders_damaged_are_refused_whole(
    trader: Trader, orders: Any, code: int
) -> None:
    assert trader.refused("POST", "v1/batchOrders", batchOrders=orders)[0] == code


def test_batch_modify_each_has_its_own_outcome(trader: Trader) -> None:
    order = trader.order("BUY", "0.010", "59000.00")
    items = batch({"orderId": order["orderId"], "price": "58000.00"}, {"orderId": 9})
    found = trader.ask("PUT", "v1/batchOrders", batchOrders=items)
    assert found[0]["price"] == "58000.00"
    assert found[1]["code"] == -2013


def test_order_counts_are_told_and_limited() -> None:
    trader = Trader()
    params = order_params("BUY", "0.010", "59000.00", {"newOrderRespType": "ACK"})
    first = trader.call("POST", "v1/order", **params)
    counts = ("X-MBX-ORDER-COUNT-10S", "X-MBX-ORDER-COUNT-1M")
    assert [first.headers[name] for name in counts] == ["1", "1"]
    again = trader.call("POST", "v1/batchOrders", batchOrders=batch({}))
    assert [again.headers[name] for name in counts] == ["6", "2"]
    assert again.headers["X-MBX-USED-WEIGHT-1M"] == "5"
    trader.ask("DELETE", "v1/allOpenOrders", symbol=BTC)
    for _ in range(58):
        trader.ask("POST", "v1/batchOrders", batchOrders=batch({"side": "UP"}))
    params["quantity"] = "0"
    for _ in range(4):
        assert trader.refused("POST", "v1/order", **params)[0] == -4003
    reply = trader.call("POST", "v1/order", **params)
    assert 1 <= int(reply.headers["Retry-After"]) <= 10
    assert (reply.status, trader.refused("POST", "v1/order", **params)) == (
        429,
        (-1015, "Too many new orders; current limit is 300 orders per 10 SECOND."),
    )
    trader.pass_ms(10_000)
    assert trader.refused("POST", "v1/order", **params)[0] == -4003


def test_order_limits_are_those_of_exchange_info(trader: Trader) -> None:
    limits = trader.ask("GET", "v1/rateLimit/order")
    assert [(each["intervalNum"], each["limit"]) for each in limits] == [
        (1, 1_200),
        (10, 300),
    ]


def test_open_orders_two_hundred_are_the_most() -> None:
    trader = Trader()
    for number in range(200):
        trader.order("BUY", "0.001", f"{58000 + number}.00")
        trader.pass_ms(200)
    assert trader.refused_order("BUY", "0.001", "57900.00") == -2025


def test_all_orders_by_time_and_by_id(trader: Trader) -> None:
    orders = []
    for _ in range(3):
        orders.append(trader.order("BUY", "0.010", "59000.00")["orderId"])
        trader.pass_ms(HOUR_MS)

    def found(**params: object) -> list[int]:
        rows = trader.ask("GET", "v1/allOrders", symbol=BTC, **params)
        return [row["orderId"] for row in rows]

    assert found() == orders
    assert found(limit=2) == orders[1:]
    assert found(orderId=orders[1]) == orders[1:]
    since = str(trader.now_ms - 2 * HOUR_MS - 1)
    assert found(startTime=since, limit=1) == orders[1:2]
    ask = {"symbol": BTC, "startTime": "1", "endTime": str(8 * 86_400_000)}
    assert trader.refused("GET", "v1/allOrders", **ask)[0] == -4165
    ask["startTime"] = str(9 * 86_400_000)
    assert trader.refused("GET", "v1/allOrders", **ask)[0] == -1023


def test_user_trades_tell_fees_and_profit(trader: Trader) -> None:
    bought = trader.order("BUY", "0.100")
    trader.order("SELL", "0.100")
    first, second = trader.ask("GET", "v1/userTrades", symbol=BTC)
    assert first["orderId"] == bought["orderId"]
    assert (first["price"], first["qty"], first["maker"]) == (
        "60000.10",
        "0.100",
        False,
    )
    assert first["commission"] == "3.00000500"
    assert (second["realizedPnl"], second["side"]) == ("-0.01000000", "SELL")
    from_second = {"symbol": BTC, "fromId": second["id"]}
    assert trader.ask("GET", "v1/userTrades", **from_second) == [second]
    one = {"symbol": BTC, "orderId": first["orderId"]}
    assert trader.ask("GET", "v1/userTrades", **one) == [first]
    bad = from_second | {"startTime": "5"}
    assert trader.refused("GET", "v1/userTrades", **bad)[0] == -1128


def amend(trader: Trader, order: Any, **more: object) -> Any:
    usual = {"symbol": BTC, "orderId": order["orderId"], "side": "BUY"}
    usual |= {"quantity": "0.020", "price": "58000.00"}
    return trader.call("PUT", "v1/order", **{**usual, **more})


def test_amend_order_changes_and_is_remembered(trader: Trader) -> None:
    order = trader.order("BUY", "0.010", "59000.00")
    assert amend(trader, order).status == 200
    queried = trader.query(order)
    assert (queried["price"], queried["origQty"]) == ("58000.00", "0.020")
    [row] = trader.ask("GET", "v1/orderAmendment", symbol=BTC)
    assert row["amendment"]["price"] == {"before": "59000.00", "after": "58000.00"}
    assert row["amendment"]["origQty"] == {"before": "0.010", "after": "0.020"}


@pytest.mark.parametrize(
    ("more", "code"),
    [
        ({"orderId": 5}, -2013),
        ({"orderId": None}, -1102),
        ({"side": "SELL"}, -1128),
        ({"price": None}, -1102),
        ({"quantity": "0.010", "price": "59000.00"}, -5027),
        ({"price": "59000.05"}, -4014),
        ({"quantity": "99.000"}, -2019),
        ({"reduceOnly": "true"}, -5047),
    ],
)
def test_amend_refused_leaves_the_order_as_it_was(
    trader: Trader, more: dict[str, object], code: int
) -> None:
    order = trader.order("BUY", "0.010", "59000.00")
    before = trader.query(order)
    reply = amend(trader, order, **more)
    assert f'"code":{code},' in reply.body.decode()
    assert trader.query(order) == before


def test_amend_post_only_into_the_book_cancels_it(trader: Trader) -> None:
    order = trader.order("BUY", "0.010", "59000.00", timeInForce="GTX")
    assert b'"CANCELED"' in amend(trader, order, price="60000.10").body
    assert trader.fills == []


def test_amend_to_less_than_filled_cancels_it(trader: Trader) -> None:
    order = trader.order("BUY", "0.100", "60000.00")
    trader.trade("60000.00", "2.060", "SELL")
    assert trader.query(order)["executedQty"] == "0.060"
    reply = amend(trader, order, quantity="0.060", price="60000.00")
    assert b'"CANCELED"' in reply.body
    assert trader.position == Decimal("0.060")


def test_amend_into_the_book_takes(trader: Trader) -> None:
    order = trader.order("BUY", "0.010", "59000.00")
    amend(trader, order, price="60000.10")
    assert trader.fills == [("60000.10", "0.020", False)]


def test_countdown_cancels_unless_renewed(trader: Trader) -> None:
    order = trader.order("BUY", "0.010", "59000.00")
    other = trader.order("BUY", "0.010", "59000.00", symbol=ETH)
    arm = {"symbol": BTC, "countdownTime": "1000"}
    assert trader.ask("POST", "v1/countdownCancelAll", **arm) == arm
    trader.pass_ms(900)
    trader.ask("POST", "v1/countdownCancelAll", **arm)
    trader.pass_ms(999)
    assert trader.query(order)["status"] == "NEW"
    trader.pass_ms(1)
    assert trader.query(order)["status"] == "CANCELED"
    assert trader.query(other)["status"] == "NEW"


def test_countdown_of_zero_is_off(trader: Trader) -> None:
    order = trader.order("BUY", "0.010", "59000.00")
    for countdown in ("1000", "0"):
        ask = {"symbol": BTC, "countdownTime": countdown}
        trader.ask("POST", "v1/countdownCancelAll", **ask)
    trader.pass_ms(5_000)
    assert trader.query(order)["status"] == "NEW"


@pytest.mark.parametrize("cancels", [True, False])
def test_countdown_spares_conditional_orders_unless_told(cancels: bool) -> None:
    trader = Trader(TradingSettings(countdown_cancels_algos=cancels))
    algo = {"algoType": "CONDITIONAL", "type": "STOP_MARKET", "triggerPrice": "61000"}
    params = {"symbol": BTC, "side": "BUY", "quantity": "0.010", **algo}
    trader.ask("POST", "v1/algoOrder", **params)
    trader.ask("POST", "v1/countdownCancelAll", symbol=BTC, countdownTime="10")
    trader.pass_ms(10)
    assert len(trader.ask("GET", "v1/openAlgoOrders")) == (0 if cancels else 1)
