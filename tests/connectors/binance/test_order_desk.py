"""The order desk: sent once, followed until its fate is told, and told once."""

from decimal import Decimal
from typing import Any

import msgspec
import pytest

from connectors.binance.order_desk import (
    ENTRY_WINDOW_MS,
    MAX_DECISION_AGE_NS,
    NEVER_ARRIVED_NS,
    ORDER_PATH,
    TRADES_PATH,
    WINDOW_MS,
    OrderDesk,
)
from connectors.binance.outbox import Call, Outbox
from connectors.binance.user_wire import Execution, OrderState
from flows.domain.opening import LostOrder, Opening
from flows.domain.order import Order, OrderStatus
from flows.domain.side import Side
from flows.domain.units import NS_PER_MS, NS_PER_S
from tests.domain.scene import entry_order, exit_order

NOW = 1_700_000_000 * NS_PER_S
ENTRY = entry_order(received_ns=NOW)
EXIT = exit_order(received_ns=NOW)


class Stage:
    """A desk whose requests a test answers."""

    def __init__(self, opening: Opening | None = None) -> None:
        self.now_ns = NOW
        self.outbox = Outbox()
        self.acked: list[int] = []
        self.traded: list[int] = []
        self.desk = OrderDesk(
            self.outbox,
            fee_bps=Decimal(5),
            on_acked=self.acked.append,
            on_trade=lambda execution: self.traded.append(execution.trade_id),
        )
        if opening is not None:
            self.desk.restore(opening, NOW)

    def place(self, order: Order = ENTRY) -> Call:
        self.desk.place(order, self.now_ns)
        [call] = self.asked()
        return call

    def asked(self, after_ms: int = 0) -> list[Call]:
        """What is asked for once so much time has passed."""
        self.now_ns += after_ms * NS_PER_MS
        if after_ms:
            self.desk.on_time(self.now_ns)
        return [a for a in self.outbox.take_actions() if isinstance(a, Call)]

    def pass_until_asked(self, path: str, limit_s: int = 20) -> Call:
        """The next request to a path, within a while."""
        for _ in range(limit_s * 100):
            for call in self.asked(10):
                if call.path == path:
                    return call
        raise AssertionError(f"{path} was not asked for")

    def answer(self, call: Call, status: int, body: object, after_ms: int = 5) -> None:
        self.now_ns += after_ms * NS_PER_MS
        content = body if isinstance(body, bytes) else msgspec.json.encode(body)
        self.desk.on_reply(call.serial, status, content, self.now_ns)

    def fail(self, call: Call, reason: str = "the connection ended") -> None:
        self.now_ns += 5 * NS_PER_MS
        self.desk.on_failed(call.serial, reason, self.now_ns)

    def update(
        self,
        status: OrderStatus,
        executed: str,
        trade: Execution | None = None,
        name: str = "order-1",
    ) -> None:
        state = OrderState("AAAUSDT", name, 77, status, Decimal(executed))
        self.desk.on_update(state, trade, self.now_ns)

    def told(self) -> list[tuple[str, ...]]:
        """What the account was told: fills as trade id, reports as status."""
        facts = [msgspec.json.decode(f.payload) for f in self.outbox.take_frames()]
        return [
            (
                ("fill", fact["trade_id"])
                if fact["kind"] == "fill"
                else (fact["kind"], fact.get("status") or fact["trade_id"])
            )
            for fact in facts
        ]

    def reasons(self) -> list[str]:
        facts = [msgspec.json.decode(f.payload) for f in self.outbox.take_frames()]
        return [fact["reason"] for fact in facts]


def state(status: str, executed: str = "0", name: str = "order-1") -> dict[str, Any]:
    """A reply to an order or a query."""
    named = {"symbol": "AAAUSDT", "clientOrderId": name, "orderId": 77}
    return {**named, "status": status, "executedQty": executed}


def execution(number: int, quantity: str = "1", asset: str = "USDT") -> Execution:
    return Execution(
        symbol="AAAUSDT",
        order_id=77,
        trade_id=number,
        is_buy=True,
        price=Decimal(100),
        quantity=Decimal(quantity),
        commission=Decimal("0.05"),
        commission_asset=asset,
        is_maker=False,
        time_ms=NOW // NS_PER_MS,
    )


def trade_row(number: int, quantity: str = "1") -> dict[str, Any]:
    row = {"symbol": "AAAUSDT", "id": number, "orderId": 77, "buyer": True}
    paid = {"commission": "0.05", "commissionAsset": "USDT", "realizedPnl": "0"}
    of = {"maker": False, "price": "100", "qty": quantity, "time": 1}
    return {**row, **paid, **of}


def error(code: int, text: str = "no") -> dict[str, Any]:
    return {"code": code, "msg": text}


# -- what is sent ---------------------------------------------------------------------


def test_place_entry_is_sent_with_what_bounds_it() -> None:
    call = Stage().place()
    assert (call.method, call.path) == ("POST", ORDER_PATH)
    assert call.window_ms == ENTRY_WINDOW_MS
    assert call.expires_ns == NOW + MAX_DECISION_AGE_NS
    assert call.params == {
        "symbol": "AAAUSDT",
        "side": "BUY",
        "type": "LIMIT",
        "quantity": "2",
        "newClientOrderId": "order-1",
        "newOrderRespType": "RESULT",
        "timeInForce": "IOC",
        "price": "100",
    }


def test_place_exit_only_reduces_and_never_expires() -> None:
    call = Stage().place(EXIT)
    assert (call.window_ms, call.expires_ns) == (WINDOW_MS, None)
    assert call.params["reduceOnly"] == "true"
    assert call.params["type"] == "MARKET"
    assert "price" not in call.params


def test_place_number_of_many_digits_has_no_exponent() -> None:
    order = msgspec.structs.replace(ENTRY, quantity=Decimal("1E+3"))
    assert Stage().place(order).params["quantity"] == "1000"


# -- the usual way --------------------------------------------------------------------


@pytest.mark.parametrize("first", ["reply", "event"])
def test_filled_order_is_told_once_whatever_comes_first(first: str) -> None:
    stage = Stage()
    call = stage.place()
    if first == "reply":
        stage.answer(call, 200, state("FILLED", "2"))
        assert stage.told() == [], "its fills are not known yet"
    stage.update(OrderStatus.PARTIALLY_FILLED, "1", execution(1))
    stage.update(OrderStatus.FILLED, "2", execution(2))
    assert stage.told() == [("fill", "1"), ("fill", "2"), ("order_report", "FILLED")]
    if first == "event":
        stage.answer(call, 200, state("FILLED", "2"))
    stage.update(OrderStatus.FILLED, "2", execution(2))
    assert stage.told() == []
    assert stage.desk.is_idle
    assert stage.traded == [1, 2]
    assert stage.asked(60_000) == []


def test_acknowledged_order_tells_how_long_that_took() -> None:
    stage = Stage()
    call = stage.place()
    stage.answer(call, 200, state("NEW"), after_ms=7)
    assert stage.acked == [7 * NS_PER_MS]


def test_expired_order_ends_with_what_it_filled() -> None:
    stage = Stage()
    stage.place()
    stage.update(OrderStatus.PARTIALLY_FILLED, "0.5", execution(1, "0.5"))
    stage.update(OrderStatus.EXPIRED, "0.5")
    assert stage.told() == [("fill", "1"), ("order_report", "EXPIRED")]


def test_events_that_do_not_come_are_asked_for() -> None:
    stage = Stage()
    stage.answer(stage.place(), 200, state("FILLED", "2"))
    call = stage.pass_until_asked(TRADES_PATH)
    assert call.params == {"symbol": "AAAUSDT", "orderId": "77"}
    stage.answer(call, 200, [trade_row(2), trade_row(1)])
    assert stage.told() == [("fill", "1"), ("fill", "2"), ("order_report", "FILLED")]


def test_trades_that_are_not_all_there_yet_are_asked_for_again() -> None:
    stage = Stage()
    stage.answer(stage.place(), 200, state("FILLED", "2"))
    stage.answer(stage.pass_until_asked(TRADES_PATH), 200, [trade_row(1)])
    assert stage.told() == [("fill", "1")]
    stage.answer(stage.pass_until_asked(TRADES_PATH), 503, b"")
    stage.fail(stage.pass_until_asked(TRADES_PATH))
    both = [trade_row(1), trade_row(2)]
    stage.answer(stage.pass_until_asked(TRADES_PATH), 200, both)
    assert stage.told() == [("fill", "2"), ("order_report", "FILLED")]


def test_order_whose_end_nobody_tells_is_asked_for() -> None:
    stage = Stage()
    stage.answer(stage.place(), 200, state("NEW"))
    call = stage.pass_until_asked(ORDER_PATH)
    assert (call.method, call.params) == (
        "GET",
        {"symbol": "AAAUSDT", "origClientOrderId": "order-1"},
    )
    stage.answer(call, 200, state("EXPIRED", "0"))
    assert stage.told() == [("order_report", "EXPIRED")]


# -- fees -----------------------------------------------------------------------------


@pytest.mark.parametrize(("asset", "fee"), [("USDT", "0.05"), ("BNB", "0.05000")])
def test_fill_fee_in_another_asset_is_valued_at_the_taker_rate(
    asset: str, fee: str
) -> None:
    stage = Stage()
    stage.place()
    trade = msgspec.structs.replace(
        execution(1, asset=asset), commission=Decimal("0.05" if asset == "USDT" else 9)
    )
    stage.update(OrderStatus.PARTIALLY_FILLED, "1", trade)
    [frame] = stage.outbox.take_frames()
    assert Decimal(msgspec.json.decode(frame.payload)["fee"]) == Decimal(fee)


# -- refusals -------------------------------------------------------------------------


def test_refused_order_is_rejected_with_the_exchanges_words() -> None:
    stage = Stage()
    stage.answer(stage.place(), 400, error(-2019, "Margin is insufficient."))
    assert stage.reasons() == ["-2019 Margin is insufficient."]
    assert stage.desk.is_idle


def test_entry_put_off_by_the_exchange_is_rejected_its_moment_is_over() -> None:
    stage = Stage()
    stage.answer(stage.place(), 503, error(-1008, "overloaded"))
    assert stage.told() == [("order_report", "REJECTED")]
    assert stage.asked(60_000) == []


def test_exit_put_off_is_sent_again_with_its_own_id_and_later_and_later() -> None:
    stage = Stage()
    call, waits = stage.place(EXIT), []
    for _ in range(5):
        stage.answer(call, 503, error(-1008, "overloaded"), after_ms=0)
        before_ns = stage.now_ns
        again = stage.pass_until_asked(ORDER_PATH)
        assert (again.method, again.params) == ("POST", call.params)
        waits.append((stage.now_ns - before_ns) // NS_PER_MS)
        call = again
    assert waits == [200, 400, 800, 1_600, 3_200]
    stage.answer(call, 503, error(-1008, "overloaded"))
    assert stage.told() == [("order_report", "REJECTED")]


def test_exit_put_off_and_then_cancelled_is_not_sent_again() -> None:
    stage = Stage()
    stage.answer(stage.place(EXIT), 503, error(-1008))
    stage.desk.cancel("order-2", stage.now_ns)
    [cancel] = stage.asked()
    assert cancel.method == "DELETE"
    stage.answer(cancel, 400, error(-2011))
    sent = [call.method for _ in range(300) for call in stage.asked(10)]
    assert "POST" not in sent


@pytest.mark.parametrize("how", ["reply", "failure", "withheld"])
def test_word_of_an_order_whose_end_is_told_changes_nothing(how: str) -> None:
    stage = Stage()
    call = stage.place()
    assert stage.desk.owns(call.serial)
    stage.update(OrderStatus.FILLED, "2", execution(1, "2"))
    stage.told()
    if how == "reply":
        stage.answer(call, 400, error(-2019))
    elif how == "failure":
        stage.fail(call)
    else:
        stage.desk.on_withheld(call.serial, "latched", stage.now_ns)
    assert stage.told() == []
    assert stage.asked(60_000) == []
    assert not stage.desk.owns(call.serial)


def test_withheld_order_was_never_sent() -> None:
    stage = Stage()
    call = stage.place()
    stage.desk.on_withheld(call.serial, "the kill latch is there", stage.now_ns)
    assert stage.reasons() == ["the kill latch is there"]
    assert stage.desk.is_idle


# -- what is not known ----------------------------------------------------------------


@pytest.mark.parametrize("how", ["cut", "timeout", "malformed"])
def test_unknown_outcome_is_told_once_and_asked_for_at_once(how: str) -> None:
    stage = Stage()
    call = stage.place()
    if how == "cut":
        stage.fail(call)
    elif how == "timeout":
        stage.answer(call, 408, error(-1007, "Timeout"))
    else:
        stage.answer(call, 200, b'{"symbol":')
    assert stage.told() == [("order_report", "UNKNOWN")]
    query = stage.pass_until_asked(ORDER_PATH)
    assert query.method == "GET"
    stage.fail(query)
    stage.answer(stage.pass_until_asked(ORDER_PATH), 200, b"[]")
    assert stage.told() == [], "said once"
    stage.answer(stage.pass_until_asked(ORDER_PATH), 200, state("FILLED", "2"))
    stage.update(OrderStatus.FILLED, "2", execution(1, "2"))
    assert stage.told() == [("fill", "1"), ("order_report", "FILLED")]


def test_unknown_order_that_the_exchange_has_not_heard_of_is_given_up_late() -> None:
    stage = Stage()
    stage.fail(stage.place())
    stage.told()
    sent_ns = NOW
    while not stage.desk.is_idle:
        stage.answer(stage.pass_until_asked(ORDER_PATH), 400, error(-2013), after_ms=0)
        assert stage.now_ns < sent_ns + 2 * NEVER_ARRIVED_NS
    assert stage.now_ns - sent_ns >= NEVER_ARRIVED_NS
    assert stage.told() == [("order_report", "REJECTED")]


def test_unknown_order_that_has_filled_a_part_is_never_given_up() -> None:
    stage = Stage()
    stage.update(OrderStatus.PARTIALLY_FILLED, "1", execution(1))  # of nobody: ignored
    call = stage.place()
    stage.update(OrderStatus.PARTIALLY_FILLED, "1", execution(1))
    stage.fail(call)
    for _ in range(20):
        stage.answer(stage.pass_until_asked(ORDER_PATH), 400, error(-2013))
    assert not stage.desk.is_idle
    assert ("order_report", "REJECTED") not in stage.told()


def test_order_that_filled_whole_before_its_answer_was_lost_is_not_unknown() -> None:
    stage = Stage()
    call = stage.place()
    stage.update(OrderStatus.FILLED, "2", execution(1, "2"))
    stage.fail(call)
    assert stage.told() == [("fill", "1"), ("order_report", "FILLED")]


# -- cancelling -----------------------------------------------------------------------


def test_cancel_of_what_is_not_open_asks_for_nothing() -> None:
    stage = Stage()
    stage.desk.cancel("order-1", stage.now_ns)
    assert stage.asked() == []


def test_cancelled_order_ends_with_what_the_exchange_says() -> None:
    stage = Stage()
    stage.answer(stage.place(), 200, state("NEW"))
    stage.desk.cancel("order-1", stage.now_ns)
    [call] = stage.asked()
    assert (call.method, call.params["origClientOrderId"]) == ("DELETE", "order-1")
    stage.answer(call, 200, state("CANCELED", "0"))
    assert stage.told() == [("order_report", "CANCELED")]


# -- over a restart -------------------------------------------------------------------


def test_restore_orders_are_asked_for_and_their_trades_not_told_again() -> None:
    lost = LostOrder(ENTRY, Decimal(1), ("1",))
    stage = Stage(Opening(lost_orders=(lost,), trade_ids={"AAAUSDT": (1,)}))
    query = stage.pass_until_asked(ORDER_PATH)
    stage.answer(query, 200, state("FILLED", "2"))
    both = [trade_row(1), trade_row(2)]
    stage.answer(stage.pass_until_asked(TRADES_PATH), 200, both)
    assert stage.told() == [("fill", "2"), ("order_report", "FILLED")]


@pytest.mark.parametrize(("asset", "fee"), [("BNB", "0"), ("USDT", "0.05")])
def test_adopt_trade_of_nobody_is_told_once(asset: str, fee: str) -> None:
    stage = Stage()
    sold = msgspec.structs.replace(execution(9, asset=asset), is_buy=False)
    stage.desk.adopt(sold, stage.now_ns)
    stage.desk.adopt(sold, stage.now_ns)
    [frame] = stage.outbox.take_frames()
    told = msgspec.json.decode(frame.payload)
    assert (told["kind"], told["side"], told["fee"]) == (
        "outside_fill",
        Side.SELL.value,
        fee,
    )
    assert stage.desk.has_told("AAAUSDT", 9)
    stage.desk.forget_trades(stage.now_ns)
    assert stage.desk.has_told("AAAUSDT", 9)
    stage.desk.forget_trades(stage.now_ns + 1)
    assert not stage.desk.has_told("AAAUSDT", 9)


def test_knows_orders_that_ended_as_far_back_as_is_remembered() -> None:
    stage = Stage()
    for number in range(1_002):
        order = msgspec.structs.replace(ENTRY, client_order_id=f"o-{number}")
        stage.answer(stage.place(order), 400, error(-2019))
    assert stage.desk.knows("o-1001")
    assert stage.desk.knows("o-2")
    assert not stage.desk.knows("o-1")
