"""The user data stream: its key, its forms, its events and their order."""

import json
from typing import Any

import pytest

from connectors.exchange.session import Ping, Session
from connectors.exchange.trading.user_stream import VALID_NS
from tests.connectors.exchange.exchange_samples import BTC, connected
from tests.connectors.exchange.trading.trader import Trader, kinds

HOUR_MS = VALID_NS // 1_000_000
MINUTE_NS = 60 * 1_000_000_000
FILL = ["TRADE_LITE", "ACCOUNT_UPDATE"]


@pytest.fixture
def trader() -> Trader:
    return Trader()


def key(trader: Trader, method: str) -> Any:
    reply = trader.venue.request(method, "/fapi/v1/listenKey", {}, api_key=trader.key)
    return json.loads(reply.body)


def test_listen_key_posted_again_is_the_same(trader: Trader) -> None:
    first = key(trader, "POST")["listenKey"]
    assert len(first) == 64
    assert key(trader, "POST") == key(trader, "PUT") == {"listenKey": first}
    assert key(trader, "DELETE") == {}
    assert key(trader, "PUT")["code"] == -1125
    assert key(trader, "POST")["listenKey"] != first


def test_listen_key_needs_the_api_key_alone(trader: Trader) -> None:
    reply = trader.venue.request("POST", "/fapi/v1/listenKey", {})
    assert (reply.status, json.loads(reply.body)["code"]) == (401, -2014)


def stay(trader: Trader, session: Session, milliseconds: int) -> list[Any]:
    """Let time pass, answering pings; the events heard."""
    events = []
    until_ns = trader.venue.now_ns + milliseconds * 1_000_000
    while trader.venue.now_ns < until_ns:
        trader.venue.advance(min(until_ns, trader.venue.now_ns + MINUTE_NS))
        for item in session.receive(trader.venue.now_ns):
            if isinstance(item, Ping):
                session.pong(item.payload)
            elif isinstance(item, bytes):
                events.append(json.loads(item))
    return events


def test_listen_key_after_an_hour_says_so_once_and_falls_silent(
    trader: Trader,
) -> None:
    session = trader.listen()
    assert stay(trader, session, HOUR_MS - 60_000) == []
    key(trader, "PUT")
    assert stay(trader, session, HOUR_MS - 1_000) == []
    [event] = stay(trader, session, 2_000)
    assert event["e"] == "listenKeyExpired"
    assert isinstance(event["E"], int)
    trader.order("BUY", "0.010")
    assert trader.heard(session) == []
    assert session.is_open
    assert key(trader, "PUT")["code"] == -1125


def test_listen_key_closed_is_silent_for_every_consumer(trader: Trader) -> None:
    sessions = [trader.listen(), trader.listen()]
    key(trader, "DELETE")
    trader.order("BUY", "0.010")
    assert [trader.heard(session) for session in sessions] == [[], []]


@pytest.mark.parametrize(
    "path",
    [
        "/private/ws/{key}",
        "/private/ws?listenKey={key}",
        "/private/stream?listenKey={key}",
        "/private/stream?streams={key}",
        "/private/ws?listenKey=other&events=TRADE_LITE&listenKey={key}",
    ],
)
def test_private_each_form_hears_everything(trader: Trader, path: str) -> None:
    session = trader.listen(path)
    trader.order("BUY", "0.010")
    events = trader.heard(session)
    if "/stream" in path:
        assert {event["stream"] for event in events} == {
            trader.venue.trading.stream.key
        }
        events = [event["data"] for event in events]
    assert kinds(events) == ["NEW:NEW", *FILL, "TRADE:FILLED"]


def test_private_events_asked_for_are_all_that_comes(trader: Trader) -> None:
    path = "/private/ws?listenKey={key}&events=TRADE_LITE/ACCOUNT_UPDATE"
    session = trader.listen(path)
    trader.order("BUY", "0.010")
    assert kinds(trader.heard(session)) == FILL


@pytest.mark.parametrize("path", ["/private/ws", "/private/stream"])
def test_private_subscribed_later_hears_from_then_on(trader: Trader, path: str) -> None:
    session = trader.listen(path)
    trader.order("BUY", "0.010")
    name = trader.venue.trading.stream.key
    session.send(json.dumps({"method": "SUBSCRIBE", "params": [name], "id": 1}))
    trader.order("SELL", "0.010")
    answer, *events = trader.heard(session)
    assert answer == {"result": None, "id": 1}
    assert len(events) == 4


@pytest.mark.parametrize(
    "path", ["/private/ws/bogus", "/ws/{key}", "/public/ws/{key}", "/market/ws/{key}"]
)
def test_private_wrong_key_or_route_is_silent(trader: Trader, path: str) -> None:
    session = trader.listen(path)
    trader.order("BUY", "0.010")
    assert trader.heard(session) == []
    assert session.is_open


def test_private_market_streams_are_silent_there(trader: Trader) -> None:
    session = connected(trader.venue, "/private/ws/btcusdt@depth@100ms")
    trader.move(bids=[("60000.00", "1.000")])
    trader.pass_ms(1_000)
    assert trader.heard(session) == []


def test_events_of_a_life_come_in_order(trader: Trader) -> None:
    session = trader.listen()
    order = trader.order("BUY", "0.500", "60000.00", newClientOrderId="mine")
    trader.trade("60000.00", "2.100", "SELL")
    trader.cancel(order)
    events = trader.heard(session)
    assert kinds(events) == [
        "NEW:NEW",
        *FILL,
        "TRADE:PARTIALLY_FILLED",
        "CANCELED:CANCELED",
    ]
    assert {event["o"]["i"] for event in events if "o" in event} == {order["orderId"]}


def test_order_trade_update_of_a_fill_tells_it_all(trader: Trader) -> None:
    session = trader.listen()
    trader.order("BUY", "0.100")
    trader.heard(session)
    order = trader.order("SELL", "0.100", newClientOrderId="out")
    _, lite, account, update = trader.heard(session)
    [fill] = trader.ask("GET", "v1/userTrades", symbol=BTC, orderId=order["orderId"])
    body = update["o"]
    assert list(update) == ["e", "T", "E", "o"]
    assert body["t"] == lite["t"] == fill["id"]
    assert (body["c"], body["S"], body["l"], body["z"]) == (
        "out",
        "SELL",
        "0.100",
        "0.100",
    )
    assert (body["L"], body["ap"], body["n"], body["N"]) == (
        "60000.00",
        "60000.00000",
        "3",
        "USDT",
    )
    assert (body["rp"], body["m"], body["er"], body["R"]) == (
        "-0.01",
        False,
        "0",
        False,
    )
    assert (lite["L"], lite["l"], lite["i"]) == ("60000.00", "0.100", order["orderId"])
    [balance] = account["a"]["B"]
    [position] = account["a"]["P"]
    assert account["a"]["m"] == "ORDER"
    assert (balance["a"], balance["wb"], balance["bc"]) == (
        "USDT",
        "9993.98999500",
        "0",
    )
    assert (position["pa"], position["mt"], position["cr"]) == ("0", "cross", "-0.01")


@pytest.mark.parametrize(
    ("more", "last", "reason"),
    [
        ({"timeInForce": "IOC"}, "EXPIRED:EXPIRED", "2"),
        ({"timeInForce": "GTX"}, "NEW:NEW", "0"),
    ],
)
def test_order_update_end_says_why(
    trader: Trader, more: dict[str, object], last: str, reason: str
) -> None:
    session = trader.listen()
    trader.order("BUY", "0.100", "59000.00", **more)
    events = trader.heard(session)
    assert kinds(events)[-1] == last
    assert events[-1]["o"]["er"] == reason


def test_order_update_amendment_carries_its_number(trader: Trader) -> None:
    session = trader.listen()
    order = trader.order("BUY", "0.100", "59000.00")
    change = {"symbol": BTC, "orderId": order["orderId"], "side": "BUY"}
    reply = trader.ask("PUT", "v1/order", **change, quantity="0.050", price="59000.00")
    event = trader.heard(session)[-1]
    assert kinds([event]) == ["AMENDMENT:NEW"]
    assert (event["o"]["M"], event["o"]["q"]) == (str(reply["modifyId"]), "0.050")


def test_account_config_update_tells_leverage_and_assets_mode(trader: Trader) -> None:
    session = trader.listen()
    trader.ask("POST", "v1/leverage", symbol=BTC, leverage=5)
    trader.ask("POST", "v1/multiAssetsMargin", multiAssetsMargin="true")
    leverage, mode = trader.heard(session)
    assert leverage["ac"] == {"s": BTC, "l": 5}
    assert mode["ai"] == {"j": True}


def test_account_update_is_not_sent_for_placing_and_cancelling(trader: Trader) -> None:
    session = trader.listen()
    trader.cancel(trader.order("BUY", "0.100", "59000.00"))
    assert kinds(trader.heard(session)) == ["NEW:NEW", "CANCELED:CANCELED"]
