"""Scans: what instruments' markets cost, before anything is traded on them."""

from http import HTTPStatus
from typing import Annotated, Literal

from fastapi import APIRouter, Query, Response
from pydantic import BaseModel, ConfigDict, Field

from api.http.problem import Refusal
from api.http.routes.common import DeskOf, Operator, Viewer, as_json
from api.http.scans import ScanAsked, ScanTold
from api.http.schema import answers
from flows.domain.suitability import Scanned

router = APIRouter(prefix="/scanner", tags=["scanner"])

Symbol = Annotated[str, Field(pattern="^[A-Z0-9_]{1,40}$")]
ScanId = Annotated[str, Query(pattern="^[0-9]{8}-[0-9]{6}$")]


class ScanOrder(BaseModel):
    """What to scan: exchange, fees and order size are those of the engine."""

    model_config = ConfigDict(
        extra="forbid",
        json_schema_extra={
            "examples": [{"symbols": ["BTCUSDT", "ETHUSDT"], "duration_s": 900}]
        },
    )
    symbols: Annotated[tuple[Symbol, ...], Field(max_length=50)] = ()
    """None for those of the engine; recorded, for all that were recorded."""
    source: Literal["live", "recorded"] = "live"
    duration_s: Annotated[int, Field(ge=1, le=86_400)] = 600
    """Of a live scan."""


@router.post(
    "/start",
    status_code=HTTPStatus.ACCEPTED,
    responses=answers(ScanTold, HTTPStatus.ACCEPTED),
)
def start(caller: Operator, desk: DeskOf, order: ScanOrder) -> Response:
    """Start a scan; one at a time."""
    asked = ScanAsked(order.symbols, order.source, order.duration_s)
    with desk.audit.around("scan", caller, ",".join(order.symbols)) as outcome:
        told = desk.scans.start(asked, desk.supervisor.plan.arguments)
        outcome.append(told.scan_id)
    return as_json(told, HTTPStatus.ACCEPTED)


@router.post("/stop", status_code=HTTPStatus.ACCEPTED)
def stop(caller: Operator, desk: DeskOf) -> Response:
    """End the running scan; a live one keeps what it has seen."""
    with desk.audit.around("scan_stop", caller, ""):
        desk.scans.stop()
    return as_json({"is_stopping": True}, HTTPStatus.ACCEPTED)


@router.get("/status", responses=answers(ScanTold | None))
def status(_caller: Viewer, desk: DeskOf) -> Response:
    """The scan that was started last; null where there was none."""
    return as_json(desk.scans.newest())


@router.get("/scans", responses=answers(list[ScanTold]))
def scans(
    _caller: Viewer, desk: DeskOf, limit: Annotated[int, Query(ge=1, le=1_000)] = 100
) -> Response:
    """Scans that were started here, newest first."""
    return as_json(desk.scans.all(limit))


@router.get("/results", responses=answers(list[Scanned]))
def results(_caller: Viewer, desk: DeskOf, scan_id: ScanId | None = None) -> Response:
    """What a scan has found, by symbol; by default the newest. Empty while it runs."""
    if scan_id is None:
        newest = desk.scans.newest()
        if newest is None:
            raise Refusal(HTTPStatus.NOT_FOUND, "No scan was started here yet")
        scan_id = newest.scan_id
    return as_json(desk.scans.results(scan_id))
