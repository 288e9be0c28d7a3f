"""Errors as problem details. Source: RFC 9457."""

from http import HTTPStatus

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from starlette.exceptions import HTTPException

from flows.domain.errors import (
    CommandRefused,
    ConfigurationError,
    EngineSilent,
    NoEngine,
    StoreError,
    StoreUnreachable,
    TradingError,
)

MEDIA_TYPE = "application/problem+json"

_STATUSES: tuple[tuple[type[TradingError], HTTPStatus], ...] = (
    (EngineSilent, HTTPStatus.GATEWAY_TIMEOUT),
    (NoEngine, HTTPStatus.CONFLICT),
    (CommandRefused, HTTPStatus.CONFLICT),
    (ConfigurationError, HTTPStatus.UNPROCESSABLE_ENTITY),
    (StoreUnreachable, HTTPStatus.SERVICE_UNAVAILABLE),
    (StoreError, HTTPStatus.INTERNAL_SERVER_ERROR),
    (TradingError, HTTPStatus.INTERNAL_SERVER_ERROR),
)
"""The first that fits counts."""


class Refusal(Exception):  # noqa: N818 - an answer, not a failure of ours
    """An answer that is an error, in words that say what to do."""

    def __init__(
        self, status: HTTPStatus, detail: str, headers: dict[str, str] | None = None
    ) -> None:
        super().__init__(detail)
        self.status = status
        self.detail = detail
        self.headers = headers


def problem(
    status: int, detail: str, headers: dict[str, str] | None = None, **more: object
) -> JSONResponse:
    """A problem as a response."""
    content = {
        "type": "about:blank",
        "title": HTTPStatus(status).phrase,
        "status": status,
        "detail": detail,
        **more,
    }
    return JSONResponse(content, status, headers, media_type=MEDIA_TYPE)


def tell_problems(app: FastAPI) -> None:
    """Let an application answer every error as a problem."""

    @app.exception_handler(Refusal)
    def _(_request: Request, error: Refusal) -> JSONResponse:
        return problem(error.status, error.detail, error.headers)

    @app.exception_handler(HTTPException)
    def _(_request: Request, error: HTTPException) -> JSONResponse:
        headers = dict(error.headers) if error.headers else None
        return problem(error.status_code, str(error.detail), headers)

    @app.exception_handler(RequestValidationError)
    def _(_request: Request, error: RequestValidationError) -> JSONResponse:
        wrong = [
            {"where": ".".join(map(str, each["loc"])), "what": each["msg"]}
            for each in error.errors()
        ]
        told = "; ".join(f"{each['where']}: {each['what']}" for each in wrong)
        return problem(HTTPStatus.UNPROCESSABLE_ENTITY, told, errors=wrong)

    @app.exception_handler(TradingError)
    def _(_request: Request, error: TradingError) -> JSONResponse:
        status = next(s for kind, s in _STATUSES if isinstance(error, kind))
        return problem(status, str(error))
