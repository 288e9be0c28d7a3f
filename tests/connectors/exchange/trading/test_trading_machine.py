"""Whatever is traded: the ledger adds up, and no order does what it may not."""

import json
from decimal import Decimal
from typing import Any

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
)

from connectors.exchange.trading.ledger import Fill
from connectors.exchange.trading.own_order import OwnOrder, TimeInForce
from tests.connectors.exchange.exchange_samples import BTC
from tests.connectors.exchange.trading.trader import (
    ASKS,
    BIDS,
    Trader,
    order_params,
)

PRICES = [Decimal(59_998) + Decimal(step) / 2 for step in range(9)]
"""59,998.00 to 60,002.00 by half a quote unit."""

LOTS = st.integers(0, 4).map(lambda count: f"{count / 10:.3f}")
SOME = st.integers(1, 6).map(lambda count: f"{count / 10:.3f}")
SIDES = st.sampled_from(["BUY", "SELL"])
PRICE = st.sampled_from(PRICES).map(lambda price: f"{price:.2f}")
KINDS = st.sampled_from([*TimeInForce.__members__, "MARKET"])
MODES = st.sampled_from(["EXPIRE_TAKER", "EXPIRE_MAKER", "EXPIRE_BOTH"])
START = Decimal(10_000)


class TradingMachine(RuleBasedStateMachine):
    """Moves the market and trades on it, looking at each fill as it comes."""

    def __init__(self) -> None:
        super().__init__()
        self.trader = Trader()
        self.ledger = self.trader.venue.trading.ledger
        self.seen = 0
        self.position = Decimal(0)
        self.session = self.trader.listen()
        self.told: dict[int, dict[str, Any]] = {}
        self.fills_told: list[int] = []

    @initialize()
    def give_room(self) -> None:
        self.trader.ask("POST", "v1/leverage", symbol=BTC, leverage=50)
        self.trader.move(
            bids=[(price, "0") for price, _ in BIDS],
            asks=[(price, "0") for price, _ in ASKS],
        )
        self.turn(4, ["0.300"] * len(PRICES))

    @rule(middle=st.integers(1, 8), lots=st.lists(LOTS, min_size=9, max_size=9))
    def turn(self, middle: int, lots: list[str]) -> None:
        """The book becomes this one: bids below the middle, asks from there on."""
        levels = [
            (f"{price:.2f}", lot) for price, lot in zip(PRICES, lots, strict=True)
        ]
        gone = [(price, "0") for price, _ in levels]
        self.trader.move(bids=gone[middle:], asks=gone[:middle])
        self.trader.move(bids=levels[:middle], asks=levels[middle:])

    @rule(price=PRICE, lots=SOME, taker=SIDES)
    def trade(self, price: str, lots: str, taker: str) -> None:
        self.trader.trade(price, lots, taker)

    @rule(milliseconds=st.sampled_from([1, 100, 400]))
    def wait(self, milliseconds: int) -> None:
        self.trader.pass_ms(milliseconds)

    @rule(
        side=SIDES,
        lots=SOME,
        price=PRICE,
        kind=KINDS,
        mode=MODES,
        reduces=st.booleans(),
    )
    def place(self, **asked: Any) -> None:
        kind = asked["kind"]
        more: dict[str, object] = {"reduceOnly": asked["reduces"]}
        if kind not in {"FOK", "GTX"}:
            more["selfTradePreventionMode"] = asked["mode"]
        if kind != "MARKET":
            more["timeInForce"] = kind
        if kind == "GTD":
            more["goodTillDate"] = str(self.trader.now_ms + 700_000)
        price = "" if kind == "MARKET" else asked["price"]
        params = order_params(asked["side"], asked["lots"], price, more)
        self.trader.call("POST", "v1/order", **params)

    @precondition(lambda self: self.ledger.open)
    @rule(data=st.data(), lots=SOME, price=PRICE)
    def amend(self, data: st.DataObject, lots: str, price: str) -> None:
        order = data.draw(st.sampled_from(list(self.ledger.open.values())))
        params = {"symbol": BTC, "orderId": order.order_id, "side": order.terms.side}
        self.trader.call("PUT", "v1/order", **params, quantity=lots, price=price)

    @precondition(lambda self: self.ledger.open)
    @rule(data=st.data())
    def cancel(self, data: st.DataObject) -> None:
        order_id = data.draw(st.sampled_from(list(self.ledger.open)))
        self.trader.call("DELETE", "v1/order", symbol=BTC, orderId=order_id)

    @rule(kind=st.sampled_from(["adl", "partial_fill", "liquidation"]))
    def force(self, kind: str) -> None:
        parameters = {"share": "0.5"} if kind == "adl" else {}
        self.trader.fault(kind, **parameters)

    # -- what always holds --------------------------------------------------------

    @invariant()
    def everything_adds_up(self) -> None:
        self.check_fills()
        self.check_orders()
        self.check_account()
        self.check_stream()
        self.check_reports()

    def check_fills(self) -> None:
        for fill in self.ledger.fills[self.seen :]:
            order = self.ledger.orders[fill.order_id]
            signed = fill.quantity * fill.side.sign
            before, self.position = self.position, self.position + signed
            _check_fill(order, fill, before, self.position)
        self.seen = len(self.ledger.fills)

    def check_orders(self) -> None:
        for order in self.ledger.orders.values():
            fills = [f for f in self.ledger.fills if f.order_id == order.order_id]
            assert order.executed == sum((f.quantity for f in fills), Decimal(0))
            assert order.executed <= order.terms.quantity or not order.is_open
            assert (order.order_id in self.ledger.open) is order.is_open
            assert (order.place is not None) is order.is_open
            if order.place is not None:
                assert order.place.ahead >= 0
                assert order.remaining > 0
            if order.terms.time_in_force is TimeInForce.FOK:
                assert order.executed == order.terms.quantity

    def check_account(self) -> None:
        fills = self.ledger.fills
        assert self.trader.position == self.position
        realised = sum((f.realised for f in fills), Decimal(0))
        fees = sum((f.commission for f in fills), Decimal(0))
        bookings = self.ledger.bookings
        cleared = (b.amount for b in bookings if b.kind == "INSURANCE_CLEAR")
        wallet = START + realised - fees + sum(cleared, Decimal(0))
        assert self.trader.wallet == wallet
        assert self.trader.wallet == sum((b.amount for b in bookings), Decimal(0))
        if not self.position:
            spent = (f.price * f.quantity * -f.side.sign for f in fills)
            assert realised == sum(spent, Decimal(0))

    def check_stream(self) -> None:
        for event in self.trader.heard(self.session):
            if event["e"] != "ORDER_TRADE_UPDATE":
                continue
            body = event["o"]
            self.told[body["i"]] = body
            if body["t"]:
                self.fills_told.append(body["t"])
        assert self.fills_told == [fill.trade_id for fill in self.ledger.fills]
        for order_id, order in self.ledger.orders.items():
            body = self.told[order_id]
            assert body["X"] == order.status
            assert Decimal(body["z"]) == order.executed

    def check_reports(self) -> None:
        account = self.trader.venue.trading.account
        assert account.available >= 0
        reply = self.trader.call("GET", "v3/positionRisk")
        assert reply.status == 429 or json.loads(reply.body) is not None


def _check_fill(order: OwnOrder, fill: Fill, before: Decimal, after: Decimal) -> None:
    terms = order.terms
    if not terms.is_market and not order.is_forced:
        assert terms.side.reaches(terms.price, fill.price)
    if terms.time_in_force is TimeInForce.GTX:
        assert fill.is_maker
    if terms.only_reduces:
        assert abs(after) < abs(before)
        assert after * before >= 0


TestTradingMachine = TradingMachine.TestCase
TestTradingMachine.settings = settings(
    max_examples=60,
    stateful_step_count=30,
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow],
)
