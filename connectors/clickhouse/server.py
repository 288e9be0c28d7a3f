"""The embedded store over ClickHouse's HTTP interface, for readers on this machine.

Clients of a ClickHouse server work against it: clickhouse-connect, Grafana's data
source, curl. Source: ClickHouse "HTTP Interface".
"""

import asyncio
import base64
import binascii
import hmac
import json
import re
import secrets
import threading
import time
import uuid
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from http import HTTPStatus
from pathlib import Path

import clickhouse_connect
import structlog
from aiohttp import web
from clickhouse_connect.driver.client import Client
from clickhouse_connect.driver.exceptions import ClickHouseError

from connectors.clickhouse.native import FIRST_REVISION, with_revision
from connectors.clickhouse.readonly import NotAllowed, check_readable
from connectors.files import create_private
from flows.domain.errors import ConfigurationError, StoreError

READER = "reader"
MOST_SECONDS = 30
"""How long a question may take."""
MOST_BYTES = 256 << 20
"""Memory for one question."""
MOST_RESULT_BYTES = 64 << 20
"""Of an answer, as the engine counts it."""

_READERS = 4
_LONGEST_QUERY = 1 << 20
_AUTHENTICATION_FAILED = 516
_NOT_ALLOWED = 497
_READ_ONLY = 164
_UNSUPPORTED = 48
_UNKNOWN_FORMAT = 73
_OF_PROTOCOL = frozenset(
    {"query", "query_id", "database", "default_format", "client_protocol_version"}
    | {"user", "password", "role", "quota_key", "session_id", "session_timeout"}
    | {"session_check", "compress", "decompress", "enable_http_compression"}
    | {"wait_end_of_query", "buffer_size", "send_progress_in_http_headers"}
    | {"http_headers_progress_interval_ms", "max_execution_time"}
    | {"cancel_http_readonly_queries_on_client_close"}
)
"""What a URL may carry beside values of placeholders: none of it changes an answer, and
the time that a client gives itself is bounded by ours."""
_DATABASES = frozenset({"", "default"})
_CODE = re.compile(r"Code: (\d+)")
_HAS_FORMAT = re.compile(r"\bFORMAT\s+(\w+)\s*;?\s*$", re.IGNORECASE)
_PLACEHOLDER = re.compile(r"\{(\w+):([^}]+)\}")
_NAME = re.compile(r"[A-Za-z_]\w*(?:\.[A-Za-z_]\w*)?")
_ESCAPE = re.compile(r"\\(.)", re.DOTALL)
_ESCAPED = {"b": "\b", "f": "\f", "n": "\n", "r": "\r", "t": "\t", "0": "\0"}

_log = structlog.get_logger()


def reader_token(path: Path) -> str:
    """The readers' password, made at the first start; only the owner may read it.

    Raises ConfigurationError where it can be neither read nor written.
    """
    try:
        return path.read_text().strip()
    except FileNotFoundError:
        pass
    except OSError as error:
        msg = f"{path}: cannot be read: {error.strerror}"
        raise ConfigurationError(msg) from error
    token = secrets.token_urlsafe(32)
    try:
        create_private(path, f"{token}\n".encode())
    except OSError as error:
        msg = f"{path}: cannot be written: {error.strerror}"
        raise ConfigurationError(msg) from error
    return token


class QueryServer:
    """Answers questions about the store that this process holds, in a thread."""

    def __init__(self, directory: Path, token: str) -> None:
        self._directory = directory
        self._token = token
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, daemon=True)
        self._pool = ThreadPoolExecutor(_READERS, thread_name_prefix="reader")
        self._local = threading.local()
        self._clients: list[Client] = []
        self._runner: web.AppRunner | None = None

    def open(self, port: int, host: str = "127.0.0.1") -> str:
        """Listen at a port, 0 for a free one; the URL. Raises ConfigurationError."""
        self._thread.start()
        listening = asyncio.run_coroutine_threadsafe(
            self._listen(host, port), self._loop
        )
        try:
            return f"http://{host}:{listening.result()}"
        except OSError as error:
            self.close()
            msg = f"{host}:{port} cannot be listened at: {error.strerror}"
            raise ConfigurationError(msg) from error

    def close(self) -> None:
        """Answer what is asked, and end."""

        async def end() -> None:
            if self._runner is not None:
                await self._runner.cleanup()

        asyncio.run_coroutine_threadsafe(end(), self._loop).result()
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()
        self._pool.shutdown()
        for client in self._clients:
            client.close()

    async def _listen(self, host: str, port: int) -> int:
        app = web.Application(client_max_size=_LONGEST_QUERY)
        app.router.add_get("/ping", _pong)
        app.router.add_get("/", self._on_query)
        app.router.add_post("/", self._on_query)
        self._runner = web.AppRunner(app, access_log=None, handle_signals=False)
        await self._runner.setup()
        site = web.TCPSite(self._runner, host, port)
        await site.start()
        bound: int = self._runner.addresses[0][1]
        return bound

    async def _on_query(self, request: web.Request) -> web.Response:
        query_id = request.query.get("query_id") or str(uuid.uuid4())
        if not self._is_reader(request):
            text = f"{READER}: Authentication failed: wrong user, token, or none"
            return _failure(HTTPStatus.FORBIDDEN, _AUTHENTICATION_FAILED, text)
        body = (await request.read()).decode(errors="replace")
        sql = request.query.get("query", "")
        if why := _unsupported(request, sql, body):
            return _failure(HTTPStatus.BAD_REQUEST, _UNSUPPORTED, why)
        if setting := _setting_in(request.query):
            text = f"Cannot modify {setting!r} setting in readonly mode"
            return _failure(HTTPStatus.FORBIDDEN, _READ_ONLY, text)
        sql = sql or body
        begun_ns = time.monotonic_ns()
        try:
            check_readable(sql)
            content, format_name = await self._loop.run_in_executor(
                self._pool, self._answer, sql, dict(request.query)
            )
        except NotAllowed as error:
            return _failure(HTTPStatus.FORBIDDEN, _NOT_ALLOWED, str(error))
        except (ClickHouseError, StoreError) as error:
            return _engine_failure(str(error))
        elapsed_ns = time.monotonic_ns() - begun_ns
        summary = {"elapsed_ns": str(elapsed_ns), "result_bytes": str(len(content))}
        return web.Response(
            body=content,
            content_type="application/octet-stream",
            headers={
                "X-ClickHouse-Query-Id": query_id,
                "X-ClickHouse-Format": format_name,
                "X-ClickHouse-Timezone": "UTC",
                "X-ClickHouse-Summary": json.dumps(summary),
            },
        )

    def _is_reader(self, request: web.Request) -> bool:
        """Whether the token is shown, in any of the ways but the URL."""
        headers = request.headers
        user = headers.get("X-ClickHouse-User", "")
        shown = headers.get("X-ClickHouse-Key", "")
        scheme, _, rest = headers.get("Authorization", "").partition(" ")
        if scheme.lower() == "bearer":
            user, shown = READER, rest.strip()
        elif scheme.lower() == "basic":
            try:
                decoded = base64.b64decode(rest, validate=True).decode()
            except (binascii.Error, UnicodeDecodeError):
                return False
            user, _, shown = decoded.partition(":")
        is_token = hmac.compare_digest(shown.encode(), self._token.encode())
        return is_token and user == READER

    def _answer(self, sql: str, asked: dict[str, str]) -> tuple[bytes, str]:
        """The engine's answer, in a thread of the pool."""
        client: Client | None = getattr(self._local, "client", None)
        if client is None:
            client = self._local.client = self._open_reader()
        parameters = _parameters(sql, asked)
        named = _HAS_FORMAT.search(sql)
        chosen = asked.get("default_format", "TabSeparated")
        if named is None and not re.fullmatch(r"\w+", chosen):
            msg = f"Code: {_UNKNOWN_FORMAT}. DB::Exception: Unknown format {chosen!r}"
            raise StoreError(msg)
        content = client.raw_query(
            sql.strip().rstrip(";"),
            parameters=parameters or None,
            fmt=None if named else chosen,
        )
        format_name = named[1] if named else chosen
        if format_name == "Native" and _revision(asked) >= FIRST_REVISION:
            content = with_revision(content)
        return content, format_name

    def _open_reader(self) -> Client:
        client = clickhouse_connect.get_client(
            interface="chdb",
            path=str(self._directory),
            settings={
                "max_execution_time": MOST_SECONDS,
                "max_memory_usage": MOST_BYTES,
                "max_result_bytes": MOST_RESULT_BYTES,
                "result_overflow_mode": "throw",
            },
        )
        client.command("SET readonly = 1")  # of this connection, not of the writer's
        self._clients.append(client)
        return client


def _parameters(sql: str, asked: dict[str, str]) -> dict[str, str]:
    """Values of the query's placeholders `{name:Type}`, which the engine binds.

    No others are handed on: where a query has no placeholder, the client library would
    write them into its text. Raises NotAllowed.
    """
    found = {}
    for name, kind in _PLACEHOLDER.findall(sql):
        value = asked.get(f"param_{name}")
        if value is None:
            continue
        found[name] = _unescaped(value)
        if kind.strip() == "Identifier" and not _NAME.fullmatch(found[name]):
            raise NotAllowed(f"{found[name]!r} is no name of a table or column")
    return found


def _revision(asked: dict[str, str]) -> int:
    """Of the protocol that the client speaks; 0 where it does not say."""
    named = asked.get("client_protocol_version", "")
    return int(named) if named.isdecimal() else 0


def _unescaped(value: str) -> str:
    """A parameter as it was meant: they travel escaped, as in TabSeparated."""
    return _ESCAPE.sub(lambda m: _ESCAPED.get(m[1], m[1]), value)


async def _pong(_request: web.Request) -> web.Response:
    return web.Response(text="Ok.\n")


def _unsupported(request: web.Request, sql: str, body: str) -> str:
    """Why a request is none that this interface answers; empty: it is one."""
    if sql and body.strip():
        return "Data beside the query is not supported: this interface only reads"
    if request.query.get("compress") == "1":
        return "compress=1 is not supported; leave it out"
    if request.query.get("database", "") not in _DATABASES:
        return "Only the database default is here; name others in the query"
    if request.content_type.startswith("multipart/"):
        return "External data is not supported"
    if not (sql or body.strip()):
        return "Expected a query"
    return ""


def _setting_in(asked: Mapping[str, str]) -> str:
    """A setting of the engine that a URL would change; empty where none."""
    settings = asked.keys() - _OF_PROTOCOL
    return min((s for s in settings if not s.startswith("param_")), default="")


def _failure(status: HTTPStatus, code: int, text: str) -> web.Response:
    """An error as ClickHouse words it."""
    return web.Response(
        status=status,
        text=f"Code: {code}. DB::Exception: {text}\n",
        headers={"X-ClickHouse-Exception-Code": str(code)},
    )


def _engine_failure(text: str) -> web.Response:
    found = _CODE.search(text)
    code = found[1] if found else "0"
    return web.Response(
        status=HTTPStatus.INTERNAL_SERVER_ERROR,
        text=text.strip() + "\n",
        headers={"X-ClickHouse-Exception-Code": code},
    )
