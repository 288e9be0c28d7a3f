"""The OpenAPI description, whose types are those that are sent.

Every route answers errors as problem details; which ones it may answer follows from
what it is: a change or a question, of the engine or of the archive.
"""

from collections.abc import Iterator
from http import HTTPStatus
from typing import Any

import msgspec
from fastapi import FastAPI
from fastapi.openapi.utils import get_openapi

from api.http.problem import MEDIA_TYPE

OPEN = frozenset({("get", "/health/live"), ("post", "/session")})
"""What is answered without a token."""

_REFERENCE = "#/components/schemas/{name}"
_kinds: list[object] = []
"""What routes answer with; each asks `answers` as its module is imported."""


class Where(msgspec.Struct):
    """One part of a request that is wrong."""

    where: str
    what: str


class Problem(msgspec.Struct):
    """An error in words that say what to do (RFC 9457)."""

    type: str
    title: str
    status: int
    detail: str
    errors: list[Where] = []


_PROBLEMS = {
    HTTPStatus.BAD_REQUEST: "The body cannot be read",
    HTTPStatus.UNAUTHORIZED: "No token or session, or one that is not valid",
    HTTPStatus.FORBIDDEN: "The viewer's token, or a session without its CSRF header",
    HTTPStatus.NOT_FOUND: "There is none",
    HTTPStatus.CONFLICT: "Not in this state, as when no engine runs, or refused by it",
    HTTPStatus.REQUEST_ENTITY_TOO_LARGE: "The body is too long",
    HTTPStatus.UNPROCESSABLE_ENTITY: "It makes no sense; `errors` says where",
    HTTPStatus.TOO_MANY_REQUESTS: "Too many wrong tokens from this address",
    HTTPStatus.INTERNAL_SERVER_ERROR: "Journal or database cannot be read",
    HTTPStatus.SERVICE_UNAVAILABLE: "The archive does not answer",
    HTTPStatus.GATEWAY_TIMEOUT: "The engine does not answer",
}


def answers(
    kind: object, status: int = 200, *, description: str = "", example: object = None
) -> dict[int | str, dict[str, Any]]:
    """The `responses` of a route that answers with a type of ours as JSON."""
    _kinds.append(kind)
    (schema,), _ = msgspec.json.schema_components([kind], ref_template=_REFERENCE)
    content: dict[str, Any] = {"application/json": {"schema": schema}}
    if example is not None:
        content["application/json"]["example"] = msgspec.to_builtins(example)
    return {status: {"description": description or "Done", "content": content}}


def describe(app: FastAPI) -> None:
    """Let an application describe itself with the types that it sends."""

    def openapi() -> dict[str, Any]:
        if app.openapi_schema is None:
            schema = get_openapi(
                title=app.title,
                version=app.version,
                description=app.description,
                routes=app.routes,
            )
            _, components = msgspec.json.schema_components(
                [*_kinds, Problem], ref_template=_REFERENCE
            )
            parts = schema.setdefault("components", {})
            schemas = parts.setdefault("schemas", {})
            schemas.update(components)
            for unused in ("HTTPValidationError", "ValidationError"):
                schemas.pop(unused, None)
            parts["securitySchemes"] = {
                "token": {"type": "http", "scheme": "bearer"},
                "page": {"type": "apiKey", "in": "cookie", "name": "mft_session"},
            }
            schema["security"] = [{"token": []}, {"page": []}]
            for path, methods in schema["paths"].items():
                for method, operation in methods.items():
                    _add_problems(method, path, operation)
            app.openapi_schema = schema
        return app.openapi_schema

    app.openapi = openapi  # type: ignore[method-assign]  # as FastAPI documents


def _add_problems(method: str, path: str, operation: dict[str, Any]) -> None:
    if (method, path) in OPEN:
        operation["security"] = []
    schema = {"$ref": _REFERENCE.format(name=Problem.__name__)}
    for status in _problems_of(method, path, operation):
        operation["responses"][str(int(status))] = {
            "description": _PROBLEMS[status],
            "content": {MEDIA_TYPE: {"schema": schema, "example": _example(status)}},
        }


def _example(status: HTTPStatus) -> dict[str, object]:
    told = Problem("about:blank", status.phrase, int(status), _PROBLEMS[status])
    return {k: v for k, v in msgspec.to_builtins(told).items() if v != []}


def _problems_of(
    method: str, path: str, operation: dict[str, Any]
) -> Iterator[HTTPStatus]:
    if path == "/health/live":
        return
    yield HTTPStatus.UNAUTHORIZED
    yield HTTPStatus.TOO_MANY_REQUESTS
    if "requestBody" in operation:
        yield HTTPStatus.BAD_REQUEST
        yield HTTPStatus.REQUEST_ENTITY_TOO_LARGE
    if method != "get" and (method, path) not in OPEN:
        yield HTTPStatus.FORBIDDEN
    if "requestBody" in operation or "parameters" in operation or path == "/config":
        yield HTTPStatus.UNPROCESSABLE_ENTITY
    yield from _problems_of_subject(method, path)


def _problems_of_subject(method: str, path: str) -> Iterator[HTTPStatus]:
    subject = path.split("/")[1]
    if subject == "engine":
        yield from (HTTPStatus.CONFLICT, HTTPStatus.INTERNAL_SERVER_ERROR)
        if method == "post":
            yield HTTPStatus.GATEWAY_TIMEOUT
    elif subject == "history":
        yield from (HTTPStatus.INTERNAL_SERVER_ERROR, HTTPStatus.SERVICE_UNAVAILABLE)
    elif subject == "scanner":
        yield from (HTTPStatus.CONFLICT, HTTPStatus.INTERNAL_SERVER_ERROR)
        if path == "/scanner/results":
            yield HTTPStatus.NOT_FOUND
    elif subject in {"config", "metrics"}:
        yield from (HTTPStatus.UNPROCESSABLE_ENTITY, HTTPStatus.INTERNAL_SERVER_ERROR)
