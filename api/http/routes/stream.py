"""The engine's state as it changes, for whoever keeps listening."""

import asyncio
from contextlib import suppress

from fastapi import APIRouter, WebSocket

from api.http.credentials import Caller
from api.http.desk import Desk
from api.http.problem import Refusal
from api.http.routes.common import DeskOf

STREAM_EVERY_S = 0.1
"""A client is told at most so often, and then the newest state."""
ALIVE_EVERY_S = 1.0
"""And at least so often, if only that nothing has changed."""
_STALLED_S = 10.0
_REFUSED_CLOSE = 1008
_TRY_AGAIN_CLOSE = 1013

router = APIRouter(prefix="/engine")


@router.websocket("/stream")
async def stream(socket: WebSocket, desk: DeskOf) -> None:
    """The state as it changes: a snapshot, then merge patches (RFC 7386).

    `{"type": "snapshot", "sequence": 1, "state": ...}`, then
    `{"type": "delta", "sequence": 2, "patch": ...}`. A slow reader misses states in
    between, and always gets the newest; an empty patch says that nothing has changed.
    """
    try:
        caller = desk.caller(socket)
    except Refusal as refusal:
        await socket.close(_REFUSED_CLOSE, refusal.detail)
        return
    await socket.accept()
    telling = asyncio.create_task(_tell(socket, desk, caller))
    try:
        while (await socket.receive())["type"] != "websocket.disconnect":
            pass  # whatever a client says: it is there
    finally:
        telling.cancel()
        await asyncio.gather(telling, return_exceptions=True)


async def _tell(socket: WebSocket, desk: Desk, caller: Caller) -> None:
    """Send the state as it changes, until the client is gone or reads no more.

    Who has logged out is told nothing more.
    """
    link, telling = desk.link, desk.telling
    told = telling.first(await link.news(-1))
    while not desk.is_over(caller):
        try:
            async with asyncio.timeout(_STALLED_S):
                await socket.send_text(told.message)
        except TimeoutError:
            await socket.close(_TRY_AGAIN_CLOSE, "read too slowly")
            return
        await asyncio.sleep(STREAM_EVERY_S)
        with suppress(TimeoutError):
            async with asyncio.timeout(ALIVE_EVERY_S):
                await link.news(told.version)
        told = telling.next(link.version, told)
    await socket.close(_REFUSED_CLOSE, "the session is over")
