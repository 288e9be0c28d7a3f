"""Whether the API lives, is ready, and what there is to measure."""

from http import HTTPStatus

import msgspec
from fastapi import APIRouter, Request, Response
from fastapi.responses import PlainTextResponse
from prometheus_client import CONTENT_TYPE_LATEST

from api.http.metrics import exposition
from api.http.routes.common import DeskOf, Viewer, as_json
from api.http.schema import answers

router = APIRouter(tags=["health"])


class Live(msgspec.Struct):
    """The API lives."""

    status: str = "alive"


class Ready(msgspec.Struct):
    """Whether the engine could trade now."""

    is_ready: bool
    why: str
    """Why not."""
    age_ms: int | None
    """Since the engine was heard."""


_NOT_READY = answers(
    Ready, HTTPStatus.SERVICE_UNAVAILABLE, description="Not ready; `why` says why"
)


@router.get("/health/live", responses=answers(Live))
async def live() -> Response:
    """The API answers. Open to everybody."""
    return as_json(Live())


@router.get("/health/ready", responses={**answers(Ready), **_NOT_READY})
def ready(_caller: Viewer, desk: DeskOf) -> Response:
    """Whether an engine runs and its data is fresh: 200, else 503 with the reason."""
    engine, age_ms = desk.link.engine, desk.link.age_ms
    why = ""
    if engine is None:
        why = desk.supervisor.standing.problem or "no engine is running"
    elif engine["killed"] is not None:
        why = f"killed: {engine['killed']['reason']}"
    elif not any(book["state"] == "SYNCED" for book in engine["books"].values()):
        why = "no book is SYNCED"
    status = HTTPStatus.SERVICE_UNAVAILABLE if why else HTTPStatus.OK
    return as_json(Ready(not why, why, age_ms), status)


@router.get("/openapi.json")
def openapi(_caller: Viewer, request: Request) -> Response:
    """This description."""
    return as_json(request.app.openapi())


@router.get(
    "/metrics",
    response_class=PlainTextResponse,
    responses={200: {"content": {CONTENT_TYPE_LATEST: {"schema": {"type": "string"}}}}},
)
def metrics(_caller: Viewer, desk: DeskOf) -> Response:
    """The engine's figures for Prometheus."""
    return Response(exposition(desk), media_type=CONTENT_TYPE_LATEST)
