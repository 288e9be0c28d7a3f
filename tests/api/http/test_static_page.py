"""The page's files: served as they were built, to anybody; else how to get them."""

from http import HTTPStatus
from pathlib import Path

import pytest

from api.http.routes import page
from tests.api.http.samples import serving


@pytest.fixture
def built(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The place of a built page."""
    place = tmp_path / "page"
    (place / "assets").mkdir(parents=True)
    monkeypatch.setattr(page, "PAGE", place)
    return place


def test_index_is_served_to_anybody_under_a_strict_policy(
    tmp_path: Path, built: Path
) -> None:
    (built / "index.html").write_text("<!doctype html><title>mft</title>")
    with serving(tmp_path) as api:
        reply = api.ask("GET", "/")
    assert reply.status_code == HTTPStatus.OK
    assert reply.headers["content-type"].startswith("text/html")
    assert "script-src 'self'" in reply.headers["content-security-policy"]
    assert reply.headers["cache-control"] == "no-store"


def test_index_without_a_page_says_how_to_get_it(tmp_path: Path, built: Path) -> None:
    with serving(tmp_path) as api:
        reply = api.ask("GET", "/")
    assert reply.status_code == HTTPStatus.NOT_FOUND
    assert "make ui" in reply.text
    assert not (built / "index.html").exists()


@pytest.mark.parametrize(
    ("name", "kind"),
    [
        ("index-1.js", "text/javascript"),
        ("index-1.css", "text/css"),
        ("icon-1.svg", "image/svg+xml"),
    ],
)
def test_asset_is_kept_for_ever(
    tmp_path: Path, built: Path, name: str, kind: str
) -> None:
    (built / "assets" / name).write_text("x")
    with serving(tmp_path) as api:
        reply = api.ask("GET", f"/assets/{name}")
    assert reply.status_code == HTTPStatus.OK
    assert reply.headers["content-type"].startswith(kind)
    assert "immutable" in reply.headers["cache-control"]


@pytest.mark.parametrize(
    "path",
    ["missing.js", "secret.txt", "..%2Findex.html", "%2e%2e/index.html", ""],
)
def test_asset_of_another_place_or_kind_is_not_there(
    tmp_path: Path, built: Path, path: str
) -> None:
    (built / "index.html").write_text("x")
    (built / "assets" / "secret.txt").write_text("x")
    with serving(tmp_path) as api:
        reply = api.ask("GET", f"/assets/{path}")
    assert reply.status_code == HTTPStatus.NOT_FOUND
