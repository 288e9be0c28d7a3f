"""What routes ask for: the desk, a viewer, an operator."""

from typing import Annotated

import msgspec
from fastapi import Depends, Query, Response
from starlette.requests import HTTPConnection

from api.http.credentials import Caller
from api.http.desk import Desk

_JSON = "application/json"


async def _desk(asking: HTTPConnection) -> Desk:
    desk: Desk = asking.app.state.desk
    return desk


DeskOf = Annotated[Desk, Depends(_desk)]


async def _viewer(asking: HTTPConnection, desk: DeskOf) -> Caller:
    return desk.caller(asking)


async def _operator(asking: HTTPConnection, desk: DeskOf) -> Caller:
    return desk.operator(asking)


Viewer = Annotated[Caller, Depends(_viewer)]
Operator = Annotated[Caller, Depends(_operator)]
Symbol = Annotated[
    str,
    Query(
        pattern="^[A-Z0-9_]{0,40}$",
        description="Of this instrument only; empty: of all",
        examples=["BTCUSDT"],
    ),
]


def as_json(content: object, status: int = 200) -> Response:
    """Something of ours as a response."""
    return Response(msgspec.json.encode(content), status, media_type=_JSON)
