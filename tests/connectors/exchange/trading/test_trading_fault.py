"""Faults of the trading side: what the client sees, and what has really happened."""

import json
from decimal import Decimal
from typing import Any

import pytest

from connectors.exchange.fault import ACCOUNT_KINDS, Kind
from connectors.exchange.rest_reply import Reply
from connectors.exchange.scenario import random_faults
from connectors.exchange.synthetic_tape import SyntheticTape
from tests.connectors.exchange.exchange_samples import BTC, START_NS
from tests.connectors.exchange.trading.trader import Trader, kinds, order_params


@pytest.fixture
def trader() -> Trader:
    return Trader()


def sent(trader: Trader, **more: object) -> Reply:
    params = order_params("BUY", "0.100", "", {"newClientOrderId": "mine", **more})
    return trader.call("POST", "v1/order", **params)


def status_of(trader: Trader) -> str:
    """Where the order of `sent` stands; the code where there is none."""
    reply = trader.call("GET", "v1/order", symbol=BTC, origClientOrderId="mine")
    content = json.loads(reply.body)
    return str(content.get("status", content.get("code")))


@pytest.mark.parametrize(
    ("kind", "status", "code"),
    [
        ("timeout", 408, -1007),
        ("unknown_outcome", 503, -1000),
        ("server_error", 503, -1001),
        ("overload", 503, -1008),
        ("order_limit", 429, -1015),
        ("clock_skew", 400, -1021),
        ("maintenance", 503, -1016),
    ],
)
def test_fault_reply_has_its_status_and_code(
    trader: Trader, kind: str, status: int, code: int
) -> None:
    trader.fault(kind)
    reply = sent(trader)
    assert (reply.status, json.loads(reply.body)["code"]) == (status, code)


def test_service_unavailable_is_told_by_its_text_alone(trader: Trader) -> None:
    trader.fault("service_unavailable")
    reply = sent(trader)
    assert (reply.status, reply.body) == (503, b"Service Unavailable.")
    assert status_of(trader) == "-2013"


def test_unknown_outcome_has_the_text_of_the_unknown(trader: Trader) -> None:
    trader.fault("unknown_outcome")
    message = json.loads(sent(trader).body)["msg"]
    assert message == "Unknown error, please check your request or try again later."


@pytest.mark.parametrize("kind", ["lost_ack", "timeout", "unknown_outcome"])
@pytest.mark.parametrize(("executed", "status"), [(True, "FILLED"), (False, "-2013")])
def test_outcome_in_the_dark_is_as_ordered(
    trader: Trader, kind: str, executed: bool, status: str
) -> None:
    session = trader.listen()
    trader.fault(kind, is_executed=executed, delay_ms=40)
    reply = sent(trader)
    assert reply.is_lost is (kind == "lost_ack")
    assert reply.delay_ns == 40_000_000
    assert status_of(trader) == status
    assert ("TRADE:FILLED" in kinds(trader.heard(session))) is executed
    assert sent(trader, newClientOrderId="next").status == 200


@pytest.mark.parametrize(
    "kind",
    ["server_error", "service_unavailable", "overload", "order_limit", "maintenance"],
)
def test_refused_by_fault_order_has_not_happened(trader: Trader, kind: str) -> None:
    trader.fault(kind, count=1)
    assert sent(trader).status in {429, 503}
    assert status_of(trader) == "-2013"
    assert sent(trader).status == 200


@pytest.mark.parametrize(
    ("more", "is_spared"),
    [
        ({}, False),
        ({"reduceOnly": "true", "side": "SELL"}, True),
    ],
)
def test_overload_spares_what_only_reduces(
    trader: Trader, more: dict[str, object], is_spared: bool
) -> None:
    trader.order("BUY", "0.100")
    trader.fault("overload")
    assert (sent(trader, **more).status == 200) is is_spared
    assert trader.ask("GET", "v1/openOrders") == []


def test_order_faults_leave_other_requests_alone(trader: Trader) -> None:
    order = trader.order("BUY", "0.100", "59000.00")
    for kind in ("lost_ack", "timeout", "overload", "order_limit"):
        trader.fault(kind)
    assert len(trader.ask("GET", "v1/openOrders")) == 1
    assert trader.cancel(order)["status"] == "CANCELED"
    assert trader.venue.desk.done == {}


def test_lost_ack_of_a_cancel_where_ordered(trader: Trader) -> None:
    order = trader.order("BUY", "0.100", "59000.00")
    trader.fault("lost_ack", path="*/order", method="DELETE")
    ask = {"symbol": BTC, "orderId": order["orderId"]}
    assert trader.call("DELETE", "v1/order", **ask).is_lost
    assert trader.query(order)["status"] == "CANCELED"


def test_clock_skew_leaves_public_requests_alone(trader: Trader) -> None:
    trader.fault("clock_skew")
    assert trader.venue.request("GET", "/fapi/v1/time", {}).status == 200
    assert trader.refused("GET", "v3/balance")[0] == -1021


def test_cancel_race_fills_what_is_being_cancelled(trader: Trader) -> None:
    session = trader.listen()
    order = trader.order("BUY", "0.100", "59000.00")
    other = trader.order("BUY", "0.100", "58000.00")
    trader.fault("cancel_race")
    ask = {"symbol": BTC, "orderId": order["orderId"]}
    assert trader.refused("DELETE", "v1/order", **ask)[0] == -2011
    assert trader.query(order)["status"] == "FILLED"
    assert trader.query(other)["status"] == "NEW"
    assert "TRADE:FILLED" in kinds(trader.heard(session))
    assert trader.cancel(other)["status"] == "CANCELED"


def test_partial_fill_fills_half_of_what_rests(trader: Trader) -> None:
    trader.fault("partial_fill")
    assert trader.venue.desk.done == {}
    order = trader.order("BUY", "0.100", "59000.00")
    trader.fault("partial_fill", symbol=BTC)
    found = trader.query(order)
    assert (found["status"], found["executedQty"]) == ("PARTIALLY_FILLED", "0.050")
    assert trader.fills == [("59000.00", "0.050", True)]


def after(trader: Trader, kind: str, **parameters: Any) -> list[str]:
    """What is heard of one order while a fault is in force."""
    session = trader.listen()
    trader.fault(kind, **parameters)
    trader.order("BUY", "0.100")
    trader.pass_ms(1_000)
    return kinds(trader.heard(session))


WHOLE = ["NEW:NEW", "TRADE_LITE", "ACCOUNT_UPDATE", "TRADE:FILLED"]


@pytest.mark.parametrize(
    ("kind", "parameters", "heard"),
    [
        ("user_loss", {}, WHOLE[1:]),
        ("user_loss", {"stream": "*.TRADE_LITE"}, [WHOLE[0], *WHOLE[2:]]),
        ("user_loss", {"symbol": BTC, "count": 3}, ["ACCOUNT_UPDATE"]),
        ("user_duplicate", {}, [WHOLE[0], *WHOLE]),
        ("user_duplicate", {"count": 4}, [each for each in WHOLE for _ in (0, 1)]),
        ("user_reorder", {}, [WHOLE[1], WHOLE[0], *WHOLE[2:]]),
        ("user_delay", {"delay_ms": 300}, [*WHOLE[1:], WHOLE[0]]),
        ("user_silence", {}, []),
        ("gap", {"stream": "*@depth*"}, WHOLE),
    ],
)
def test_user_events_go_astray_as_ordered(
    trader: Trader, kind: str, parameters: dict[str, Any], heard: list[str]
) -> None:
    assert after(trader, kind, **parameters) == heard


def test_user_silence_ends_and_nothing_is_made_up_for(trader: Trader) -> None:
    session = trader.listen()
    trader.fault("user_silence", for_ms=2_000)
    trader.order("BUY", "0.100")
    trader.pass_ms(2_000)
    trader.order("SELL", "0.100")
    assert kinds(trader.heard(session)) == WHOLE
    reply = trader.venue.request("PUT", "/fapi/v1/listenKey", {}, api_key=trader.key)
    assert reply.status == 200


def test_listen_key_expired_early_says_so(trader: Trader) -> None:
    session = trader.listen()
    trader.fault("listen_key_expired")
    trader.order("BUY", "0.100")
    assert kinds(trader.heard(session)) == ["listenKeyExpired"]


def test_liquidation_behind_the_back_closes_the_position(trader: Trader) -> None:
    session = trader.listen()
    trader.order("BUY", "0.100")
    trader.heard(session)
    trader.fault("liquidation")
    assert trader.position == 0
    events = trader.heard(session)
    assert kinds(events)[3] == "CALCULATED:FILLED"
    assert events[3]["o"]["c"].startswith("autoclose-")


@pytest.mark.parametrize(("share", "left"), [("1", "0.000"), ("0.4", "0.060")])
def test_adl_behind_the_back_reduces_the_position(
    trader: Trader, share: str, left: str
) -> None:
    session = trader.listen()
    trader.order("BUY", "0.100")
    trader.heard(session)
    trader.fault("adl", symbol=BTC, share=share)
    assert str(trader.position) == left or trader.position == 0
    events = trader.heard(session)
    assert kinds(events)[-1] == "TRADE:FILLED"
    assert {e["o"]["c"] for e in events if "o" in e} == {"adl_autoclose"}


@pytest.mark.parametrize(
    ("amount", "wallet"), [("250.5", "10250.5"), ("-250.5", "9749.5"), ("-99999", "0")]
)
def test_transfer_moves_money_and_says_so(
    trader: Trader, amount: str, wallet: str
) -> None:
    session = trader.listen()
    trader.fault("transfer", amount=amount)
    assert trader.wallet == Decimal(wallet)
    [event] = trader.heard(session)
    assert event["a"]["m"] == ("DEPOSIT" if trader.wallet > 10_000 else "WITHDRAW")
    assert Decimal(event["a"]["B"][0]["bc"]) == Decimal(wallet) - 10_000


@pytest.mark.parametrize(
    "kind", sorted(kind.value for kind in ACCOUNT_KINDS - {Kind.TRANSFER})
)
def test_account_fault_without_anything_to_do_does_nothing(
    trader: Trader, kind: str
) -> None:
    trader.fault(kind)
    assert trader.fills == []
    assert trader.wallet == 10_000


def play(seed: int) -> bytes:
    """The ledger after the same orders under the same random faults."""
    trader = Trader(seed=seed)
    session = trader.listen()
    trader.fault("user_delay", count=3, delay_ms=10, jitter_ms=400)
    trader.fault("timeout", count=2, is_executed=False)
    for number in range(6):
        params = order_params("BUY", f"0.10{number}", "", {})
        trader.call("POST", "v1/order", **params)
        trader.pass_ms(90)
    return json.dumps(trader.heard(session)).encode()


def test_trading_faults_same_seed_goes_wrong_the_same_way() -> None:
    assert play(3) == play(3)
    assert play(3) != play(4)


@pytest.mark.untraced
@pytest.mark.parametrize("seed", range(2))
def test_random_faults_ledger_adds_up_under_all_of_them(seed: int) -> None:
    trader = Trader(tape=SyntheticTape([BTC], start_ns=START_NS, seed=seed), seed=seed)
    count = 2 * len(Kind)
    for order in random_faults([BTC], seed=seed, count=count, over_ms=100_000):
        trader.venue.order(order)
    ledger, account = trader.venue.trading.ledger, trader.venue.trading.account
    for number in range(100):
        side = "BUY" if number % 3 else "SELL"
        trader.call("POST", "v1/order", **order_params(side, "0.010", "", {}))
        bid = trader.venue.symbols[BTC].true.image(1).bids[0][0]
        trader.call("POST", "v1/order", **order_params("BUY", "0.010", bid, {}))
        trader.call("DELETE", "v1/allOpenOrders", symbol=BTC)
        if not trader.venue.sessions:
            key = trader.venue.trading.stream.open(trader.venue.now_ns)
            trader.venue.connect(f"/private/ws/{key}")
        trader.pass_ms(1_000)
    signed = (fill.quantity * fill.side.sign for fill in ledger.fills)
    assert trader.position == sum(signed, Decimal(0))
    assert account.wallet == sum((b.amount for b in ledger.bookings), Decimal(0))
    assert len(ledger.fills) > 20
    assert len(trader.venue.desk.done) > len(Kind) // 2
