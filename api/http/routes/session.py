"""The page exchanges the token for a session; scripts show the token itself."""

import time
from http import HTTPStatus
from typing import Annotated

from fastapi import APIRouter, Request, Response
from pydantic import BaseModel, Field

from api.http.credentials import SESSION_S, Caller
from api.http.desk import COOKIE, Desk
from api.http.routes.common import DeskOf, Viewer

router = APIRouter(prefix="/session", tags=["session"])


class Login(BaseModel):
    """A token, as it was shown at the first start."""

    token: Annotated[str, Field(max_length=200)]


class Session(BaseModel):
    """What the page may do, and what it must send with a change."""

    role: str
    csrf: str


@router.post("")
def login(login: Login, request: Request, response: Response, desk: DeskOf) -> Session:
    """Exchange a token for a session cookie that scripts cannot read."""
    role = desk.keys.role_of(login.token.strip())
    if role is None:
        raise desk.wrong(request, "The token is not valid")
    cookie = desk.keys.new_session(role, int(time.time()))
    response.set_cookie(
        COOKIE,
        cookie,
        max_age=SESSION_S,
        httponly=True,
        samesite="strict",
        secure=request.headers.get("X-Forwarded-Proto") == "https",
    )
    return _told(desk, Caller(role, cookie))


@router.get("")
def session(caller: Viewer, desk: DeskOf) -> Session:
    """What the present session may do."""
    return _told(desk, caller)


@router.delete("", status_code=HTTPStatus.NO_CONTENT)
def logout(caller: Viewer, response: Response, desk: DeskOf) -> None:
    """End the session, whoever has its cookie."""
    if caller.session:
        desk.ended.end(caller.session, int(time.time()))
    response.delete_cookie(COOKIE, httponly=True, samesite="strict")


def _told(desk: Desk, caller: Caller) -> Session:
    csrf = desk.keys.csrf_of(caller.session) if caller.session else ""
    return Session(role=caller.role.value, csrf=csrf)
