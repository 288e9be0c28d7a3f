"""Reconciliation: whatever the exchange did meanwhile is told, once."""

from decimal import Decimal
from typing import Any

import msgspec
import pytest

from connectors.binance.budget import WeightBudget
from connectors.binance.order_desk import OrderDesk
from connectors.binance.outbox import Call, Outbox
from connectors.binance.reconciliation import (
    BALANCE_PATH,
    DUST,
    EVERY_NS,
    INCOME_PATH,
    OPEN_ORDERS_PATH,
    POSITIONS_PATH,
    Reconciliation,
    Verdict,
)
from connectors.binance.user_wire import Execution, read_bookings, read_trades
from connectors.binance.wallet import UNEXPLAINED, Wallet
from flows.domain.opening import Opening
from flows.domain.units import NS_PER_MS, NS_PER_S

NOW = 1_700_000_000 * NS_PER_S
A = "AAAUSDT"
TRADES_PATH = "/fapi/v1/userTrades"


class Stage:
    """An account at the exchange as a test sets it, and what is told of it."""

    def __init__(self, opening: Opening | None = None) -> None:
        self.now_ns = NOW
        self.outbox = Outbox()
        self.budget = WeightBudget(2_400)
        wallet = Wallet()
        self.desk = OrderDesk(self.outbox, fee_bps=Decimal(5), on_trade=wallet.on_trade)
        self.held: dict[str, Decimal] = {}
        self.verdicts: list[Verdict] = []
        self.reconciliation = Reconciliation(
            self.outbox,
            self.budget,
            self.desk,
            wallet,
            held=lambda: self.held,
            on_verdict=lambda verdict, _now_ns: self.verdicts.append(verdict),
        )
        if opening is not None:
            self.desk.restore(opening, NOW)
            self.reconciliation.restore(opening, NOW)
        self.balance = Decimal(1_000)
        self.positions: dict[str, Decimal] = {}
        self.orders: list[str] = []
        self.trades: list[dict[str, Any]] = []
        self.income: list[dict[str, Any]] = []
        self.answers: dict[str, tuple[int, bytes]] = {}
        self.asked: list[str] = []

    def run(self, seconds: float) -> None:
        """Let time pass; the exchange answers after 10 ms."""
        for _ in range(int(seconds * 100)):
            self.now_ns += 10 * NS_PER_MS
            self.reconciliation.on_time(self.now_ns)
            for call in self.outbox.take_actions():
                assert isinstance(call, Call)
                self.asked.append(call.path)
                status, body = self.answers.get(call.path) or (200, self._body(call))
                self.reconciliation.on_reply(call.serial, status, body, self.now_ns)

    def trade(self, number: int, quantity: str, realised: str = "0") -> None:
        """Somebody trades on the account: signed quantity at 100, no commission."""
        amount = Decimal(quantity)
        self.balance += Decimal(realised)
        left = self.positions.get(A, Decimal(0)) + amount
        self.positions = {A: left} if left else {}
        row = {"id": number, "orderId": 9, "buyer": amount > 0, "qty": str(abs(amount))}
        of = {"symbol": A, "time": self.now_ns // NS_PER_MS}
        paid = {"commission": "0", "commissionAsset": "USDT", "realizedPnl": realised}
        self.trades.append({**row, **of, **paid, "price": "100", "maker": False})
        if Decimal(realised):
            self.book("REALIZED_PNL", realised, number, moves=False, trade=number)

    def book(
        self,
        kind: str,
        amount: str,
        number: int,
        *,
        moves: bool = True,
        asset: str = "USDT",
        trade: int = 0,
    ) -> None:
        """The exchange books something on the wallet."""
        row = {"incomeType": kind, "income": amount, "tranId": number, "asset": asset}
        of = {"symbol": A, "tradeId": str(trade or ""), "info": ""}
        self.income.append({**row, **of, "time": self.now_ns // NS_PER_MS})
        if moves:
            self.balance += Decimal(amount)

    def told(self) -> list[tuple[str, str]]:
        """Kind and id of what the account was told since the last call."""
        facts = [msgspec.json.decode(f.payload) for f in self.outbox.take_frames()]
        return [(f["kind"], f.get("trade_id", f.get("booking_id"))) for f in facts]

    @property
    def is_reconciled(self) -> bool:
        return self.reconciliation.is_reconciled

    def _body(self, call: Call) -> bytes:
        since = int(call.params.get("startTime", "0"))
        content: object
        match call.path:
            case path if path == OPEN_ORDERS_PATH:
                content = [_order(name) for name in self.orders]
            case path if path == POSITIONS_PATH:
                content = [_position(*each) for each in self.positions.items()]
            case path if path == BALANCE_PATH:
                content = [
                    {"asset": "BNB", "balance": "7"},
                    {"asset": "USDT", "balance": str(self.balance)},
                ]
            case path if path == INCOME_PATH:
                limit = int(call.params["limit"])
                content = [r for r in self.income if r["time"] >= since][:limit]
            case _:
                content = [row for row in self.trades if row["time"] >= since]
        return msgspec.json.encode(content)


def _order(name: str) -> dict[str, object]:
    state = {"status": "NEW", "executedQty": "0"}
    return {"symbol": A, "clientOrderId": name, "orderId": 1, **state}


def _position(symbol: str, amount: Decimal) -> dict[str, str]:
    held = {"positionAmt": str(amount), "entryPrice": "100"}
    return {"symbol": symbol, "positionSide": "BOTH", **held}


def reconciled(opening: Opening | None = None) -> Stage:
    """A stage whose account agrees."""
    stage = Stage(opening)
    stage.run(1)
    assert stage.is_reconciled
    stage.told()
    stage.verdicts.clear()
    stage.asked.clear()
    return stage


def test_on_time_agreeing_account_is_reconciled_and_asked_for_once_a_minute() -> None:
    stage = Stage()
    assert not stage.is_reconciled
    stage.run(1)
    assert stage.verdicts == [Verdict(is_reconciled=True)]
    stage.asked.clear()
    stage.run(EVERY_NS // NS_PER_S)
    assert stage.asked == [OPEN_ORDERS_PATH, POSITIONS_PATH, BALANCE_PATH]
    assert stage.verdicts == [Verdict(is_reconciled=True)], "told once"


def test_on_time_open_order_of_somebody_else_refuses_until_it_is_gone() -> None:
    stage = Stage()
    stage.orders = ["theirs"]
    stage.run(1)
    assert "theirs" in stage.verdicts[-1].reason
    assert not stage.is_reconciled
    stage.orders = []
    stage.run(15)
    assert stage.is_reconciled


def test_on_time_position_of_before_the_first_run_is_taken_over() -> None:
    stage = Stage()
    stage.positions = {A: Decimal(-2)}
    stage.run(0.05)
    assert stage.told() == [("outside_fill", "0")]
    stage.held = {A: Decimal(-2)}
    stage.run(2)
    assert stage.is_reconciled


def test_on_time_position_that_only_we_have_is_lost_at_once_in_a_first_run() -> None:
    stage = Stage()
    stage.held = {A: Decimal(2)}
    stage.run(3)
    assert stage.verdicts[-1].is_lost
    assert stage.told() == []


def test_on_time_trade_that_nobody_told_of_is_adopted_once() -> None:
    stage = reconciled()
    stage.trade(41, "2")
    stage.reconciliation.hasten(stage.now_ns)
    stage.run(0.1)
    assert stage.told() == [("outside_fill", "41")]
    assert stage.verdicts[-1].reason == "positions differ: AAAUSDT 2, ours 0"
    stage.held = {A: Decimal(2)}
    stage.run(1)
    assert stage.is_reconciled
    assert stage.told() == []


def test_on_time_round_trip_of_somebody_else_shows_in_the_wallet() -> None:
    stage = reconciled()
    stage.trade(41, "2")
    stage.trade(42, "-2", realised="3.5")
    stage.reconciliation.hasten(stage.now_ns)
    stage.run(3)
    assert stage.told() == [("outside_fill", "41"), ("outside_fill", "42")]
    assert stage.is_reconciled
    stage.run(70)
    assert stage.told() == []


def test_on_time_positions_that_no_trade_explains_are_lost() -> None:
    stage = reconciled()
    stage.positions = {A: Decimal(2)}
    stage.reconciliation.hasten(stage.now_ns)
    stage.run(5)
    assert [verdict.is_lost for verdict in stage.verdicts[:6]] == [False] * 5 + [True]
    assert "AAAUSDT 2, ours 0" in stage.verdicts[-1].reason


@pytest.mark.parametrize(
    ("kind", "reason"),
    [
        ("FUNDING_FEE", "funding"),
        ("TRANSFER", "transfer"),
        ("INSURANCE_CLEAR", "other"),
    ],
)
def test_on_time_booking_is_told_once_with_its_reason(kind: str, reason: str) -> None:
    stage = reconciled()
    stage.book(kind, "-1.25", 7)
    stage.reconciliation.hasten(stage.now_ns)
    stage.run(0.1)
    [frame] = stage.outbox.take_frames()
    told = msgspec.json.decode(frame.payload)
    assert (told["reason"], told["amount"], told["detail"]) == (reason, "-1.25", kind)
    assert stage.verdicts[0].reason == "the wallet holds -1.25 that nobody told of"
    stage.run(70)
    assert stage.is_reconciled
    assert stage.told() == []


def test_on_time_numbers_are_unique_within_a_kind_only() -> None:
    stage = reconciled()
    stage.book("FUNDING_FEE", "-1", 7)
    stage.book("REFERRAL_KICKBACK", "2", 7)
    stage.reconciliation.hasten(stage.now_ns)
    stage.run(3)
    assert {name for _, name in stage.told()} == {
        "FUNDING_FEE 7",
        "REFERRAL_KICKBACK 7",
    }


def test_on_time_bookings_in_another_asset_are_left_alone() -> None:
    stage = reconciled()
    stage.book("COMMISSION", "-1", 6, moves=False, asset="BNB", trade=0)
    stage.book("TRANSFER", "5", 7, moves=False, asset="BNB")
    stage.book("FUNDING_FEE", "-1", 8)
    stage.reconciliation.hasten(stage.now_ns)
    stage.run(3)
    assert stage.told() == [("cash_moved", "FUNDING_FEE 8")]


def test_on_time_late_booking_is_waited_for() -> None:
    stage = reconciled()
    stage.balance -= 1
    stage.reconciliation.hasten(stage.now_ns)
    stage.run(5)
    assert stage.told() == []
    assert not stage.is_reconciled
    stage.book("FUNDING_FEE", "-1", 7, moves=False)
    stage.run(10)
    assert stage.told() == [("cash_moved", "FUNDING_FEE 7")]
    assert stage.is_reconciled


def test_on_time_change_without_any_booking_is_booked_as_unexplained() -> None:
    stage = reconciled()
    stage.balance -= 1
    stage.reconciliation.hasten(stage.now_ns)
    stage.run(40)
    [frame] = stage.outbox.take_frames()
    told = msgspec.json.decode(frame.payload)
    assert (told["reason"], told["amount"]) == ("other", "-1")
    assert (told["detail"], told["booking_id"]) == (UNEXPLAINED, "")
    assert stage.is_reconciled


def test_on_time_roundings_are_no_difference_and_do_not_add_up() -> None:
    stage = reconciled()
    for _ in range(20):
        stage.balance -= DUST
        stage.run(61)
    assert stage.told() == []
    assert stage.verdicts == []
    stage.balance -= DUST + Decimal("0.00000001")
    stage.run(61)
    assert "nobody told of" in stage.verdicts[0].reason


def test_on_time_page_of_one_moment_is_not_asked_for_for_ever() -> None:
    stage = reconciled()
    for number in range(1_000):
        stage.book("FUNDING_FEE", "-0.01", number)
    stage.reconciliation.hasten(stage.now_ns)
    stage.run(3)
    assert len(stage.told()) == 1_000
    assert stage.asked.count(INCOME_PATH) == 1


def test_on_time_bookings_of_before_the_first_run_are_no_news() -> None:
    stage = Stage()
    stage.book("TRANSFER", "1000", 1, moves=False)
    stage.run(1)
    assert stage.told() == []
    stage.book("FUNDING_FEE", "-1", 2)
    stage.reconciliation.hasten(stage.now_ns)
    stage.run(3)
    assert stage.told() == [("cash_moved", "FUNDING_FEE 2")]


def test_on_time_bookings_since_an_earlier_run_are_told_but_not_again() -> None:
    opening = Opening(reconciled_ns=NOW, booking_ids=("FUNDING_FEE 1",))
    stage = Stage(opening)
    stage.book("FUNDING_FEE", "-1", 1)
    stage.book("FUNDING_FEE", "-2", 2)
    stage.run(2)
    assert stage.told() == [("cash_moved", "FUNDING_FEE 2")]
    assert stage.is_reconciled


def test_on_time_trades_of_somebody_else_since_an_earlier_run_are_told() -> None:
    stage = Stage(Opening(reconciled_ns=NOW, trade_ids={A: (41,)}))
    for number, quantity in ((41, "1"), (42, "1"), (43, "-1")):
        stage.trade(number, quantity, realised="0.5")
    stage.positions = {}
    stage.run(2)
    assert stage.told() == [("outside_fill", "42"), ("outside_fill", "43")]
    assert stage.is_reconciled


def test_on_time_more_bookings_than_a_page_are_all_told() -> None:
    stage = reconciled()
    for number in range(1_500):
        stage.now_ns += NS_PER_MS
        stage.book("FUNDING_FEE", "-0.01", number)
    stage.reconciliation.hasten(stage.now_ns)
    stage.run(3)
    assert len({name for _, name in stage.told()}) == 1_500
    assert stage.is_reconciled


@pytest.mark.parametrize(
    "path", [OPEN_ORDERS_PATH, POSITIONS_PATH, BALANCE_PATH, INCOME_PATH]
)
@pytest.mark.parametrize(
    ("status", "body"), [(503, b""), (200, b"{"), (200, b'[{"asset":"USDT"}]')]
)
def test_on_reply_unusable_answer_is_asked_for_again(
    path: str, status: int, body: bytes
) -> None:
    stage = Stage()
    stage.answers[path] = status, body
    stage.run(3)
    assert not stage.is_reconciled
    stage.answers.clear()
    stage.run(3)
    assert stage.is_reconciled


def test_on_failed_question_is_asked_again() -> None:
    stage = Stage()
    stage.reconciliation.on_time(stage.now_ns)
    for call in stage.outbox.take_actions():
        assert isinstance(call, Call)
        stage.reconciliation.on_failed(call.serial, "cut", stage.now_ns)
    stage.run(3)
    assert stage.is_reconciled


def test_doubt_in_the_middle_of_a_comparison_begins_it_anew() -> None:
    stage = reconciled()
    stage.reconciliation.hasten(stage.now_ns)
    stage.reconciliation.on_time(stage.now_ns)
    calls = [call for call in stage.outbox.take_actions() if isinstance(call, Call)]
    stage.reconciliation.doubt("the stream ended", stage.now_ns)
    for call in calls:
        assert stage.reconciliation.owns(call.serial)
        body = stage._body(call)
        stage.reconciliation.on_reply(call.serial, 200, body, stage.now_ns)
    told = [verdict.is_reconciled for verdict in stage.verdicts]
    assert told == [False], "what was asked before the doubt proves nothing"
    stage.run(1)
    assert stage.verdicts[-1].is_reconciled
    assert stage.reconciliation.reconciled_ns > NOW


def test_on_time_trade_in_the_middle_of_a_comparison_compares_again() -> None:
    stage = reconciled()
    stage.reconciliation.hasten(stage.now_ns)
    stage.reconciliation.on_time(stage.now_ns)
    calls = [call for call in stage.outbox.take_actions() if isinstance(call, Call)]
    replies = [stage._body(call) for call in calls]
    stage.trade(41, "2")
    stage.held = {A: Decimal(2)}
    [told] = read_trades(msgspec.json.encode(stage.trades))
    stage.desk.adopt(told, stage.now_ns)
    for call, body in zip(calls, replies, strict=True):
        stage.reconciliation.on_reply(call.serial, 200, body, stage.now_ns)
    assert stage.verdicts == [], "it is no difference that the answers are older"
    stage.run(2)
    assert stage.verdicts == []
    assert stage.is_reconciled


def test_hasten_again_and_again_asks_once_a_second() -> None:
    stage = reconciled()
    for _ in range(100):
        stage.reconciliation.hasten(stage.now_ns)
        stage.run(0.01)
    assert stage.asked.count(BALANCE_PATH) <= 2


def test_on_trade_commission_in_another_asset_leaves_the_wallet_alone() -> None:
    wallet = Wallet()
    wallet.begin(Decimal(100))
    trade = Execution(
        symbol=A,
        order_id=1,
        trade_id=1,
        is_buy=True,
        price=Decimal(100),
        quantity=Decimal(1),
        commission=Decimal("0.5"),
        commission_asset="BNB",
        is_maker=False,
        time_ms=0,
        realised=Decimal(3),
    )
    wallet.on_trade(trade)
    assert wallet.difference(Decimal(103)) == 0
    wallet.on_trade(msgspec.structs.replace(trade, symbol="AAAUSDC"))
    assert wallet.difference(Decimal(103)) == 0, "that is another wallet"
    wallet.on_trade(msgspec.structs.replace(trade, commission_asset="USDT"))
    assert wallet.difference(Decimal("105.5")) == 0


def test_forget_bookings_of_before_only() -> None:
    wallet = Wallet()
    row = {"incomeType": "FUNDING_FEE", "income": "1", "tranId": 1, "asset": "USDT"}
    bookings = read_bookings(msgspec.json.encode([{**row, "time": 1}]))
    assert len(wallet.news(bookings, 10)) == 1
    wallet.forget(10)
    assert wallet.news(bookings, 11) == []
    wallet.forget(11)
    assert len(wallet.news(bookings, 12)) == 1


def test_doubt_entries_are_refused_until_compared_again() -> None:
    stage = reconciled()
    stage.reconciliation.doubt("the stream ended", stage.now_ns)
    stage.reconciliation.doubt("the stream ended", stage.now_ns)
    assert stage.verdicts == [Verdict(reason="the stream ended")]
    stage.run(1)
    assert stage.verdicts[-1] == Verdict(is_reconciled=True)


def test_on_time_spent_budget_waits_for_the_next_minute() -> None:
    stage = Stage()
    stage.budget.spend(2_400, stage.now_ns)
    stage.run(1)
    assert stage.asked == []
    stage.run(60)
    assert stage.is_reconciled
