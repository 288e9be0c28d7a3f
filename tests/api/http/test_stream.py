"""Many readers of the stream, of whom some never read."""

import asyncio
import json
import time
from collections.abc import Iterator
from contextlib import suppress
from socket import SO_RCVBUF, SOL_SOCKET

import pytest
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed

from api.http.link import Json
from api.http.telling import Telling
from api.http.websocket import STALLED_S
from tests.api.http.samples import merged
from tests.dashboards.desk import Desk, desk_in, resident_mib
from tests.flows.engine_process import PATIENCE_S, rows_of, wait_for

READERS, NEVER = 180, 20
READ_S = 4
MOST_BEHIND = 60
"""Messages that may wait for a reader: in its library's queue and in two kernels."""
MOST_GROWTH_MIB = 150


@pytest.fixture(scope="module")
def desk(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Desk]:
    data = tmp_path_factory.mktemp("stream") / "data"
    with desk_in(data, "BTCUSDT,ETHUSDT") as desk:
        yield desk


class Reader:
    """A client that keeps what it is told, and reads until it knows a moment."""

    def __init__(self) -> None:
        self.state: Json = {}
        self.sequence = 0
        self.until_ns: int | None = None
        self.behind = 0
        """Messages read since the moment was named."""

    async def read(self, socket: ClientConnection) -> None:
        while self.until_ns is None or self.state["engine"]["now_ns"] < self.until_ns:
            told = json.loads(await socket.recv())
            assert told["sequence"] == self.sequence + 1
            self.sequence += 1
            self.behind += self.until_ns is not None
            first = told["type"] == "snapshot"
            self.state = told["state"] if first else merged(self.state, told["patch"])


async def read_all(desk: Desk) -> list[Reader]:
    """What 180 are told beside 20 that never read, until they know the present."""
    url = desk.url.replace("http", "ws") + "/engine/stream"
    headers = {"Authorization": f"Bearer {desk.tokens['viewer']}"}
    readers = [Reader() for _ in range(READERS)]
    idle = [
        await connect(url, additional_headers=headers, max_queue=1)
        for _ in range(NEVER)
    ]
    sockets = [await connect(url, additional_headers=headers) for _ in readers]
    tasks = [
        asyncio.create_task(reader.read(socket))
        for reader, socket in zip(readers, sockets, strict=True)
    ]
    await asyncio.sleep(READ_S)
    now = (await asyncio.to_thread(lambda: desk.engine) or {})["now_ns"]
    for reader in readers:
        reader.until_ns = now
    async with asyncio.timeout(PATIENCE_S):
        await asyncio.gather(*tasks)
    for socket in (*sockets, *idle):
        socket.transport.abort()
    return readers


def test_stream_two_hundred_readers_are_told_the_newest_in_bounded_memory(
    desk: Desk,
) -> None:
    before_mib = resident_mib(desk.up.process.pid)
    [engine] = desk.pids_of(b"trade")
    readers = asyncio.run(read_all(desk))
    grown_mib = resident_mib(desk.up.process.pid) - before_mib
    assert grown_mib < MOST_GROWTH_MIB
    told = [reader.state["engine"]["now_ns"] for reader in readers]
    assert all(reader.sequence > reader.behind for reader in readers)
    assert max(reader.behind for reader in readers) < MOST_BEHIND
    assert desk.pids_of(b"trade") == [engine]
    now = desk.engine
    assert now is not None
    assert all(book["gaps"] == 0 for book in now["books"].values())
    wait_for(lambda: rows_of(desk.data)[-1].received_ns > max(told))


async def await_hang_up(desk: Desk) -> None:
    """Read nothing until the other end has had enough, then what is left."""
    url = desk.url.replace("http", "ws") + "/engine/stream"
    headers = {"Authorization": f"Bearer {desk.tokens['viewer']}"}
    async with connect(url, additional_headers=headers, max_queue=1) as socket:
        raw = socket.transport.get_extra_info("socket")
        raw.setsockopt(SOL_SOCKET, SO_RCVBUF, 4_096)
        await asyncio.sleep(STALLED_S + 8)
        with suppress(ConnectionClosed):
            while True:
                await asyncio.wait_for(socket.recv(), 5)


def test_stream_who_does_not_read_is_hung_up_on(desk: Desk) -> None:
    begun = time.monotonic()
    asyncio.run(await_hang_up(desk))
    assert time.monotonic() - begun > STALLED_S


def test_telling_is_encoded_once_for_all_who_were_told_the_same() -> None:
    states: list[Json] = [{"a": 1, "b": {"c": 2}}, {"a": 1, "b": {"c": 3}}, {"a": 4}]
    asked: list[int] = []

    def state_now() -> Json:
        asked.append(0)
        return states[len(asked) - 1]

    telling = Telling(state_now)
    one, two = telling.first(7), telling.first(7)
    assert one == two
    assert json.loads(one.message) == {
        "type": "snapshot",
        "sequence": 1,
        "state": states[0],
    }
    one = telling.next(8, one)
    assert json.loads(one.message)["patch"] == {"b": {"c": 3}}
    late, one = telling.next(9, two), telling.next(9, one)
    assert json.loads(late.message)["patch"] == {"a": 4, "b": None}
    assert (late.sequence, one.sequence) == (2, 3)
    assert late.state == one.state == states[2]
    assert len(asked) == 3
