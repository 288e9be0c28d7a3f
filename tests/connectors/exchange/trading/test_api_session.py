"""The WebSocket API: the same requests by name, signed or logged on."""

import base64
import hashlib
import hmac
import json
from typing import Any
from urllib.parse import urlencode

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from connectors.exchange.api_session import METHODS
from connectors.exchange.rest import TRADING_ENDPOINTS
from connectors.exchange.rest_market import ENDPOINTS
from connectors.exchange.session import Close, Cut, Session
from connectors.exchange.trading.signature import Credentials
from connectors.exchange.trading.trading import TradingSettings
from tests.connectors.exchange.exchange_samples import BTC, connected, received
from tests.connectors.exchange.trading.trader import Trader, kinds

PATH = "/ws-fapi/v1"


class ApiClient:
    """Asks by name on one connection."""

    def __init__(self, trader: Trader, path: str = PATH) -> None:
        self.trader = trader
        self.session: Session = connected(trader.venue, path)

    def send(self, method: str, **params: object) -> Any:
        """The reply to a request; None where none comes."""
        message = {"id": method, "method": method, "params": params}
        self.session.send(json.dumps(message))
        replies = self.trader.heard(self.session)
        return replies[0] if replies else None

    def signed(self, method: str, **params: object) -> Any:
        """The reply to a request that is signed."""
        return self.send(method, **self.with_signature(params))

    def with_signature(self, params: dict[str, object]) -> dict[str, object]:
        full = {"apiKey": self.trader.key, "timestamp": self.trader.now_ms, **params}
        named = sorted(full.items())
        payload = "&".join(f"{name}={value}" for name, value in named).encode()
        secret = self.trader.secret.encode()
        digest = hmac.new(secret, payload, hashlib.sha256).hexdigest()
        return full | {"signature": digest}


@pytest.fixture
def client() -> ApiClient:
    return ApiClient(Trader())


def limit_order(**more: object) -> dict[str, object]:
    usual = {"symbol": BTC, "side": "BUY", "type": "LIMIT", "timeInForce": "GTC"}
    return {**usual, "quantity": "0.010", "price": "59000.00", **more}


def test_methods_all_have_an_endpoint() -> None:
    known = {*TRADING_ENDPOINTS, *(("GET", path) for path in ENDPOINTS)}
    assert set(METHODS.values()) <= known


def test_ping_and_time_answer_with_limits(client: ApiClient) -> None:
    reply = client.send("ping")
    assert (reply["id"], reply["status"], reply["result"]) == ("ping", 200, {})
    weight, minute, seconds = reply["rateLimits"]
    assert (weight["rateLimitType"], weight["count"]) == ("REQUEST_WEIGHT", 6)
    assert (minute["count"], seconds["count"]) == (0, 0)
    assert client.send("time")["result"] == {"serverTime": client.trader.now_ms}


@pytest.mark.parametrize("path", [PATH, f"{PATH}?returnRateLimits=false"])
def test_rate_limits_are_told_unless_declined(path: str) -> None:
    client = ApiClient(Trader(), path)
    assert ("rateLimits" in client.send("ping")) is (path == PATH)
    assert "rateLimits" not in client.send("ping", returnRateLimits=False)
    assert "rateLimits" in client.send("ping", returnRateLimits=True)


def test_order_life_by_name(client: ApiClient) -> None:
    placed = client.signed("order.place", **limit_order(quantity=0.01, price=59000))
    order = placed["result"]
    assert (placed["status"], order["status"]) == (200, "NEW")
    assert [limit["count"] for limit in placed["rateLimits"]] == [5, 1, 1]
    name = {"symbol": BTC, "orderId": order["orderId"]}
    amended = client.signed(
        "order.modify", **name, side="BUY", quantity="0.020", price="58000.00"
    )
    assert amended["result"]["price"] == "58000.00"
    assert client.signed("order.status", **name)["result"]["origQty"] == "0.020"
    assert client.signed("order.cancel", **name)["result"]["status"] == "CANCELED"
    again = client.signed("order.cancel", **name)
    assert (again["status"], again["error"]["code"]) == (400, -2011)


def test_account_by_name_is_that_of_rest(client: ApiClient) -> None:
    trader = client.trader
    trader.order("BUY", "0.100")
    for name, path in (
        ("v2/account.balance", "v3/balance"),
        ("v2/account.status", "v3/account"),
        ("v2/account.position", "v3/positionRisk"),
        ("account.position", "v2/positionRisk"),
    ):
        assert client.signed(name)["result"] == trader.ask("GET", path)


def test_algo_order_by_name(client: ApiClient) -> None:
    algo = {"algoType": "CONDITIONAL", "type": "STOP_MARKET", "triggerPrice": "61000"}
    params = {"symbol": BTC, "side": "BUY", "quantity": "0.010", **algo}
    placed = client.signed("algoOrder.place", **params)["result"]
    gone = client.signed("algoOrder.cancel", algoId=placed["algoId"])
    assert gone["result"]["msg"] == "success"


def test_user_data_stream_by_name(client: ApiClient) -> None:
    trader = client.trader
    key = client.send("userDataStream.start", apiKey=trader.key)["result"]["listenKey"]
    session = connected(trader.venue, f"/private/ws/{key}")
    trader.order("BUY", "0.010")
    assert kinds(trader.heard(session))[-1] == "TRADE:FILLED"
    ping = client.send("userDataStream.ping", apiKey=trader.key)
    assert ping["result"] == {"listenKey": key}
    assert client.send("userDataStream.stop", apiKey=trader.key)["result"] == {}
    ping = client.send("userDataStream.ping", apiKey=trader.key)
    assert ping["error"]["code"] == -1125


@pytest.mark.parametrize(
    ("text", "status"),
    [
        ("{", 400),
        ("[]", 400),
        ('{"id":1}', 400),
        ('{"id":1,"method":"order.fly"}', 400),
        ('{"id":1,"method":"session.fly"}', 400),
        ('{"id":1,"method":"v2/account.balance"}', 401),
        (b"\xff", 400),
    ],
)
def test_request_damaged_or_unsigned_is_refused(
    client: ApiClient, text: str | bytes, status: int
) -> None:
    client.session.send(text)
    [reply] = client.trader.heard(client.session)
    assert reply["status"] == status
    assert client.session.is_open


@pytest.mark.parametrize("request_id", [5, "uuid", None, {"a": [1]}])
def test_request_any_id_is_echoed(client: ApiClient, request_id: object) -> None:
    client.session.send(json.dumps({"id": request_id, "method": "ping"}))
    [reply] = client.trader.heard(client.session)
    assert reply["id"] == request_id


def test_request_wrong_signature_is_1022(client: ApiClient) -> None:
    params = client.with_signature({"symbol": BTC}) | {"symbol": "ETHUSDT"}
    reply = client.send("v2/account.position", **params)
    assert (reply["status"], reply["error"]["code"]) == (400, -1022)


def test_request_percent_encoded_before_signing_is_accepted(
    client: ApiClient,
) -> None:
    params = client.with_signature(limit_order(newClientOrderId="a:b/c"))
    assert client.send("order.place", **params)["status"] == 200
    del params["signature"]
    params["newClientOrderId"] = "d:e/f"
    payload = urlencode(sorted(params.items())).encode()
    secret = client.trader.secret.encode()
    digest = hmac.new(secret, payload, hashlib.sha256).hexdigest()
    reply = client.send("order.place", **params, signature=digest)
    assert reply["result"]["clientOrderId"] == "d:e/f"


def logon(client: ApiClient, private: Ed25519PrivateKey) -> Any:
    params = {"apiKey": client.trader.key, "timestamp": client.trader.now_ms}
    payload = "&".join(f"{k}={v}" for k, v in sorted(params.items())).encode()
    signature = base64.b64encode(private.sign(payload)).decode()
    return client.send("session.logon", **params, signature=signature)


def test_session_logon_by_ed25519_needs_no_more_signatures() -> None:
    private = Ed25519PrivateKey.generate()
    credentials = Credentials(public_key=private.public_key())
    client = ApiClient(Trader(TradingSettings(credentials)))
    reply = logon(client, private)
    assert reply["result"]["apiKey"] == client.trader.key
    timed = {"timestamp": client.trader.now_ms}
    assert client.send("order.place", **limit_order(**timed))["status"] == 200
    late = {"timestamp": client.trader.now_ms - 6_000}
    assert client.send("v2/account.balance", **late)["error"]["code"] == -1021
    assert client.send("session.status")["result"]["authorizedSince"]
    assert client.send("session.logout")["result"]["apiKey"] is None
    assert client.send("v2/account.balance", **timed)["status"] == 401


def test_session_logon_by_hmac_is_not_supported(client: ApiClient) -> None:
    reply = client.signed("session.logon")
    assert reply["error"]["code"] == -4056
    wrong = client.with_signature({}) | {"signature": "00"}
    assert client.send("session.logon", **wrong)["error"]["code"] == -1022


def test_control_frames_more_than_five_a_second_close(client: ApiClient) -> None:
    for _ in range(20):
        assert client.send("ping")["status"] == 200
    for _ in range(6):
        client.session.ping(b"x")
    last = received(client.trader.venue, client.session)[-1]
    assert isinstance(last, Close)
    assert last.code == 1008


@pytest.mark.parametrize("path", ["/ws-fapi/v2", "/ws-fapi/ws", "/private/nothing"])
def test_connect_unknown_path_is_404(path: str) -> None:
    reply = Trader().venue.connect(path)
    assert not isinstance(reply, Session)
    assert reply.status == 404


def test_lost_ack_by_name_ends_the_connection(client: ApiClient) -> None:
    trader = client.trader
    trader.fault("lost_ack", delay_ms=50)
    assert client.signed("order.place", **limit_order()) is None
    trader.pass_ms(50)
    [end] = received(trader.venue, client.session)
    assert isinstance(end, Cut)
    assert len(trader.ask("GET", "v1/openOrders")) == 1


@pytest.mark.parametrize(
    ("kind", "status", "message"),
    [
        ("timeout", 408, "Timeout waiting for response from backend server. "),
        ("service_unavailable", 503, "Service Unavailable."),
    ],
)
def test_fault_by_name_is_that_of_rest(
    client: ApiClient, kind: str, status: int, message: str
) -> None:
    client.trader.fault(kind, delay_ms=10)
    assert client.signed("order.place", **limit_order()) is None
    client.trader.pass_ms(10)
    [reply] = client.trader.heard(client.session)
    assert reply["status"] == status
    assert reply["error"]["msg"].startswith(message)
