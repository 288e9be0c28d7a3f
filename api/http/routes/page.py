"""The page: files that anybody may read; what they show takes a session."""

from http import HTTPStatus
from pathlib import Path

from fastapi import APIRouter, Response
from fastapi.responses import FileResponse, HTMLResponse

PAGE = Path(__file__).parents[1] / "page"
"""Built from `dashboards/ui` by `make ui`; a wheel brings it along."""

_LONGEST_NAME = 100
_FOR_EVER = "public, max-age=31536000, immutable"
_TYPES = {
    ".css": "text/css",
    ".js": "text/javascript",
    ".svg": "image/svg+xml",
    ".woff2": "font/woff2",
}
_MISSING = """<!doctype html>
<html lang="en"><head><meta charset="utf-8"><title>mft</title></head><body>
<h1>The page is not built</h1>
<p>The engine and its HTTP interface run without it. In a checkout,
<code>make ui</code> builds it; that needs Node.js 20 or newer
(<code>sudo apt-get install nodejs npm</code>). An installed wheel brings it along.
The interface is described at
<a href="/openapi.json">/openapi.json</a>; <code>mft status</code> shows the engine.</p>
</body></html>
"""

router = APIRouter(include_in_schema=False)


@router.get("/")
def index() -> Response:
    """The page, or how to get it."""
    path = PAGE / "index.html"
    if not path.is_file():
        return HTMLResponse(_MISSING, HTTPStatus.NOT_FOUND)
    return FileResponse(path, media_type="text/html")


@router.get("/assets/{name}")
def asset(name: str) -> Response:
    """A part of the page; its name tells its content."""
    path = PAGE / "assets" / name
    is_there = len(name) <= _LONGEST_NAME and path.is_file()
    if path.suffix not in _TYPES or not is_there:
        return Response(status_code=HTTPStatus.NOT_FOUND)
    return FileResponse(
        path, media_type=_TYPES[path.suffix], headers={"Cache-Control": _FOR_EVER}
    )
