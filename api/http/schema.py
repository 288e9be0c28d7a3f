"""The OpenAPI description, whose types are those that are sent."""

from typing import Any

import msgspec
from fastapi import FastAPI
from fastapi.openapi.utils import get_openapi

from api.http.desk import KillTold
from api.http.supervisor import Standing
from connectors.control.protocol import Handled
from flows.telemetry import (
    BookTold,
    LimitTold,
    OrderTold,
    PositionTold,
    Telemetry,
)

_REFERENCE = "#/components/schemas/{name}"
_TYPES = (
    Telemetry,
    BookTold,
    LimitTold,
    OrderTold,
    PositionTold,
    Handled,
    KillTold,
    Standing,
)


def answers(kind: object, *, description: str = "") -> dict[int | str, dict[str, Any]]:
    """The `responses` of a route that answers with a type of ours as JSON."""
    (schema,), _ = msgspec.json.schema_components([kind], ref_template=_REFERENCE)
    content = {"application/json": {"schema": schema}}
    return {200: {"description": description or "Done", "content": content}}


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
                _TYPES, ref_template=_REFERENCE
            )
            parts = schema.setdefault("components", {})
            parts.setdefault("schemas", {}).update(components)
            parts["securitySchemes"] = {
                "token": {"type": "http", "scheme": "bearer"},
                "page": {"type": "apiKey", "in": "cookie", "name": "mft_session"},
            }
            schema["security"] = [{"token": []}, {"page": []}]
            app.openapi_schema = schema
        return app.openapi_schema

    app.openapi = openapi  # type: ignore[method-assign]  # as FastAPI documents
