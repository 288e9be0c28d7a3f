"""The engine: control, state, and its stream."""

import asyncio
from http import HTTPStatus
from typing import Annotated

import msgspec
from fastapi import APIRouter, Query, Response
from pydantic import BaseModel, ConfigDict, Field

from api.http.credentials import Caller
from api.http.desk import Desk, StatusTold
from api.http.journal import newest
from api.http.kill import KillProgress
from api.http.link import Json
from api.http.problem import Refusal
from api.http.routes.common import DeskOf, Operator, Symbol, Viewer, as_json
from api.http.schema import answers
from api.http.supervisor import Standing
from connectors.control.protocol import Handled
from flows.domain.errors import EngineSilent, NoEngine
from flows.domain.event import Verb
from flows.telemetry import (
    BookTold,
    KillTold,
    LimitTold,
    OrderTold,
    PositionTold,
)

router = APIRouter(prefix="/engine", tags=["engine"])

Reason = Annotated[str, Field(max_length=2_000)]


class Order(BaseModel):
    """An order to the engine."""

    model_config = ConfigDict(extra="forbid")
    reason: Annotated[Reason, Field(examples=["news at 14:00"])] = ""


class ResetOrder(BaseModel):
    """A reset: it needs a reason."""

    model_config = ConfigDict(extra="forbid")
    reason: Annotated[
        str, Field(min_length=1, max_length=2_000, examples=["feed repaired"])
    ]
    rebase_peak: bool = False
    """Measure drawdown from the present equity on."""


class RiskTold(msgspec.Struct):
    """The hard limits, how much of them is used, and what they have refused."""

    limits: dict[str, LimitTold]
    equity: str
    day_pnl: str
    drawdown: str
    killed: KillTold | None
    alarm: str
    """A hole in the safety net; empty where there is none."""
    refused: dict[str, int]
    """Signals of this run that became no order, by reason."""


class EntryTold(msgspec.Struct):
    """An entry of the journal; beside these it has what its kind holds."""

    kind: str
    run_id: str
    sequence: int
    received_ns: int
    symbol: str


_ENTRIES = answers(
    list[EntryTold],
    example=[
        EntryTold(
            "signal",
            "20260101T000000000-a1b2c3d4",
            17,
            1_767_225_600_000_000_000,
            "BTCUSDT",
        )
    ],
)
_HANDLED = answers(
    Handled,
    description="The journal holds what became of it",
    example=Handled(Verb.PAUSE, 1_700_000_000_000_000_000, is_accepted=True),
)
_KILL = KillProgress(
    [
        "asked for by operator (page)",
        "the engine has taken the kill",
    ],
    1_767_225_600_000_000_000,
    is_done=True,
    after_ms=31,
)
_RISK = RiskTold(
    limits={"daily_loss": LimitTold("12.5", "500")},
    equity="9987.5",
    day_pnl="-12.5",
    drawdown="12.5",
    killed=None,
    alarm="",
    refused={"position_open": 12, "cooldown": 3},
)
_LIMIT = Query(100, ge=1, le=1_000)
Kind = Annotated[str, Field(pattern="^[a-z_]{1,40}$")]


@router.post(
    "/start",
    status_code=HTTPStatus.ACCEPTED,
    responses=answers(Standing, HTTPStatus.ACCEPTED),
)
async def start(caller: Operator, desk: DeskOf, order: Order) -> Json:
    """Start the engine as it was started last, and keep it running."""
    await asyncio.to_thread(_start, desk, caller, order.reason)
    process: Json = desk.state["process"]
    return process


@router.post("/stop", responses=_HANDLED)
async def stop(caller: Operator, desk: DeskOf, order: Order) -> Response:
    """End the engine: no entries, everything closed, everything flushed."""
    await asyncio.to_thread(desk.supervisor.release)
    try:
        return await _command("stop", caller, desk, order.reason)
    except EngineSilent:
        raise
    except NoEngine:
        if not await asyncio.to_thread(desk.supervisor.terminate):
            raise
        detail = "it was still starting"
        await asyncio.to_thread(desk.audit.keep, "stop", caller, order.reason, detail)
        return as_json(Handled(Verb.STOP, 0, is_accepted=True, detail=detail))


@router.post("/pause", responses=_HANDLED)
async def pause(caller: Operator, desk: DeskOf, order: Order) -> Response:
    """Send no more entries; exits go on."""
    return await _command("pause", caller, desk, order.reason)


@router.post("/resume", responses=_HANDLED)
async def resume(caller: Operator, desk: DeskOf, order: Order) -> Response:
    """Allow entries again after a pause or a flatten."""
    return await _command("resume", caller, desk, order.reason)


@router.post("/flatten", responses=_HANDLED)
async def flatten(caller: Operator, desk: DeskOf, order: Order) -> Response:
    """Close every position, then stay paused."""
    return await _command("flatten", caller, desk, order.reason)


@router.post("/reset", responses=_HANDLED)
async def reset(caller: Operator, desk: DeskOf, order: ResetOrder) -> Response:
    """Release the kill switch, once everything is closed."""
    return await _command("reset", caller, desk, order.reason, rebase=order.rebase_peak)


@router.post(
    "/kill",
    status_code=HTTPStatus.ACCEPTED,
    responses=answers(KillProgress, HTTPStatus.ACCEPTED, example=_KILL),
)
async def kill(caller: Operator, desk: DeskOf, order: Order | None = None) -> Response:
    """Close everything and trade no more until a reset; `GET /engine/kill` follows it.

    Works while the engine hangs or is dead, and while disk or database fail.
    """
    loop = asyncio.get_running_loop()

    def on_step() -> None:
        if not loop.is_closed():  # a kill goes on while the API ends
            asyncio.run_coroutine_threadsafe(desk.link.touch(), loop)

    reason = order.reason if order else ""
    told = await desk.kill.pull(caller, reason, on_step)
    return as_json(told, HTTPStatus.ACCEPTED)


@router.get("/kill", responses=answers(KillProgress | None, example=_KILL))
def kill_state(_caller: Viewer, desk: DeskOf) -> Response:
    """The last kill asked for here, as far as it has come; null once it is reset."""
    return as_json(desk.kill.progress)


@router.get("/status", responses=answers(StatusTold))
def status(_caller: Viewer, desk: DeskOf) -> Response:
    """Process, kill and state of the engine; `engine` is null where none runs."""
    return as_json({**desk.state, "age_ms": desk.link.age_ms})


@router.get("/position", responses=answers(list[PositionTold]))
def position(_caller: Viewer, desk: DeskOf) -> Response:
    """Open positions."""
    return as_json(_engine(desk)["positions"])


@router.get("/orders", responses=answers(list[OrderTold]))
def orders(_caller: Viewer, desk: DeskOf) -> Response:
    """Orders in flight."""
    return as_json(_engine(desk)["orders"])


@router.get("/books", responses=answers(dict[str, BookTold]))
def books(_caller: Viewer, desk: DeskOf) -> Response:
    """Every symbol's book: state, top levels, imbalance and zone."""
    return as_json(_engine(desk)["books"])


@router.get("/risk", responses=answers(RiskTold, example=_RISK))
def risk(_caller: Viewer, desk: DeskOf) -> Response:
    """Limits and how much of them is used, refusals by reason, the kill switch."""
    engine = _engine(desk)
    names = ("limits", "equity", "day_pnl", "drawdown", "killed", "alarm")
    told = {name: engine[name] for name in names}
    return as_json({**told, "refused": engine["counts"]["refused"]})


@router.get("/fills", responses=_ENTRIES)
def fills(
    _caller: Viewer, desk: DeskOf, symbol: Symbol = "", limit: int = _LIMIT
) -> Response:
    """The newest fills in the journal, newest first."""
    return as_json(newest(desk.data, {"fill", "outside_fill"}, limit, symbol))


@router.get("/signals", responses=_ENTRIES)
def signals(
    _caller: Viewer, desk: DeskOf, symbol: Symbol = "", limit: int = _LIMIT
) -> Response:
    """The newest signals and what became of them, newest first."""
    return as_json(newest(desk.data, {"signal", "refused", "approved"}, limit, symbol))


@router.get("/events", responses=_ENTRIES)
def events(
    _caller: Viewer,
    desk: DeskOf,
    kind: Annotated[list[Kind] | None, Query()] = None,
    symbol: Symbol = "",
    limit: int = _LIMIT,
) -> Response:
    """The newest entries of the journal, newest first; of some kinds, or of all."""
    return as_json(newest(desk.data, kind or (), limit, symbol))


def _start(desk: Desk, caller: Caller, reason: str) -> None:
    with desk.audit.around("start", caller, reason):
        desk.supervisor.want()


async def _command(
    verb: str, caller: Caller, desk: Desk, reason: str, *, rebase: bool = False
) -> Response:
    def tell() -> Handled:
        return desk.command(verb, caller, reason, rebase=rebase)

    handled = await asyncio.to_thread(tell)
    status = HTTPStatus.OK if handled.is_accepted else HTTPStatus.CONFLICT
    if not handled.is_accepted:
        raise Refusal(status, f"{verb} refused: {handled.detail}")
    return as_json(handled)


def _engine(desk: Desk) -> Json:
    if desk.link.engine is None:
        msg = "No engine is running; start it with POST /engine/start"
        raise NoEngine(msg)
    return desk.link.engine
