"""A client that nobody here wrote keeps a true book against the exchange.

It is pointed at the exchange by its own configuration, and
everything else (start, subscription, snapshot, bridging, book) is its own code.
"""

import asyncio
from decimal import Decimal
from typing import Any

import pytest

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
    client = pro.binanceusdm(
        {"enableRateLimit": False, "options": {"fetchMarkets": {"types": ["linear"]}}}
    )
    api = client.urls["api"]
    for name in [name for name in api if name.startswith("fapi")]:
        host = f"http://127.0.0.1:{port}"
        api[name] = api[name].replace("https://fapi.binance.com", host)
    api["ws"]["linear"] = f"ws://127.0.0.1:{port}/ws"
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
