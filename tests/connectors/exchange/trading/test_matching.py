"""How orders meet the market being played: walks, queues, partial fills, oneself."""

from decimal import Decimal

import pytest

from connectors.exchange.synthetic_tape import SyntheticTape
from connectors.exchange.tape import TapeEvent
from connectors.exchange.trading.depth import levels
from connectors.exchange.trading.own_order import Side
from flows.domain.event import MarketTrade
from tests.connectors.exchange.exchange_samples import BTC, START_NS
from tests.connectors.exchange.trading.trader import Trader


@pytest.fixture
def trader() -> Trader:
    trader = Trader()
    trader.ask("POST", "v1/leverage", symbol="BTCUSDT", leverage=100)
    return trader


def executed(trader: Trader, order: dict[str, str]) -> tuple[str, str]:
    found = trader.query(order)
    return found["status"], found["executedQty"]


def test_market_order_walks_the_levels_of_the_book(trader: Trader) -> None:
    trader.order("BUY", "2.500")
    assert trader.fills == [
        ("60000.10", "1.000", False),
        ("60000.20", "1.500", False),
    ]


def test_market_order_twice_meets_the_same_book(trader: Trader) -> None:
    trader.order("BUY", "1.000")
    trader.order("BUY", "1.000")
    assert trader.fills == [("60000.10", "1.000", False)] * 2


def test_market_order_beyond_the_book_expires_the_rest(trader: Trader) -> None:
    trader.ask("POST", "v1/leverage", symbol="BTCUSDT", leverage=50)
    order = trader.order("BUY", "5.000")
    trader.move(asks=[("60010.00", "0"), ("60000.20", "0")])
    second = trader.order("BUY", "2.500")
    assert executed(trader, order) == ("FILLED", "5.000")
    assert executed(trader, second) == ("EXPIRED", "1.000")


def test_market_order_on_an_empty_side_is_2020(trader: Trader) -> None:
    empty = [(price, "0") for price in ("60000.10", "60000.20", "60010.00")]
    trader.move(asks=empty)
    assert trader.refused_order("BUY", "0.010") == -2020


def test_market_order_far_from_the_mark_is_4131(trader: Trader) -> None:
    empty = [(price, "0") for price in ("60000.10", "60000.20", "60010.00")]
    trader.move(asks=[*empty, ("69000.00", "1.000")])
    assert trader.refused_order("BUY", "0.010") == -4131


def test_ioc_order_stops_at_its_limit(trader: Trader) -> None:
    order = trader.order("SELL", "3.000", "60000.00", timeInForce="IOC")
    assert executed(trader, order) == ("EXPIRED", "2.000")
    assert [price for price, _, _ in trader.fills] == ["60000.00"]


def test_limit_order_takes_then_rests_and_is_not_met_twice(trader: Trader) -> None:
    order = trader.order("BUY", "1.500", "60000.10")
    assert executed(trader, order) == ("PARTIALLY_FILLED", "1.000")
    trader.move(asks=[("60000.10", "1.000")])
    assert executed(trader, order) == ("PARTIALLY_FILLED", "1.000")
    trader.move(asks=[("60000.10", "1.200")])
    assert executed(trader, order) == ("PARTIALLY_FILLED", "1.200")
    assert trader.fills[-1] == ("60000.10", "0.200", True)


def test_resting_order_waits_for_what_is_ahead(trader: Trader) -> None:
    order = trader.order("BUY", "1.000", "60000.00")
    trader.trade("60000.00", "2.000", "SELL")
    assert executed(trader, order) == ("NEW", "0.000")
    trader.trade("60000.00", "0.400", "SELL")
    assert executed(trader, order) == ("PARTIALLY_FILLED", "0.400")
    trader.trade("60000.00", "9.000", "SELL")
    assert executed(trader, order) == ("FILLED", "1.000")
    assert {is_maker for _, _, is_maker in trader.fills} == {True}


def test_resting_order_trades_by_takers_of_its_own_side_do_nothing(
    trader: Trader,
) -> None:
    order = trader.order("BUY", "1.000", "60000.00")
    trader.trade("60000.00", "9.000", "BUY")
    trader.trade("60000.10", "9.000", "SELL")
    assert executed(trader, order) == ("NEW", "0.000")


def test_resting_order_cancellations_behind_do_not_move_it(trader: Trader) -> None:
    order = trader.order("BUY", "1.000", "60000.00")
    trader.move(bids=[("60000.00", "7.000")])
    trader.move(bids=[("60000.00", "2.500")])
    trader.pass_ms(1_000)
    trader.trade("60000.00", "2.000", "SELL")
    assert executed(trader, order) == ("NEW", "0.000")
    trader.trade("60000.00", "0.100", "SELL")
    assert executed(trader, order) == ("PARTIALLY_FILLED", "0.100")


def test_resting_order_cancellations_ahead_move_it(trader: Trader) -> None:
    order = trader.order("BUY", "1.000", "60000.00")
    trader.move(bids=[("60000.00", "0.500")])
    trader.pass_ms(1_000)
    trader.trade("60000.00", "0.700", "SELL")
    assert executed(trader, order) == ("PARTIALLY_FILLED", "0.200")


def test_resting_order_trade_told_after_its_book_counts_once(trader: Trader) -> None:
    order = trader.order("BUY", "1.000", "60000.00")
    trader.move(bids=[("60000.00", "0.500")])  # of 2.000, so 1.500 were traded
    trader.trade("60000.00", "1.500", "SELL")
    assert executed(trader, order) == ("NEW", "0.000")
    trader.trade("60000.00", "0.600", "SELL")
    assert executed(trader, order) == ("PARTIALLY_FILLED", "0.100")


def test_resting_order_trade_through_its_price_fills_it(trader: Trader) -> None:
    order = trader.order("BUY", "1.000", "60000.00")
    trader.trade("59999.90", "0.300", "SELL")
    assert executed(trader, order) == ("PARTIALLY_FILLED", "0.300")
    assert trader.fills == [("60000.00", "0.300", True)]


def test_resting_order_inside_the_spread_is_first(trader: Trader) -> None:
    trader.move(asks=[("60000.10", "0"), ("60000.20", "0")])
    order = trader.order("BUY", "1.000", "60005.00")
    trader.trade("60000.00", "0.300", "SELL")
    assert executed(trader, order) == ("PARTIALLY_FILLED", "0.300")


def test_resting_order_met_by_the_other_side_fills_at_its_price(
    trader: Trader,
) -> None:
    order = trader.order("BUY", "1.000", "60000.00")
    trader.move(bids=[("60000.00", "0")], asks=[("59999.00", "0.400")])
    assert executed(trader, order) == ("PARTIALLY_FILLED", "0.400")
    trader.move(asks=[("59999.00", "0.400"), ("60000.00", "0.100")])
    assert executed(trader, order) == ("PARTIALLY_FILLED", "0.500")
    assert trader.fills[0] == ("60000.00", "0.400", True)


def test_resting_orders_fill_by_price_then_time(trader: Trader) -> None:
    late = trader.order("BUY", "0.300", "59999.90")
    first = trader.order("BUY", "0.300", "60000.00")
    second = trader.order("BUY", "0.300", "60000.00")
    trader.trade("60000.00", "2.400", "SELL")
    assert executed(trader, first) == ("FILLED", "0.300")
    assert executed(trader, second) == ("PARTIALLY_FILLED", "0.100")
    trader.trade("59999.90", "3.000", "SELL")
    assert executed(trader, second) == ("FILLED", "0.300")
    assert executed(trader, late) == ("NEW", "0.000")
    total = sum((Decimal(q) for _, q, _ in trader.fills), Decimal(0))
    assert total == Decimal("0.600")


def test_resting_sale_mirrors_a_purchase(trader: Trader) -> None:
    order = trader.order("SELL", "1.000", "60000.10")
    trader.trade("60000.10", "1.200", "BUY")
    assert executed(trader, order) == ("PARTIALLY_FILLED", "0.200")
    trader.trade("60000.20", "5.000", "BUY")
    assert executed(trader, order) == ("FILLED", "1.000")
    assert {price for price, _, _ in trader.fills} == {"60000.10"}


def test_amended_order_loses_its_place(trader: Trader) -> None:
    first = trader.order("BUY", "0.300", "60000.00")
    trader.trade("60000.00", "2.000", "SELL")
    change = {"symbol": "BTCUSDT", "orderId": first["orderId"], "side": "BUY"}
    trader.ask("PUT", "v1/order", **change, quantity="0.400", price="60000.00")
    trader.trade("60000.00", "2.000", "SELL")
    assert executed(trader, first) == ("NEW", "0.000")


@pytest.mark.parametrize(
    ("mode", "taker", "maker"),
    [
        ("EXPIRE_MAKER", ("FILLED", "1.000"), "EXPIRED_IN_MATCH"),
        ("EXPIRE_TAKER", ("EXPIRED_IN_MATCH", "0.000"), "NEW"),
        ("EXPIRE_BOTH", ("EXPIRED_IN_MATCH", "0.000"), "EXPIRED_IN_MATCH"),
    ],
)
def test_self_trade_the_one_told_gives_way(
    trader: Trader, mode: str, taker: tuple[str, str], maker: str
) -> None:
    trader.move(asks=[("60000.10", "0")])
    resting = trader.order("SELL", "1.000", "60000.10")
    more = {"selfTradePreventionMode": mode}
    order = trader.order("BUY", "1.000", "60000.20", **more)
    assert executed(trader, order) == taker
    assert executed(trader, resting)[0] == maker


def test_self_trade_happens_only_where_the_taker_gets_there(trader: Trader) -> None:
    resting = trader.order("SELL", "1.000", "60000.10")
    trader.order("BUY", "1.000", "60000.10")
    assert executed(trader, resting)[0] == "NEW"
    trader.order("BUY", "1.100", "60000.20")
    assert executed(trader, resting)[0] == "EXPIRED_IN_MATCH"


def test_post_only_order_against_oneself_is_refused(trader: Trader) -> None:
    trader.move(asks=[("60000.10", "0"), ("60000.20", "0")])
    trader.order("SELL", "1.000", "60005.00")
    code = trader.refused_order("BUY", "0.100", "60005.00", timeInForce="GTX")
    assert code == -5022


def test_reduce_only_order_fills_no_more_than_the_position(trader: Trader) -> None:
    trader.order("BUY", "0.500")
    order = trader.order("SELL", "0.800", reduceOnly="true")
    assert executed(trader, order) == ("EXPIRED", "0.500")
    assert trader.position == 0
    assert trader.refused_order("SELL", "0.100", reduceOnly="true") == -2022


def test_reduce_only_order_resting_ends_with_its_position(trader: Trader) -> None:
    trader.order("BUY", "0.500")
    order = trader.order("SELL", "0.500", "60500.00", reduceOnly="true")
    more = {"reduceOnly": "true"}
    assert trader.refused_order("SELL", "0.100", "60400.00", **more) == -4118
    trader.order("SELL", "0.500", reduceOnly="true")
    assert executed(trader, order) == ("EXPIRED", "0.000")


def test_reduce_only_order_resting_shrinks_with_its_position(trader: Trader) -> None:
    trader.order("BUY", "0.500")
    order = trader.order("SELL", "0.800", "60500.00", reduceOnly="true")
    trader.fault("adl", share="0.4")
    assert trader.position == Decimal("0.300")
    trader.trade("60600.00", "5.000", "BUY")
    assert trader.position == 0
    assert executed(trader, order) == ("EXPIRED", "0.300")


def test_order_beyond_the_position_turns_it_round(trader: Trader) -> None:
    trader.order("BUY", "0.500")
    trader.order("SELL", "0.800")
    [row] = trader.ask("GET", "v3/positionRisk", symbol="BTCUSDT")
    assert (row["positionAmt"], row["entryPrice"]) == ("-0.3", "60000")


def test_moving_market_each_fill_is_explained_by_the_tape() -> None:
    trader = Trader(tape=SyntheticTape([BTC], start_ns=START_NS, seed=7))
    fills, explained = trader.venue.trading.ledger.fills, []
    true = trader.venue.symbols[BTC].true
    hear = trader.venue.trading.on_event

    def listen(event: TapeEvent) -> None:
        before = len(fills)
        hear(event)
        for fill in fills[before:]:
            if isinstance(event, MarketTrade):
                met = Decimal(event.price)
                is_against = event.buyer_is_maker is (fill.side is Side.BUY)
                explained.append(is_against and fill.side.reaches(fill.price, met))
            else:
                [best, *_] = levels(true.book, fill.side.opposite)
                explained.append(fill.side.reaches(fill.price, best[0]))

    trader.venue.trading.on_event = listen  # type: ignore[method-assign] # to look on
    for _ in range(30):
        for side in Side:
            [best, *_] = levels(true.book, side)
            post = {"timeInForce": "GTX", "newOrderRespType": "ACK"}
            trader.order(side.value, "0.010", f"{best[0]:.2f}", **post)
        trader.pass_ms(400)
    assert len(explained) > 30
    assert all(explained)
    assert {fill.is_maker for fill in fills} == {True}
