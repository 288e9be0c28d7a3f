"""Balances, positions, settings, margin, funding and what is forced on the account."""

from decimal import Decimal
from typing import Any

import pytest

from connectors.exchange.trading.bracket import (
    BRACKETS,
    largest_notional,
    maintenance,
)
from connectors.exchange.trading.trading import TradingSettings
from tests.connectors.exchange.exchange_samples import BTC, ETH
from tests.connectors.exchange.trading.trader import Trader, kinds

ALL_BIDS = ("60000.00", "59999.90", "59990.00")
ALL_ASKS = ("60000.10", "60000.20", "60010.00")
EIGHT_HOURS_MS = 8 * 3_600_000


@pytest.fixture
def trader() -> Trader:
    return Trader()


def fall_to(trader: Trader, bid: str, ask: str, quantity: str = "50.000") -> None:
    """The book jumps down to one level a side."""
    trader.move(
        bids=[*((p, "0") for p in ALL_BIDS), (bid, quantity)],
        asks=[*((p, "0") for p in ALL_ASKS), (ask, quantity)],
    )


def balance(trader: Trader, version: int = 3) -> Any:
    [row] = trader.ask("GET", f"v{version}/balance")
    return row


@pytest.mark.parametrize("version", [2, 3])
def test_balance_tells_wallet_profit_and_what_is_free(
    trader: Trader, version: int
) -> None:
    assert balance(trader, version)["availableBalance"] == "10000.00000000"
    trader.order("BUY", "0.100")
    trader.order("BUY", "0.100", "59000.00")
    row = balance(trader, version)
    assert row["balance"] == row["crossWalletBalance"] == "9996.99999500"
    assert row["crossUnPnl"] == "-0.00500000"
    # 6,000.005 and 5,900 of notional at leverage 20
    assert row["availableBalance"] == "9401.99474500"


@pytest.mark.parametrize("version", [2, 3])
def test_account_adds_up(trader: Trader, version: int) -> None:
    trader.order("BUY", "0.100")
    account = trader.ask("GET", f"v{version}/account")
    held = [p for p in account["positions"] if Decimal(p["positionAmt"])]
    assert [p["symbol"] for p in held] == [BTC]
    assert len(account["positions"]) == (2 if version == 2 else 1)
    equity = Decimal(account["totalWalletBalance"])
    equity += Decimal(account["totalUnrealizedProfit"])
    assert Decimal(account["totalMarginBalance"]) == equity
    free = equity - Decimal(account["totalInitialMargin"])
    assert Decimal(account["availableBalance"]) == free
    [asset] = account["assets"]
    assert asset["walletBalance"] == account["totalWalletBalance"]


def test_position_risk_lists_what_each_version_lists(trader: Trader) -> None:
    assert trader.ask("GET", "v3/positionRisk") == []
    order = trader.order("BUY", "0.100", "59000.00", symbol=ETH)
    [row] = trader.ask("GET", "v3/positionRisk")
    assert (row["symbol"], row["positionAmt"], row["bidNotional"]) == (ETH, "0", "5900")
    trader.cancel(order)
    trader.order("SELL", "0.200")
    [row] = trader.ask("GET", "v3/positionRisk")
    assert (row["positionAmt"], row["entryPrice"]) == ("-0.2", "60000")
    assert row["breakEvenPrice"] == "59970"
    assert Decimal(row["liquidationPrice"]) > 100_000
    assert "leverage" not in row
    second = trader.ask("GET", "v2/positionRisk")
    assert [each["symbol"] for each in second] == [BTC, ETH]
    assert (second[0]["leverage"], second[0]["marginType"]) == ("20", "cross")


def test_leverage_is_set_shown_and_limited(trader: Trader) -> None:
    reply = trader.ask("POST", "v1/leverage", symbol=BTC, leverage=100)
    assert reply == {"leverage": 100, "maxNotionalValue": "250000", "symbol": BTC}
    configs = trader.ask("GET", "v1/symbolConfig", symbol=BTC)
    assert configs[0]["leverage"] == 100
    for leverage in (0, 126):
        ask = {"symbol": BTC, "leverage": leverage}
        assert trader.refused("POST", "v1/leverage", **ask)[0] == -4028


def test_leverage_too_high_for_the_position_is_2027(trader: Trader) -> None:
    trader.order("BUY", "1.000")
    assert trader.refused("POST", "v1/leverage", symbol=BTC, leverage=125)[0] == -2027


def test_leverage_too_low_for_the_margin_is_2028(trader: Trader) -> None:
    trader.order("BUY", "1.000")
    assert trader.refused("POST", "v1/leverage", symbol=BTC, leverage=5)[0] == -2028
    assert trader.ask("GET", "v1/symbolConfig", symbol=BTC)[0]["leverage"] == 20


def test_order_beyond_the_bracket_is_2027() -> None:
    trader = Trader(TradingSettings(balance=Decimal(1_000_000)))
    trader.ask("POST", "v1/leverage", symbol=BTC, leverage=125)
    assert trader.refused_order("BUY", "1.000", "59000.00") == -2027


def test_margin_type_codes_are_the_documented_ones(trader: Trader) -> None:
    def change(kind: str) -> int:
        ask = {"symbol": BTC, "marginType": kind}
        return trader.refused("POST", "v1/marginType", **ask)[0]

    assert change("CROSSED") == -4046
    assert change("SOME") == -1130
    order = trader.order("BUY", "0.010", "59000.00")
    assert change("ISOLATED") == -4047
    trader.cancel(order)
    trader.order("BUY", "0.010")
    assert change("ISOLATED") == -4048
    trader.order("SELL", "0.010")
    trader.ask("POST", "v1/marginType", symbol=BTC, marginType="ISOLATED")
    assert trader.ask("GET", "v2/positionRisk")[0]["marginType"] == "isolated"


def test_position_mode_codes_are_the_documented_ones(trader: Trader) -> None:
    def change(dual: str) -> int:
        return trader.refused("POST", "v1/positionSide/dual", dualSidePosition=dual)[0]

    assert trader.ask("GET", "v1/positionSide/dual") == {"dualSidePosition": False}
    assert change("false") == -4059
    order = trader.order("BUY", "0.010", "59000.00")
    assert change("true") == -4067
    trader.cancel(order)
    trader.order("BUY", "0.010")
    assert change("true") == -4068


def test_hedge_mode_keeps_two_positions_apart(trader: Trader) -> None:
    trader.ask("POST", "v1/positionSide/dual", dualSidePosition="true")
    assert trader.refused_order("BUY", "0.010") == -4061
    long, short = {"positionSide": "LONG"}, {"positionSide": "SHORT"}
    trader.order("BUY", "0.300", **long)
    trader.order("SELL", "0.200", **short)
    rows = trader.ask("GET", "v3/positionRisk", symbol=BTC)
    found = {row["positionSide"]: row["positionAmt"] for row in rows}
    assert found == {"LONG": "0.3", "SHORT": "-0.2"}
    assert trader.refused_order("SELL", "0.400", **long) == -2022
    trader.order("SELL", "0.300", **long)
    rows = trader.ask("GET", "v3/positionRisk", symbol=BTC)
    assert [row["positionAmt"] for row in rows] == ["0", "-0.2"]
    assert trader.refused_order("SELL", "0.010", **long) == -2022
    more = {**short, "reduceOnly": "true"}
    assert trader.refused_order("BUY", "0.010", **more) == -4062


def test_assets_mode_codes_are_the_documented_ones(trader: Trader) -> None:
    def change(wanted: str) -> int:
        ask = {"multiAssetsMargin": wanted}
        return trader.refused("POST", "v1/multiAssetsMargin", **ask)[0]

    assert change("false") == -4171
    order = trader.order("BUY", "0.010", "59000.00")
    assert change("true") == -4170
    trader.cancel(order)
    trader.ask("POST", "v1/marginType", symbol=BTC, marginType="ISOLATED")
    assert change("true") == -4167
    trader.ask("POST", "v1/marginType", symbol=BTC, marginType="CROSSED")
    trader.ask("POST", "v1/multiAssetsMargin", multiAssetsMargin="true")
    assert trader.ask("GET", "v1/multiAssetsMargin") == {"multiAssetsMargin": True}
    ask = {"symbol": BTC, "marginType": "ISOLATED"}
    assert trader.refused("POST", "v1/marginType", **ask)[0] == -4168


def test_commission_rate_is_that_of_the_fills(trader: Trader) -> None:
    rate = trader.ask("GET", "v1/commissionRate", symbol=BTC)
    assert (rate["makerCommissionRate"], rate["takerCommissionRate"]) == (
        "0.0002",
        "0.0005",
    )
    trader.order("BUY", "0.100", "60000.00")
    trader.trade("60000.00", "9.000", "SELL")
    [fill] = trader.ask("GET", "v1/userTrades", symbol=BTC)
    assert (fill["maker"], fill["commission"]) == (True, "1.20000000")


def test_brackets_join_without_a_jump() -> None:
    for bracket in BRACKETS[1:]:
        below, above = (
            maintenance(bracket.floor),
            maintenance(bracket.floor + Decimal("0.00000001")),
        )
        assert Decimal(0) <= above - below < Decimal("0.000001")
    assert largest_notional(125) == 50_000
    assert largest_notional(21) == 3_000_000
    assert largest_notional(1) == BRACKETS[-1].cap


def test_leverage_bracket_numbers_are_numbers(trader: Trader) -> None:
    [row] = trader.ask("GET", "v1/leverageBracket", symbol=BTC)
    first = row["brackets"][0]
    assert (first["initialLeverage"], first["notionalCap"]) == (125, 50_000)
    assert first["maintMarginRatio"] == 0.004
    assert len(trader.ask("GET", "v1/leverageBracket")) == 2


def test_income_holds_every_change_of_the_wallet(trader: Trader) -> None:
    trader.order("BUY", "0.100")
    trader.order("SELL", "0.100")
    rows = trader.ask("GET", "v1/income")
    assert [row["incomeType"] for row in rows] == [
        "TRANSFER",
        "COMMISSION",
        "REALIZED_PNL",
        "COMMISSION",
    ]
    total = sum((Decimal(row["income"]) for row in rows), Decimal(0))
    assert total == trader.wallet
    fees = trader.ask("GET", "v1/income", incomeType="COMMISSION", symbol=BTC)
    assert len(fees) == 2
    assert len(trader.ask("GET", "v1/income", limit=3)) == 3


def test_account_config_and_adl_quantile_are_there(trader: Trader) -> None:
    config = trader.ask("GET", "v1/accountConfig")
    assert (config["canTrade"], config["dualSidePosition"]) == (True, False)
    assert trader.ask("GET", "v1/adlQuantile") == []
    trader.order("BUY", "0.100")
    assert trader.ask("GET", "v1/adlQuantile")[0]["adlQuantile"] == {"BOTH": 0}


@pytest.mark.parametrize(("side", "payment"), [("BUY", -1), ("SELL", 1)])
def test_funding_longs_pay_shorts_at_the_mark(
    trader: Trader, side: str, payment: int
) -> None:
    trader.order(side, "0.100")
    before = trader.wallet
    trader.pass_ms(EIGHT_HOURS_MS)
    assert trader.wallet - before == payment * Decimal("0.60000050")
    [row] = trader.ask("GET", "v1/income", incomeType="FUNDING_FEE")
    assert row["symbol"] == BTC


def test_funding_event_has_the_balance_alone(trader: Trader) -> None:
    trader.pass_ms(EIGHT_HOURS_MS - trader.now_ms % EIGHT_HOURS_MS - 1_000)
    trader.order("SELL", "0.100")
    session = trader.listen()
    trader.pass_ms(1_000)
    [event] = trader.heard(session)
    assert (event["a"]["m"], event["a"]["P"]) == ("FUNDING_FEE", [])
    assert event["a"]["B"][0]["bc"] == "0.6000005"


def leveraged() -> Trader:
    """Long 3.000 BTC at leverage 100 with 10,000."""
    trader = Trader()
    trader.ask("POST", "v1/leverage", symbol=BTC, leverage=100)
    trader.order("BUY", "3.000")
    return trader


def test_margin_call_warns_once_before_liquidation() -> None:
    trader = leveraged()
    session = trader.listen()
    fall_to(trader, "57000.00", "57000.20")
    events = trader.heard(session)
    assert kinds(events) == ["MARGIN_CALL"]
    assert (events[0]["p"][0]["s"], events[0]["p"][0]["mt"]) == (BTC, "CROSSED")
    trader.move(bids=[("57000.00", "49.000")])
    assert trader.heard(session) == []


def test_liquidation_at_the_price_foretold_closes_everything() -> None:
    trader = leveraged()
    order = trader.order("BUY", "0.001", "57500.00")
    session = trader.listen()
    [row] = trader.ask("GET", "v3/positionRisk", symbol=BTC)
    foretold = Decimal(row["liquidationPrice"])
    assert Decimal(56_000) < foretold < Decimal(58_000)
    trader.cancel(order)
    above = (foretold + 1).quantize(Decimal("0.1"))
    fall_to(trader, f"{above}0", f"{above + Decimal('0.2')}0")
    assert trader.position == 3
    below = (foretold - 1).quantize(Decimal("0.1"))
    trader.heard(session)
    trader.move(
        bids=[(f"{above}0", "0"), (f"{below}0", "50.000")],
        asks=[(f"{above + Decimal('0.2')}0", "0"), (f"{below + Decimal('0.2')}0", "9")],
    )
    assert trader.position == 0
    events = trader.heard(session)
    assert kinds(events)[:4] == [
        "NEW:NEW",
        "TRADE_LITE",
        "ACCOUNT_UPDATE",
        "CALCULATED:FILLED",
    ]
    body = events[0]["o"]
    assert (body["o"], body["f"]) == ("LIQUIDATION", "IOC")
    assert body["c"].startswith("autoclose-")
    assert events[-1]["a"]["m"] == "INSURANCE_CLEAR"
    [forced] = trader.ask("GET", "v1/forceOrders", symbol=BTC)
    assert forced["clientOrderId"] == body["c"]
    assert trader.wallet >= 0


def test_liquidation_losses_beyond_the_wallet_are_made_good() -> None:
    trader = leveraged()
    fall_to(trader, "40000.00", "40000.20")
    assert trader.position == 0
    assert trader.wallet == 0
    booked = sum((b.amount for b in trader.venue.trading.ledger.bookings), Decimal(0))
    assert booked == trader.wallet


def test_liquidation_cancels_open_orders_first() -> None:
    trader = leveraged()
    order = trader.order("BUY", "0.001", "30000.00", price="57500.00")
    fall_to(trader, "56000.00", "56000.20")
    assert trader.query(order)["status"] in {"CANCELED", "FILLED"}
