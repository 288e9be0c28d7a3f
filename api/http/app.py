"""The HTTP application of one directory's engine."""

from collections.abc import AsyncIterator, Collection
from contextlib import asynccontextmanager
from http import HTTPStatus
from importlib.metadata import version

from fastapi import FastAPI, Request, Response

from api.http.desk import Desk
from api.http.guard import HEADERS, LOCAL_HOSTS, Guard
from api.http.problem import problem, tell_problems
from api.http.routes import (
    config,
    engine,
    health,
    history,
    page,
    scanner,
    session,
    stream,
)
from api.http.schema import describe

_DESCRIPTION = """Control and state of one trading engine.

Show a token as `Authorization: Bearer ...`: the viewer's may look, the operator's may
control, too. Money is text without an exponent, in the quote asset; times are
nanoseconds since the epoch. Errors are problem details (RFC 9457)."""


def create_app(desk: Desk, *, hosts: Collection[str] = LOCAL_HOSTS) -> FastAPI:
    """The application; the desk is opened and closed with it."""

    @asynccontextmanager
    async def life(_app: FastAPI) -> AsyncIterator[None]:
        desk.open()
        try:
            yield
        finally:
            await desk.close()

    app = FastAPI(
        title="mft",
        version=version("mft-bot"),
        description=_DESCRIPTION,
        lifespan=life,
        openapi_url=None,  # the description is for viewers, as everything is
        docs_url=None,  # its page would need scripts of another host
        redoc_url=None,
    )
    app.state.desk = desk
    for routes in (session, engine, stream, scanner, history, config, health, page):
        app.include_router(routes.router)
    tell_problems(app)
    describe(app)
    app.add_exception_handler(Exception, _bug)
    app.add_middleware(Guard, hosts=hosts)
    return app


async def _bug(_request: Request, error: Exception) -> Response:
    """Answered outside of Guard, so with its headers."""
    detail = f"A bug of the API: {type(error).__name__}; its log has the traceback"
    return problem(HTTPStatus.INTERNAL_SERVER_ERROR, detail, {**HEADERS})
