"""The HTTP interface as a process."""

import resource
import socket
from collections.abc import Callable, Collection, Sequence
from pathlib import Path

import uvicorn

from api.http.app import create_app
from api.http.desk import Desk
from api.http.guard import LOCAL_HOSTS, MOST_BODY
from api.http.protocol import ImpatientHttp
from api.http.websocket import ImpatientWebSocket
from connectors.lock import lock_directory
from connectors.output import is_engine_in
from flows.domain.errors import ConfigurationError
from flows.priority import stand_back

_LOCK = ".api.lock"
_FAREWELL_S = 3


def serve(
    data: Path,
    arguments: Sequence[str] | None,
    *,
    host: str,
    port: int,
    hosts: Collection[str],
    archive_port: int | None,
    tell: Callable[[str], object],
) -> None:
    """Serve a directory's engine until SIGINT or SIGTERM; the engine goes on.

    `arguments` start an engine where none runs; None leaves that to whoever asks.
    With an `archive_port` ClickHouse is kept up to date, and answering there, as long
    as this runs; 0 is a free one.
    Raises ConfigurationError.
    """
    stand_back()
    _open_many_files()
    with lock_directory(
        data, _LOCK, use="for the API", refusal="another API serves it"
    ):
        desk = Desk(data)
        if is_engine_in(data):
            desk.supervisor.adopt(arguments)
            if arguments is not None and desk.supervisor.plan.arguments != (
                *arguments,
            ):
                kept = " ".join(desk.supervisor.plan.arguments)
                tell(f"the engine goes on as it was started: {kept}")
        elif arguments is not None:
            desk.supervisor.want(arguments)
        else:
            desk.supervisor.release()
        if archive_port is not None:
            desk.archive.begin(archive_port)
        listening = _bound(host, port)
        for role, token in desk.keys.fresh.items():
            tell(f"{role.value} token: {token} (shown this once)")
        where = f"[{host}]" if ":" in host else host
        tell(f"http://{where}:{listening.getsockname()[1]}")
        config = uvicorn.Config(
            create_app(desk, hosts={*LOCAL_HOSTS, *hosts, host}),
            log_config=None,
            access_log=False,
            server_header=False,
            proxy_headers=False,  # anybody on this machine could name any address
            http=ImpatientHttp,
            ws=ImpatientWebSocket,
            ws_max_size=MOST_BODY,
            ws_per_message_deflate=False,  # for many readers it costs a core
            timeout_graceful_shutdown=_FAREWELL_S,
        )
        uvicorn.Server(config).run([listening])


def _open_many_files() -> None:
    """As many connections as the system allows, not as few as is usual."""
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))


def _bound(host: str, port: int) -> socket.socket:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    bound = socket.socket(family, socket.SOCK_STREAM)
    bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        bound.bind((host, port))
        bound.listen()  # who is told the address may ask at once
    except OSError as error:
        bound.close()
        msg = f"{host}:{port} cannot be listened at: {error.strerror}; choose --port"
        raise ConfigurationError(msg) from error
    return bound
