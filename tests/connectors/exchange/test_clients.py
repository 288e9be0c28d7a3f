"""A client that nobody here wrote keeps a true book, and trades on the exchange.

It is pointed at the exchange by its own configuration, and
everything else (start, subscription, snapshot, bridging, book) is its own code.
"""

import asyncio
from decimal import Decimal
from typing import Any

import pytest

from connectors.exchange.trading.signature import DEFAULT_KEY, DEFAULT_SECRET
from tests.connectors.exchange.exchange_samples import BTC
from tests.connectors.exchange.test_server import call, fault, serving

pro = pytest.importorskip(
    "ccxt.pro", reason="needs the client ccxt, a development dependency"
)

SYMBOL = "BTC/USDT:USDT"
PATIENCE_S = 60
Levels = list[tuple[Decimal, Decimal]]


def pointed_at(port: int) -> Any:
    """ccxt's USD-M futures client, configured to meet the exchange on loopback."""
    options = {"fetchMarkets": {"types": ["linear"]}, "fetchCurrencies": False}
    client = pro.binanceusdm(
        {
            "enableRateLimit": False,
            "apiKey": DEFAULT_KEY,
            "secret": DEFAULT_SECRET,
            "options": options,
        }
    )
    client.has["fetchCurrencies"] = False
    api = client.urls["api"]
    for name in [name for name in api if name.startswith("fapi")]:
        host = f"http://127.0.0.1:{port}"
        api[name] = api[name].replace("https://fapi.binance.com", host)
    api["ws"]["linear"] = api["ws"]["future"] = f"ws://127.0.0.1:{port}/ws"
    api["ws"]["ws-api"]["linear"] = f"ws://127.0.0.1:{port}/ws-fapi/v1"
    return client


def exact(levels: Any, limit: int) -> Levels:
    """The best levels as decimals; floats give back the text they were read from."""
    return [(Decimal(str(p)), Decimal(str(q))) for p, q in levels[:limit]]


async def compared(port: int, book: Any) -> bool:
    """Whether the client's top 20 is the exchange's at the same update id."""
    path = f"/admin/book?symbol={BTC}&update_id={book['nonce']}&limit=20"
    mine = [exact(book[side], 20) for side in ("bids", "asks")]  # before it moves on
    _, true, _ = await call(port, path)
    return mine == [exact(true[side], 20) for side in ("bids", "asks")]


async def follow(client: Any) -> None:
    """Watch until the client gives up."""
    while True:
        await client.watch_order_book(SYMBOL)


def run(main: Any) -> Any:
    return asyncio.run(asyncio.wait_for(main, PATIENCE_S))


def test_ccxt_unchanged_keeps_a_true_book() -> None:
    async def main() -> list[bool]:
        async with serving() as port:
            client = pointed_at(port)
            try:
                found = []
                for _ in range(40):
                    book = await client.watch_order_book(SYMBOL)
                    found.append(await compared(port, book))
                return found
            finally:
                await client.close()

    assert run(main()) == [True] * 40


def test_ccxt_connection_cut_comes_back_to_a_true_book() -> None:
    async def main() -> bool:
        async with serving() as port:
            client = pointed_at(port)
            try:
                await client.watch_order_book(SYMBOL)
                await fault(port, "cut")
                with pytest.raises(pro.NetworkError):
                    await follow(client)
                for _ in range(10):
                    book = await client.watch_order_book(SYMBOL)
                return await compared(port, book)
            finally:
                await client.close()

    assert run(main())


def test_ccxt_rest_calls_find_what_they_need() -> None:
    async def main() -> tuple[Any, Any, Any]:
        async with serving() as port:
            client = pointed_at(port)
            try:
                markets = await client.load_markets()
                book = await client.fetch_order_book(SYMBOL, 5)
                return markets[SYMBOL], book, await client.fetch_funding_rate(SYMBOL)
            finally:
                await client.close()

    market, book, funding = run(main())
    assert (market["id"], market["precision"]["price"]) == (BTC, 0.1)
    assert market["limits"]["cost"]["min"] == 50
    assert [len(book["bids"]), len(book["asks"])] == [5, 5]
    assert funding["fundingRate"] == 0.0001


async def price_of(client: Any, factor: str) -> float:
    """A price so far from the last one, on the grid."""
    last = (await client.fetch_ticker(SYMBOL))["last"]
    return float(
        client.price_to_precision(SYMBOL, float(Decimal(str(last)) * Decimal(factor)))
    )


def test_ccxt_trades_by_rest_as_on_the_exchange() -> None:
    async def main() -> dict[str, Any]:
        async with serving() as port:
            client = pointed_at(port)
            try:
                await client.load_markets()
                low = await price_of(client, "0.98")
                far = await price_of(client, "1.5")
                found = {
                    "bought": await client.create_order(SYMBOL, "market", "buy", 0.01)
                }
                resting = await client.create_order(SYMBOL, "limit", "buy", 0.02, low)
                found["open"] = await client.fetch_open_orders(SYMBOL)
                found["amended"] = await client.edit_order(
                    resting["id"], SYMBOL, "limit", "buy", 0.03, low
                )
                found["cancelled"] = await client.cancel_order(resting["id"], SYMBOL)
                items = [(low, "open"), (far, "refused")]
                found["batch"] = await client.create_orders(
                    [
                        {
                            "symbol": SYMBOL,
                            "type": "limit",
                            "side": "buy",
                            "amount": 0.01,
                            "price": price,
                        }
                        for price, _ in items
                    ]
                )
                await client.cancel_all_orders(SYMBOL)
                found["left"] = await client.fetch_open_orders(SYMBOL)
                found["positions"] = await client.fetch_positions([SYMBOL])
                found["balance"] = await client.fetch_balance()
                found["trades"] = await client.fetch_my_trades(SYMBOL)
                return found
            finally:
                await client.close()

    found = run(main())
    assert (found["bought"]["status"], found["bought"]["filled"]) == ("closed", 0.01)
    assert [order["amount"] for order in found["open"]] == [0.02]
    assert found["amended"]["amount"] == 0.03
    assert found["cancelled"]["status"] == "canceled"
    assert sorted(order["status"] for order in found["batch"]) == ["open", "rejected"]
    assert found["left"] == []
    [position] = found["positions"]
    assert (position["side"], position["contracts"]) == ("long", 0.01)
    assert found["trades"][0]["fee"]["cost"] > 0
    assert found["balance"]["USDT"]["total"] < 10_000


def test_ccxt_hears_its_orders_and_trades_by_name() -> None:
    async def main() -> tuple[list[Any], list[Any], Any]:
        async with serving() as port:
            client = pointed_at(port)
            try:
                await client.load_markets()
                orders = asyncio.create_task(client.watch_orders())
                trades = asyncio.create_task(client.watch_my_trades())
                while not (orders.done() and trades.done()):
                    await client.create_order_ws(SYMBOL, "market", "buy", 0.01)
                balance = await client.fetch_balance_ws({"type": "future"})
                return await orders, await trades, balance
            finally:
                await client.close()

    orders, trades, balance = run(main())
    assert {order["symbol"] for order in orders} == {SYMBOL}
    assert 0 < trades[0]["amount"] <= 0.01  # a market order may fill in parts
    assert balance["USDT"]["used"] > 0


def test_ccxt_conditional_orders_go_to_the_algo_service() -> None:
    async def main() -> tuple[Any, Any, Any]:
        async with serving() as port:
            client = pointed_at(port)
            try:
                await client.load_markets()
                await client.create_order(SYMBOL, "market", "buy", 0.01)
                trigger = await price_of(client, "0.9")
                guard = {"stopLossPrice": trigger, "reduceOnly": True}
                stop = await client.create_order(
                    SYMBOL, "market", "sell", 0.01, None, guard
                )
                waiting = await client.fetch_open_orders(
                    SYMBOL, params={"trigger": True}
                )
                gone = await client.cancel_order(stop["id"], SYMBOL, {"trigger": True})
                return stop, waiting, gone
            finally:
                await client.close()

    stop, waiting, gone = run(main())
    assert stop["status"] == "open"
    assert [order["id"] for order in waiting] == [stop["id"]]
    assert gone["info"]["msg"] == "success"
