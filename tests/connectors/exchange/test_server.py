"""The exchange over real sockets: what only a transport can show."""

import asyncio
import hashlib
import hmac
import json
import os
import signal
import subprocess
import sys
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from decimal import Decimal
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import aiohttp
import pytest
import websockets
from yarl import URL

from connectors.exchange.server import ExchangeServer, WallClock
from connectors.exchange.synthetic_tape import SyntheticTape
from connectors.exchange.trading.signature import DEFAULT_KEY, DEFAULT_SECRET
from connectors.exchange.venue import Venue
from flows.domain.errors import ConfigurationError
from flows.domain.units import NS_PER_MS
from tests.connectors.exchange.exchange_samples import BTC, DEPTH, ETH

ROOT = Path(__file__).resolve().parents[3]
PATIENCE_S = 20


@asynccontextmanager
async def serving(
    clock: Callable[[], int] = WallClock(),  # noqa: B008 - it has no state to share
) -> AsyncIterator[int]:
    """A synthetic exchange on a free port; the port."""
    start_ns = clock()
    tape = SyntheticTape([BTC, ETH], start_ns=start_ns, seed=7)
    server = ExchangeServer(Venue(tape, start_ns=start_ns), clock)
    port = await server.start(0)
    try:
        yield port
    finally:
        await server.stop()


async def call(
    port: int, path: str, method: str = "GET", **options: Any
) -> tuple[int, Any, dict[str, str]]:
    async with aiohttp.ClientSession() as http:
        url = f"http://127.0.0.1:{port}{path}"
        async with http.request(method, url, **options) as reply:
            text = await reply.text()
            is_json = text.startswith(("{", "["))
            body = json.loads(text) if is_json else text
            return reply.status, body, dict(reply.headers)


async def fault(port: int, kind: str, **parameters: Any) -> None:
    order = {"kind": kind, **parameters}
    status, _, _ = await call(port, "/admin/faults", "POST", json=order)
    assert status == 200


async def drain(socket: websockets.ClientConnection) -> None:
    """Read until the connection has ended."""
    while True:
        await socket.recv()


def run(main: Any) -> Any:
    return asyncio.run(asyncio.wait_for(main, PATIENCE_S))


def test_server_book_over_sockets_equals_true_book() -> None:
    async def main() -> tuple[Any, Any]:
        async with serving() as port:
            url = f"ws://127.0.0.1:{port}/public/ws/{DEPTH}"
            async with websockets.connect(url) as socket:
                frames = [json.loads(await socket.recv()) for _ in range(2)]
                path = f"/fapi/v1/depth?symbol={BTC}&limit=1000"
                _, book, _ = await call(port, path)
                while frames[-1]["u"] < book["lastUpdateId"] or len(frames) < 10:
                    frames.append(json.loads(await socket.recv()))
                at = frames[-1]["u"]
                path = f"/admin/book?symbol={BTC}&update_id={at}&limit=50"
                _, true, _ = await call(port, path)
                return rebuilt(book, frames), true

    mine, true = run(main())
    for side in ("bids", "asks"):
        expected = [(Decimal(p), Decimal(q)) for p, q in true[side]]
        assert mine[side] == expected


def rebuilt(book: Any, frames: list[Any]) -> dict[str, list[tuple[Decimal, Decimal]]]:
    """The best 50 levels after `frames`, put together the obvious way."""
    sides = {}
    for side, key in (("bids", "b"), ("asks", "a")):
        levels = {Decimal(p): Decimal(q) for p, q in book[side]}
        for frame in frames:
            if frame["u"] >= book["lastUpdateId"]:
                levels |= {Decimal(p): Decimal(q) for p, q in frame[key]}
        present = [(p, q) for p, q in levels.items() if q]
        sides[side] = sorted(present, reverse=side == "bids")[:50]
    return sides


def test_server_request_is_answered_where_the_market_never_catches_up() -> None:
    now_ns = 0

    def clock() -> int:
        nonlocal now_ns
        now_ns += 500 * NS_PER_MS  # each look: five times what the market advances
        return now_ns

    async def main() -> list[int]:
        async with serving(clock) as port:
            replies = [await call(port, "/fapi/v1/time") for _ in range(2)]
            return [told["serverTime"] for _, told, _ in replies]

    first_ms, second_ms = run(main())
    assert 0 < second_ms - first_ms < 30_000, "not a wait of 600 steps"


def test_server_control_messages_and_pings_are_answered() -> None:
    async def main() -> Any:
        async with serving() as port:
            url = f"ws://127.0.0.1:{port}/market/stream"
            async with websockets.connect(url) as socket:
                order = {"method": "SUBSCRIBE", "params": ["btcusdt@markPrice@1s"]}
                await socket.send(json.dumps({**order, "id": "an-uuid"}))
                answer, frame = await socket.recv(), await socket.recv()
                await (await socket.ping(b"mine"))
                return json.loads(answer), json.loads(frame)

    answer, frame = run(main())
    assert answer == {"result": None, "id": "an-uuid"}
    assert frame["data"]["e"] == "markPriceUpdate"


def test_server_eleventh_message_closes_1008() -> None:
    async def main() -> websockets.ConnectionClosed:
        async with serving() as port:
            url = f"ws://127.0.0.1:{port}/public/ws"
            async with websockets.connect(url) as socket:
                for _ in range(11):
                    await socket.send('{"method":"LIST_SUBSCRIPTIONS","id":1}')
                with pytest.raises(websockets.ConnectionClosed) as caught:
                    await drain(socket)
                return caught.value

    closed = run(main())
    assert closed.rcvd is not None
    assert (closed.rcvd.code, closed.rcvd.reason) == (1008, "Too many requests")


@pytest.mark.parametrize(
    ("kind", "code"), [("cut", None), ("day_cut", 1001), ("server_shutdown", 1001)]
)
def test_server_connection_faults_reach_the_socket(kind: str, code: int | None) -> None:
    async def main() -> websockets.ConnectionClosed:
        async with serving() as port:
            url = f"ws://127.0.0.1:{port}/public/ws/{DEPTH}"
            async with websockets.connect(url) as socket:
                await socket.recv()
                await fault(port, kind)
                with pytest.raises(websockets.ConnectionClosed) as caught:
                    await drain(socket)
                return caught.value

    closed = run(main())
    assert (closed.rcvd.code if closed.rcvd else None) == code


def test_server_refused_and_unknown_handshakes_have_a_status() -> None:
    async def main() -> list[int]:
        async with serving() as port:
            await fault(port, "refused_connection", count=1)
            found = []
            for path in ("/public/ws", "/nowhere"):
                with pytest.raises(websockets.InvalidStatus) as caught:
                    await websockets.connect(f"ws://127.0.0.1:{port}{path}")
                found.append(caught.value.response.status_code)
            return found

    assert run(main()) == [503, 404]


def test_server_rest_faults_carry_status_and_headers() -> None:
    async def main() -> tuple[Any, Any]:
        async with serving() as port:
            ok = await call(port, "/fapi/v1/time")
            await fault(port, "rate_limit", for_ms=60_000, retry_after_s=7)
            return ok, await call(port, "/fapi/v1/time")

    (status, body, headers), limited = run(main())
    assert status == 200
    assert set(body) == {"serverTime"}
    assert headers["X-MBX-USED-WEIGHT-1M"] == "1"
    assert (limited[0], limited[2]["Retry-After"]) == (429, "7")


@pytest.mark.parametrize(
    ("path", "headers"),
    [
        ("/fapi/v1/time", {"Host": "evil.example"}),
        ("/admin/state", {"Host": "evil.example"}),
        ("/admin/state", {"Origin": "http://evil.example"}),
    ],
)
def test_server_foreign_host_or_page_is_refused(
    path: str, headers: dict[str, str]
) -> None:
    async def main() -> int:
        async with serving() as port:
            status, _, _ = await call(port, path, headers=headers)
            return status

    assert run(main()) == 403


def test_server_port_taken_says_so() -> None:
    async def main() -> str:
        async with serving() as port:
            venue = Venue(SyntheticTape([BTC], start_ns=0), start_ns=0)
            with pytest.raises(ConfigurationError) as caught:
                await ExchangeServer(venue, lambda: 0).start(port)
            return str(caught.value)

    assert "cannot be listened on" in run(main())


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_command_signal_with_clients_stops_clean(number: signal.Signals) -> None:
    command = [sys.executable, "-m", "api.cli.exchange", "--port", "0"]
    with subprocess.Popen(
        command,
        cwd=ROOT,
        stdout=subprocess.PIPE,
        text=True,
        env={**os.environ, "PYTHONUNBUFFERED": "1"},
    ) as process:
        assert process.stdout is not None
        first = process.stdout.readline()
        port = int(first.split(":")[3].split()[0])

        async def main() -> int:
            url = f"ws://127.0.0.1:{port}/public/ws/{DEPTH}"
            async with websockets.connect(url) as socket:
                await socket.recv()
                process.send_signal(number)
                with pytest.raises(websockets.ConnectionClosed) as caught:
                    await drain(socket)
                assert caught.value.rcvd is not None
                return caught.value.rcvd.code

        assert run(main()) == 1001
        rest = process.stdout.read()
    assert process.returncode == 0
    assert rest.endswith("exchange: stopped\n")


def signature_of(payload: str) -> str:
    key, message = DEFAULT_SECRET.encode(), payload.encode()
    return hmac.new(key, message, hashlib.sha256).hexdigest()


def signed(**params: object) -> str:
    """A signed query or body, as a client writes it."""
    stamped = {**params, "timestamp": WallClock()() // 1_000_000}
    payload = urlencode(stamped)
    return f"{payload}&signature={signature_of(payload)}"


def signed_apart(**params: object) -> tuple[str, str]:
    """A query, and a body with the time and the signature of both."""
    query, body = urlencode(params), f"timestamp={WallClock()() // 1_000_000}"
    return query, f"{body}&signature={signature_of(query + body)}"


KEY_HEADER = {"X-MBX-APIKEY": DEFAULT_KEY}
PURCHASE = {"symbol": BTC, "side": "BUY", "type": "MARKET", "quantity": "0.010"}
FORM = {"Content-Type": "application/x-www-form-urlencoded"}


@pytest.mark.parametrize("place", ["query", "body", "both"])
def test_server_signed_parameters_wherever_they_stand(place: str) -> None:
    query, body = {
        "query": (signed(**PURCHASE), ""),
        "body": ("", signed(**PURCHASE)),
        "both": signed_apart(**PURCHASE),
    }[place]

    async def main() -> tuple[int, Any, dict[str, str]]:
        async with serving() as port:
            path = f"/fapi/v1/order?{query}" if query else "/fapi/v1/order"
            headers = KEY_HEADER | FORM
            url = URL(f"http://127.0.0.1:{port}{path}", encoded=True)
            async with (
                aiohttp.ClientSession() as http,
                http.post(url, data=body or None, headers=headers) as reply,
            ):
                return reply.status, await reply.json(), dict(reply.headers)

    status, order, headers = run(main())
    assert (status, order["status"]) == (200, "NEW")
    assert headers["X-MBX-ORDER-COUNT-10S"] == "1"


def test_server_signature_that_is_not_last_is_refused() -> None:
    payload, _, signature = signed(**PURCHASE).rpartition("&")
    path = f"/fapi/v1/order?{signature}&{payload}"

    async def main() -> tuple[int, Any, dict[str, str]]:
        async with serving() as port:
            return await call(port, path, "POST", headers=KEY_HEADER)

    status, refusal, _ = run(main())
    assert (status, refusal["code"]) == (400, -1022)


def test_server_ack_lost_order_is_filled_all_the_same() -> None:
    async def main() -> Any:
        async with serving() as port:
            await fault(port, "lost_ack")
            path = f"/fapi/v1/order?{signed(**PURCHASE)}"
            with pytest.raises(aiohttp.ClientError):
                await call(port, path, "POST", headers=KEY_HEADER)
            _, account, _ = await call(port, "/admin/account")
            return account

    account = run(main())
    [order] = account["orders"]
    assert (order["status"], order["executedQty"]) == ("FILLED", "0.010")
    assert account["positions"][0]["positionAmt"] == "0.01"
    assert [booking["kind"] for booking in account["bookings"]] == [
        "TRANSFER",
        "COMMISSION",
    ]


def test_server_user_stream_and_api_over_sockets() -> None:
    async def main() -> tuple[Any, list[str]]:
        async with serving() as port:
            _, key, _ = await call(
                port, "/fapi/v1/listenKey", "POST", headers=KEY_HEADER
            )
            base = f"ws://127.0.0.1:{port}"
            path = f"{base}/private/ws/{key['listenKey']}"
            async with (
                websockets.connect(path) as stream,
                websockets.connect(f"{base}/ws-fapi/v1") as api,
            ):
                now_ms = WallClock()() // 1_000_000
                params = {**PURCHASE, "apiKey": DEFAULT_KEY, "timestamp": now_ms}
                named = sorted(params.items())
                payload = "&".join(f"{k}={v}" for k, v in named)
                params["signature"] = signature_of(payload)
                message = {"id": 1, "method": "order.place", "params": params}
                await api.send(json.dumps(message))
                reply = json.loads(await api.recv())
                events = [json.loads(await stream.recv())["e"] for _ in range(4)]
                return reply, events

    reply, events = run(main())
    assert (reply["id"], reply["status"]) == (1, 200)
    assert events == [
        "ORDER_TRADE_UPDATE",
        "TRADE_LITE",
        "ACCOUNT_UPDATE",
        "ORDER_TRADE_UPDATE",
    ]
