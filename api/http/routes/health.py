"""Whether the API lives, is ready, and what there is to measure."""

from http import HTTPStatus

from fastapi import APIRouter, Response
from prometheus_client import CONTENT_TYPE_LATEST

from api.http.metrics import exposition
from api.http.routes.common import DeskOf, Viewer, as_json

router = APIRouter(tags=["health"])


@router.get("/health/live")
def live() -> Response:
    """The API answers. Open to everybody."""
    return as_json({"status": "alive"})


@router.get("/health/ready")
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
    return as_json({"is_ready": not why, "why": why, "age_ms": age_ms}, status)


@router.get("/metrics")
def metrics(_caller: Viewer, desk: DeskOf) -> Response:
    """The engine's figures for Prometheus."""
    return Response(exposition(desk), media_type=CONTENT_TYPE_LATEST)
