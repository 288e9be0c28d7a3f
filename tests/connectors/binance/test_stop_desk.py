"""Protective stops: one for each position, whatever the exchange answers."""

from collections.abc import Sequence
from decimal import Decimal
from typing import Any

import msgspec
import pytest

from connectors.binance.budget import WeightBudget
from connectors.binance.order_desk import EXECUTION_STREAM
from connectors.binance.outbox import Call, Outbox
from connectors.binance.stop_desk import ALGO_PATH, OPEN_ALGOS_PATH, StopDesk
from connectors.binance.user_wire import AlgoState
from flows.domain.protection import StopTerms
from flows.domain.side import Side
from flows.domain.units import NS_PER_MS, NS_PER_S

NOW = 1_700_000_000 * NS_PER_S
A = "AAAUSDT"
LONG = StopTerms(Side.SELL, Decimal("99.50"))
SHORT = StopTerms(Side.BUY, Decimal("100.50"))
FIRST = "mftstop-run-1"


class Stage:
    """A desk whose positions a test opens, and whose requests it answers."""

    def __init__(self, *, is_listed: bool = True) -> None:
        self.outbox = Outbox()
        self.budget = WeightBudget(2_400)
        self.wanted: dict[str, StopTerms] = {}
        self.proved_ns = 0
        self.desk = StopDesk(
            self.outbox,
            self.budget,
            lambda: self.wanted,
            lambda: self.proved_ns,
            order_prefix="run",
        )
        self.now_ns = NOW
        if is_listed:
            self.answer_list(self.asked(), [])

    def asked(self, after_ms: int = 20) -> list[Call]:
        """What the desk asks for next."""
        self.now_ns += after_ms * NS_PER_MS
        self.desk.on_time(self.now_ns)
        return [a for a in self.outbox.take_actions() if isinstance(a, Call)]

    def answer(self, calls: Sequence[Call], status: int = 200, **body: Any) -> None:
        [call] = calls
        assert self.desk.owns(call.serial)
        content = msgspec.json.encode(body)
        self.desk.on_reply(call.serial, status, content, self.now_ns)

    def answer_list(self, calls: Sequence[Call], names: Sequence[str]) -> None:
        [call] = calls
        assert (call.method, call.path) == ("GET", OPEN_ALGOS_PATH)
        listed = [listed_stop(name) for name in names]
        self.desk.on_reply(call.serial, 200, msgspec.json.encode(listed), self.now_ns)

    def told(self) -> list[tuple[str, str, str]]:
        """Name, status and reason of the stops told of since the last call."""
        frames = self.outbox.take_frames()
        assert {frame.stream for frame in frames} <= {EXECUTION_STREAM}
        facts = [msgspec.json.decode(frame.payload) for frame in frames]
        return [(f["client_order_id"], f["status"], f["reason"]) for f in facts]

    def place(self) -> list[Call]:
        """A long position opens; the request for its stop."""
        self.wanted = {A: LONG}
        return self.asked()

    def work(self) -> None:
        """A stop stands."""
        self.answer(self.place())
        assert self.desk.working() == {A: LONG}
        self.told()

    def wants_proof(self) -> bool:
        return self.desk.wants_proof

    def update(self, status: str, name: str = FIRST) -> None:
        state = AlgoState(A, name, Side.SELL, LONG.trigger_price, status)
        self.desk.on_update(state, self.now_ns)


def listed_stop(name: str, side: str = "SELL", symbol: str = A) -> dict[str, str]:
    return {
        "symbol": symbol,
        "clientAlgoId": name,
        "side": side,
        "triggerPrice": "99.50",
        "algoStatus": "NEW",
    }


def test_on_time_open_position_places_a_stop_that_closes_it() -> None:
    stage = Stage()
    [call] = stage.place()
    assert (call.method, call.path) == ("POST", ALGO_PATH)
    assert call.expires_ns is None, "it only reduces risk: nothing withholds it"
    assert call.params == {
        "algoType": "CONDITIONAL",
        "symbol": A,
        "side": "SELL",
        "type": "STOP_MARKET",
        "triggerPrice": "99.50",
        "workingType": "MARK_PRICE",
        "closePosition": "true",
        "clientAlgoId": FIRST,
    }
    assert stage.asked() == [], "asked once"
    stage.answer([call])
    assert stage.told() == [(FIRST, "SENT", ""), (FIRST, "WORKING", "")]
    assert stage.asked(after_ms=1_000) == []


def test_on_time_nothing_is_placed_before_the_exchange_has_told_what_stands() -> None:
    stage = Stage(is_listed=False)
    stage.wanted = {A: LONG}
    calls = stage.asked()
    stage.answer_list(calls, ["mftstop-earlier-7"])
    assert stage.told() == [("mftstop-earlier-7", "WORKING", "")]
    stage.desk.doubt(stage.now_ns)
    stage.answer_list(stage.asked(), ["mftstop-earlier-7"])
    assert stage.told() == []
    assert stage.asked() == []


@pytest.mark.parametrize("body", [b"{", b"[1]", b'[{"symbol":"A"}]'])
def test_on_reply_unreadable_list_is_asked_for_again(body: bytes) -> None:
    stage = Stage(is_listed=False)
    [call] = stage.asked()
    stage.desk.on_reply(call.serial, 200, body, stage.now_ns)
    assert stage.asked() == []
    assert [c.path for c in stage.asked(1_000)] == [OPEN_ALGOS_PATH]


def test_on_reply_refused_or_lost_list_is_asked_for_again() -> None:
    stage = Stage(is_listed=False)
    stage.answer(stage.asked(), 503, code=-1001, msg="")
    [call] = stage.asked(1_000)
    stage.desk.on_failed(call.serial, "cut", stage.now_ns)
    assert [c.path for c in stage.asked(1_000)] == [OPEN_ALGOS_PATH]


def test_on_time_list_waits_for_the_weight_that_it_costs() -> None:
    stage = Stage(is_listed=False)
    stage.budget.on_reply(429, {"retry-after": "5"}, stage.now_ns)
    assert stage.asked() == []
    assert [c.path for c in stage.asked(6_000)] == [OPEN_ALGOS_PATH]


def test_on_reply_list_withdraws_a_second_stop_and_leaves_what_is_not_ours() -> None:
    stage = Stage(is_listed=False)
    stage.wanted = {A: LONG}
    stage.answer_list(stage.asked(), ["mftstop-a-1", "mftstop-b-1", "by-hand"])
    [call] = [a for a in stage.outbox.take_actions() if isinstance(a, Call)]
    assert (call.method, call.params["clientAlgoId"]) == ("DELETE", "mftstop-b-1")
    stage.answer([call])
    assert set(stage.desk.working()) == {A}


def test_on_reply_refused_stop_is_placed_again_later_and_later() -> None:
    stage = Stage()
    stage.answer(stage.place(), 400, code=-2021, msg="would trigger")
    assert stage.told()[-1] == (FIRST, "REFUSED", "-2021 would trigger")
    assert stage.asked() == []
    again = stage.asked(250)
    assert [c.params["clientAlgoId"] for c in again] == ["mftstop-run-2"]
    stage.answer(again, 400, code=-2021, msg="would trigger")
    assert stage.asked(250) == []
    assert len(stage.asked(250)) == 1


def test_on_reply_there_is_one_already_asks_which() -> None:
    stage = Stage()
    stage.answer(stage.place(), 400, code=-4130, msg="existing")
    stage.answer_list(stage.asked(), ["mftstop-lost-9"])
    assert set(stage.desk.working()) == {A}
    assert stage.asked(1_000) == []


@pytest.mark.parametrize("is_there", [True, False])
def test_on_reply_unknown_outcome_is_settled_by_the_list(is_there: bool) -> None:
    stage = Stage()
    stage.answer(stage.place(), 408, code=-1007, msg="timeout")
    stage.answer_list(stage.asked(), [FIRST] if is_there else [])
    told = stage.told()[-1]
    assert told == (
        (FIRST, "WORKING", "") if is_there else (FIRST, "ENDED", "it is not there")
    )
    placed = [] if is_there else ["mftstop-run-2"]
    assert [c.params["clientAlgoId"] for c in stage.asked(1_000)] == placed


def test_on_failed_lost_answer_is_settled_by_the_list() -> None:
    stage = Stage()
    [call] = stage.place()
    stage.desk.on_failed(call.serial, "cut", stage.now_ns)
    stage.answer_list(stage.asked(), [FIRST])
    assert stage.told()[-1] == (FIRST, "WORKING", "")


def test_on_reply_list_says_nothing_of_a_stop_that_is_under_way() -> None:
    stage = Stage()
    stage.desk.doubt(stage.now_ns)
    stage.wanted = {A: LONG}
    listing, placing = stage.asked()
    stage.answer_list([listing], [])
    stage.answer([placing])
    assert [status for _, status, _ in stage.told()] == ["SENT", "WORKING"]


def test_on_update_fired_stop_is_replaced_only_if_the_position_stays() -> None:
    stage = Stage()
    stage.work()
    stage.update("TRIGGERED")
    assert stage.told() == [(FIRST, "ENDED", "TRIGGERED")]
    assert stage.asked() == [], "its fill is on its way"
    stage.wanted = {}
    assert stage.asked(1_000) == []


def test_on_update_withdrawn_by_somebody_else_is_placed_again() -> None:
    stage = Stage()
    stage.work()
    stage.update("CANCELED")
    assert [c.params["clientAlgoId"] for c in stage.asked(250)] == ["mftstop-run-2"]


def test_on_update_event_may_come_before_the_answer() -> None:
    stage = Stage()
    calls = stage.place()
    stage.update("NEW")
    stage.update("NEW")
    stage.answer(calls)
    assert [status for _, status, _ in stage.told()] == ["SENT", "WORKING", "WORKING"]


def test_on_reply_answer_after_its_end_changes_nothing() -> None:
    stage = Stage()
    calls = stage.place()
    stage.update("EXPIRED")
    stage.wanted = {}
    stage.answer(calls)
    assert stage.desk.working() == {}


def test_on_update_of_another_order_is_ignored() -> None:
    stage = Stage()
    stage.work()
    stage.update("CANCELED", name="by-hand")
    assert set(stage.desk.working()) == {A}


def test_on_time_closed_position_keeps_its_stop_until_the_exchange_agrees() -> None:
    stage = Stage()
    stage.work()
    stage.wanted = {}
    assert stage.asked(20) == []
    assert stage.wants_proof() is False, "the exchange ends it by itself"
    assert stage.asked(600) == []
    assert stage.wants_proof() is True
    stage.proved_ns = stage.now_ns
    [call] = stage.asked()
    assert (call.method, call.path) == ("DELETE", ALGO_PATH)
    assert call.params == {"symbol": A, "clientAlgoId": FIRST}
    stage.answer([call])
    assert stage.told() == [(FIRST, "ENDED", "withdrawn")]
    assert stage.desk.working() == {}


def test_on_time_position_that_opens_again_keeps_its_stop() -> None:
    stage = Stage()
    stage.work()
    stage.wanted = {}
    stage.asked(400)
    stage.wanted = {A: LONG}
    stage.asked(20)
    stage.wanted = {}
    stage.asked(400)
    assert stage.wants_proof() is False


def test_on_time_position_that_turned_round_gets_a_stop_of_its_own() -> None:
    stage = Stage()
    stage.work()
    stage.wanted = {A: SHORT}
    [call] = stage.asked()
    assert call.method == "DELETE"
    stage.answer([call], 400, code=-2011, msg="Unknown order sent.")
    [call] = stage.asked()
    assert call.params["side"] == "BUY"


def test_on_reply_withdrawal_that_failed_is_tried_again() -> None:
    stage = Stage()
    stage.work()
    stage.wanted = {A: SHORT}
    stage.answer(stage.asked(), 503, code=-1001, msg="")
    assert stage.asked() == []
    assert [c.method for c in stage.asked(250)] == ["DELETE"]
