"""Who may ask the API, from where, and how often they may be wrong."""

import stat
from collections.abc import Iterator
from http import HTTPStatus
from pathlib import Path
from typing import NoReturn

import pytest
from starlette.testclient import TestClient
from starlette.websockets import WebSocketDisconnect

from api.http.app import create_app
from api.http.credentials import SESSION_S, EndedSessions, KeyRing, Role
from api.http.desk import COOKIE, ENDED, TOKENS, Desk
from api.http.guard import FAILURES_S, MOST_BODY, MOST_FAILURES, Failures
from flows.domain.errors import ConfigurationError
from tests.api.http.samples import HOST, Api, engine_in, serving

OPEN = {"/health/live", "/session"}


def routes_of(api: Api) -> list[tuple[str, str]]:
    """Method and path of everything that the API describes."""
    paths = api.app.openapi()["paths"]
    return [(method, path) for path in paths for method in paths[path]]


def test_every_route_without_a_token_is_refused(tmp_path: Path) -> None:
    with serving(tmp_path) as api:
        asked = [each for each in routes_of(api) if each[1] not in OPEN]
        assert len(asked) > 15
        for method, path in asked:
            reply = api.ask(method.upper(), path)
            assert reply.status_code == HTTPStatus.UNAUTHORIZED, path
            assert reply.headers["content-type"] == "application/problem+json"
            assert reply.headers["www-authenticate"] == "Bearer"


def test_health_live_is_open_to_everybody_and_tells_nothing(tmp_path: Path) -> None:
    with serving(tmp_path) as api:
        assert api.ask("GET", "/health/live").json() == {"status": "alive"}


def test_session_needs_its_csrf_header_for_changes_only(tmp_path: Path) -> None:
    with engine_in(tmp_path) as engine, serving(tmp_path) as api:
        header = api.login("operator")
        assert api.ask("GET", "/engine/status").status_code == HTTPStatus.OK
        for wrong in ({}, {"X-CSRF-Token": "0" * 64}):
            reply = api.ask("POST", "/engine/pause", json={}, headers=wrong)
            assert reply.status_code == HTTPStatus.FORBIDDEN
        assert engine.told == []
        reply = api.ask("POST", "/engine/pause", json={}, headers=header)
        assert reply.status_code == HTTPStatus.OK
        assert engine.told == [("pause", "operator (page)", "")]


def test_login_sets_a_cookie_that_scripts_and_other_sites_do_not_get(
    tmp_path: Path,
) -> None:
    with serving(tmp_path) as api:
        reply = api.client.post("/session", json={"token": api.tokens["viewer"]})
        cookie = reply.headers["set-cookie"]
        assert "HttpOnly" in cookie
        assert "SameSite=strict" in cookie
        assert "Secure" not in cookie, "without TLS no browser would send it back"
        assert api.tokens["viewer"] not in cookie
        assert reply.json()["role"] == "viewer"
        assert api.ask("GET", "/session").json() == reply.json(), "a reload goes on"
        header = {"X-CSRF-Token": reply.json()["csrf"]}
        assert api.ask("DELETE", "/session", headers=header).status_code == 204
        assert api.ask("GET", "/session").status_code == HTTPStatus.UNAUTHORIZED


def test_login_behind_tls_sets_a_cookie_for_tls_only(tmp_path: Path) -> None:
    with serving(tmp_path) as api:
        token = {"token": api.tokens["viewer"]}
        header = {"X-Forwarded-Proto": "https"}
        reply = api.client.post("/session", json=token, headers=header)
        assert "Secure" in reply.headers["set-cookie"]


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        ({"host": "evil.example:8080"}, "This is not evil.example"),
        ({"host": "127.0.0.1.evil.example"}, "This is not 127.0.0.1.evil.example"),
        ({"host": "[::1"}, "This is not a host without a name"),
        ({"origin": "http://evil.example"}, "Pages of evil.example may not ask here"),
        ({"origin": "http://["}, "Pages of nowhere may not ask here"),
        ({"origin": "null"}, "Pages without an origin may not ask here"),
    ],
)
def test_foreign_host_or_origin_is_refused_even_with_the_token(
    tmp_path: Path, change: dict[str, str], expected: str
) -> None:
    with serving(tmp_path) as api:
        reply = api.ask("GET", "/engine/status", "operator", headers=change)
        assert reply.status_code == HTTPStatus.MISDIRECTED_REQUEST
        assert reply.json()["detail"] == expected


def test_foreign_host_or_origin_is_refused_on_every_route(tmp_path: Path) -> None:
    with engine_in(tmp_path) as engine, serving(tmp_path) as api:
        for method, path in (*routes_of(api), ("get", "/"), ("get", "/assets/x.js")):
            for change in ({"host": "evil.example"}, {"origin": "http://evil.example"}):
                reply = api.ask(method.upper(), path, "operator", headers=change)
                assert reply.status_code == HTTPStatus.MISDIRECTED_REQUEST, path
        for change in ({"host": "evil.example"}, {"origin": "http://evil.example"}):
            headers = {**api.bearer("operator"), "host": "127.0.0.1:8080", **change}
            with (
                pytest.raises(WebSocketDisconnect),
                api.client.websocket_connect("/engine/stream", headers=headers),
            ):
                pass
        assert engine.told == []


def test_own_origin_is_served(tmp_path: Path) -> None:
    with serving(tmp_path) as api:
        own = {"origin": "http://127.0.0.1:8080"}
        reply = api.ask("GET", "/engine/status", "viewer", headers=own)
        assert reply.status_code == HTTPStatus.OK


def test_every_answer_has_the_headers_that_bind_a_browser(tmp_path: Path) -> None:
    with serving(tmp_path) as api:
        for path in ("/health/live", "/engine/status", "/nowhere"):
            headers = api.ask("GET", path).headers
            assert "script-src 'self'" in headers["content-security-policy"]
            assert "frame-ancestors 'none'" in headers["content-security-policy"]
            assert headers["x-content-type-options"] == "nosniff"
            assert headers["cache-control"] == "no-store"
            assert "server" not in headers


def test_wrong_tokens_again_and_again_must_wait(tmp_path: Path) -> None:
    with serving(tmp_path) as api:
        wrong = {"Authorization": "Bearer guess"}
        for _ in range(MOST_FAILURES):
            reply = api.ask("GET", "/engine/status", headers=wrong)
            assert reply.status_code == HTTPStatus.UNAUTHORIZED
        for reply in (
            api.ask("GET", "/engine/status", headers=wrong),
            api.client.post("/session", json={"token": "guess"}),
        ):
            assert reply.status_code == HTTPStatus.TOO_MANY_REQUESTS
            assert 0 < int(reply.headers["retry-after"]) <= FAILURES_S + 1
        kill = api.ask("POST", "/engine/kill", "operator")
        assert kill.status_code == HTTPStatus.ACCEPTED, "guesses keep nobody from it"


def test_failures_are_forgotten_after_a_while_and_counted_by_address() -> None:
    now = 0.0
    failures = Failures(lambda: now)
    for _ in range(MOST_FAILURES):
        failures.add("a")
    assert failures.wait_s("a") == FAILURES_S + 1
    assert failures.wait_s("b") == 0
    now = FAILURES_S
    assert failures.wait_s("a") == 0


def test_failures_of_many_addresses_are_bounded() -> None:
    failures = Failures(lambda: 0.0)
    for number in range(5_000):
        failures.add(str(number))
    assert len(failures._by_address) <= 1_000


def test_key_ring_is_kept_as_hashes_that_only_the_owner_reads(tmp_path: Path) -> None:
    ring = KeyRing(tmp_path / TOKENS)
    path = tmp_path / TOKENS
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    tokens = dict(ring.fresh)
    assert len(set(tokens.values())) == len(Role)
    assert not any(token in path.read_text() for token in tokens.values())
    again = KeyRing(path)
    assert again.fresh == {}, "shown once"
    assert {again.role_of(token) for token in tokens.values()} == set(Role)
    assert again.role_of("") is None


def test_session_role_forged_changed_or_over_is_nobody(tmp_path: Path) -> None:
    ring = KeyRing(tmp_path / TOKENS)
    cookie = ring.new_session(Role.VIEWER, 1_000)
    assert ring.session_role(cookie, 1_000 + SESSION_S - 1) is Role.VIEWER
    assert ring.session_role(cookie, 1_000 + SESSION_S) is None
    assert ring.session_role(cookie.replace("viewer", "operator"), 1_000) is None
    for forged in ("", "viewer", "operator.9999999999.x.", cookie[:-1] + "x"):
        assert ring.session_role(forged, 1_000) is None
    other = KeyRing(tmp_path / "other")
    assert other.session_role(cookie, 1_000) is None


def test_session_outlives_a_restart_of_the_api(tmp_path: Path) -> None:
    cookie = KeyRing(tmp_path / TOKENS).new_session(Role.OPERATOR, 1_000)
    assert KeyRing(tmp_path / TOKENS).session_role(cookie, 1_001) is Role.OPERATOR


def test_key_ring_damaged_file_says_what_to_do(tmp_path: Path) -> None:
    path = tmp_path / TOKENS
    path.write_text("{")
    with pytest.raises(ConfigurationError, match="remove it for new tokens"):
        KeyRing(path)


def test_key_ring_unwritable_directory_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match="cannot be written"):
        KeyRing(tmp_path / "missing" / TOKENS)


def test_change_by_a_viewer_is_forbidden_on_every_route(tmp_path: Path) -> None:
    with engine_in(tmp_path) as engine, serving(tmp_path) as api:
        changes = [p for m, p in routes_of(api) if m == "post" and p not in OPEN]
        assert len(changes) >= 9
        header = api.login("viewer")
        for path in changes:
            for headers in (api.bearer("viewer"), header):
                reply = api.client.post(path, json={}, headers=headers)
                assert reply.status_code == HTTPStatus.FORBIDDEN, path
        assert engine.told == []


def test_cookie_of_a_session_that_was_ended_is_worth_nothing(tmp_path: Path) -> None:
    with serving(tmp_path) as api:
        header = api.login("operator")
        cookie = {"Cookie": f"{COOKIE}={api.client.cookies[COOKIE]}"}
        assert api.ask("GET", "/session", headers=cookie).status_code == HTTPStatus.OK
        assert api.ask("DELETE", "/session", headers=header).status_code == 204
        api.client.cookies.clear()
        reply = api.ask("GET", "/session", headers=cookie)
        assert reply.status_code == HTTPStatus.UNAUTHORIZED
        later = EndedSessions(tmp_path / ENDED)
        assert cookie["Cookie"].partition("=")[2] in later, "a new API knows it, too"


def test_ended_sessions_are_forgotten_once_they_would_be_over(tmp_path: Path) -> None:
    ended = EndedSessions(tmp_path / ENDED)
    ended.end("a", 1_000)
    ended.end("b", 1_000 + SESSION_S)
    assert ("a" in ended, "b" in ended) == (False, True)


def test_ended_sessions_unreadable_file_says_what_to_do(tmp_path: Path) -> None:
    (tmp_path / ENDED).write_text("{")
    with pytest.raises(ConfigurationError, match="remove it"):
        EndedSessions(tmp_path / ENDED)


def test_ended_sessions_unwritable_place_holds_until_the_end() -> None:
    ended = EndedSessions(Path("/proc/nowhere/api.sessions.json"))
    ended.end("a", 1_000)
    assert "a" in ended


def chunks(size: int) -> Iterator[bytes]:
    """A body whose length nobody has told before."""
    for _ in range(size // 1_024):
        yield b" " * 1_024


def test_body_too_long_is_refused_however_it_is_sent(tmp_path: Path) -> None:
    with engine_in(tmp_path) as engine, serving(tmp_path) as api:
        for body in (b" " * (MOST_BODY + 1), chunks(2 * MOST_BODY)):
            reply = api.ask("POST", "/engine/pause", "operator", content=body)
            assert reply.status_code == HTTPStatus.REQUEST_ENTITY_TOO_LARGE
            assert reply.json()["detail"].startswith("Expected a body of at most")
            assert reply.headers["content-type"] == "application/problem+json"
        body = b"{" + b" " * (MOST_BODY - 2) + b"}"
        headers = {"Content-Type": "application/json"}
        reply = api.ask(
            "POST", "/engine/pause", "operator", content=body, headers=headers
        )
        assert reply.status_code == HTTPStatus.OK
        assert len(engine.told) == 1


@pytest.mark.parametrize("cookie", ["viewer.1.x.é", "..", "é", "viewer.1"])
def test_cookie_of_odd_characters_is_nobody(tmp_path: Path, cookie: str) -> None:
    with serving(tmp_path) as api:
        headers = {b"Cookie": f"{COOKIE}={cookie}".encode()}
        reply = api.client.get("/session", headers=headers)
        assert reply.status_code == HTTPStatus.UNAUTHORIZED


def test_bug_is_a_problem_with_the_headers_that_bind_a_browser(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def query(*_asked: object) -> NoReturn:
        raise IndexError

    with serving(tmp_path) as api:
        monkeypatch.setattr(api.desk.history, "query", query)
        client = TestClient(api.app, base_url=HOST, raise_server_exceptions=False)
        reply = client.get("/history/trades", headers=api.bearer("viewer"))
    assert reply.status_code == HTTPStatus.INTERNAL_SERVER_ERROR
    assert reply.json()["detail"].startswith("A bug of the API: IndexError")
    assert "default-src 'none'" in reply.headers["content-security-policy"]


def test_host_that_is_allowed_is_known_however_it_is_written(tmp_path: Path) -> None:
    app = create_app(Desk(tmp_path), hosts={"MyBox.local"})
    reply = TestClient(app, base_url="http://mybox.LOCAL").get("/health/live")
    assert reply.status_code == HTTPStatus.OK
