"""Sockets that go where they were told to, and nowhere else."""

import asyncio
from http import HTTPStatus

import pytest
from websockets.asyncio.server import ServerConnection, serve
from websockets.exceptions import InvalidStatus
from websockets.http11 import Request, Response

from connectors.binance.transport import StraightConnect


async def _redirected() -> None:
    async def echo(connection: ServerConnection) -> None:
        await connection.send("here")

    async with serve(echo, "127.0.0.1", 0) as other:
        port = next(iter(other.sockets)).getsockname()[1]

        def redirect(connection: ServerConnection, _request: Request) -> Response:
            response = connection.respond(HTTPStatus.FOUND, "")
            response.headers["Location"] = f"ws://127.0.0.1:{port}/"
            return response

        async with serve(echo, "127.0.0.1", 0, process_request=redirect) as first:
            port_of_first = next(iter(first.sockets)).getsockname()[1]
            async with StraightConnect(f"ws://127.0.0.1:{port_of_first}/"):
                pass


def test_straight_connect_redirect_is_a_failure() -> None:
    with pytest.raises(InvalidStatus, match="302"):
        asyncio.run(_redirected())
