"""What the engine runs with, and what it would be started with."""

import os
from decimal import Decimal
from pathlib import Path
from urllib.parse import urlsplit

import msgspec
from fastapi import APIRouter, Response

from api.http.apart import SECRETS
from api.http.desk import Desk
from api.http.journal import last_run
from api.http.routes.common import DeskOf, Viewer, as_json
from api.http.schema import answers
from flows.domain.units import plain
from flows.settings import Settings, load

router = APIRouter(tags=["config"])


class SettingTold(msgspec.Struct, frozen=True):
    """One setting."""

    name: str
    value: str
    """Of the next start."""
    default: str
    description: str
    running: str | None
    """Of the run that was journalled last; None where there is none."""


class ConfigTold(msgspec.Struct, frozen=True):
    """Everything that decides what an engine does."""

    arguments: list[str]
    """Of `mft trade` at the next start."""
    run_id: str | None
    """Of the run that was journalled last."""
    settings: list[SettingTold]
    secrets: dict[str, str]
    """`set` or `not set`, by the name of the environment's variable."""


@router.get("/config", responses=answers(ConfigTold))
def config(_caller: Viewer, desk: DeskOf) -> Response:
    """Effective settings, with their defaults; secrets are masked."""
    run = last_run(desk.data)
    running: dict[str, str] = run["settings"] if run else {}
    told = ConfigTold(
        arguments=[_masked(word) for word in desk.supervisor.plan.arguments],
        run_id=run["run_id"] if run else None,
        settings=[
            SettingTold(
                name,
                _text(value),
                _text(Settings.model_fields[name].default),
                Settings.model_fields[name].description or "",
                running.get(name),
            )
            for name, value in _next_settings(desk)
        ],
        secrets={
            name: "set" if os.environ.get(name) else "not set" for name in SECRETS
        },
    )
    return as_json(told)


def _next_settings(desk: Desk) -> Settings:
    """Those of the next start. Raises ConfigurationError."""
    plan = desk.supervisor.plan.arguments
    pairs = list(zip(plan[::2], plan[1::2], strict=False))
    files = [Path(value) for name, value in pairs if name == "--config"]
    sets = [value for name, value in pairs if name == "--set"]
    return load(files[-1] if files else None, sets)


def _text(value: object) -> str:
    return plain(value) if isinstance(value, Decimal) else str(value)


def _masked(word: str) -> str:
    """A URL without the name and password that it may hold."""
    parts = urlsplit(word)
    if "@" not in parts.netloc:
        return word
    place = parts.netloc.rpartition("@")[2]
    return parts._replace(netloc=f"***@{place}").geturl()
