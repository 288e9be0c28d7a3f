"""Answers in the format Native, read by a client library that names its revision."""

import socket
from collections.abc import Iterator
from threading import Thread
from types import SimpleNamespace
from typing import Any
from urllib.parse import urlencode
from urllib.request import Request, urlopen

from clickhouse_driver.bufferedreader import BufferedSocketReader
from clickhouse_driver.streams.native import BlockInputStream

from connectors.clickhouse import READER

REVISION = 54_460
"""That of clickhouse-go, by which Grafana's data source asks."""


def ask_native(url: str, token: str, sql: str, revision: int = REVISION) -> bytes:
    """What a client of a revision is answered."""
    asked = urlencode({"default_format": "Native", "client_protocol_version": revision})
    headers = {"X-ClickHouse-User": READER, "X-ClickHouse-Key": token}
    request = Request(f"{url}/?{asked}", sql.encode(), headers)  # noqa: S310 - loopback
    with urlopen(request, timeout=30) as reply:  # noqa: S310 - loopback
        content: bytes = reply.read()
    return content


def rows_in(content: bytes, revision: int = REVISION) -> list[tuple[Any, ...]]:
    """The rows of all blocks; nothing may be left over."""
    return [row for block in _blocks(content, revision) for row in block]


def _blocks(content: bytes, revision: int) -> Iterator[list[tuple[Any, ...]]]:
    ours, theirs = socket.socketpair()
    sending = Thread(target=_send, args=(ours, content))
    sending.start()
    try:
        reader = BufferedSocketReader(theirs, 1 << 16)
        stream = BlockInputStream(reader, _context(revision))
        while True:
            try:
                block = stream.read()
            except EOFError:
                return
            assert not block.info.is_overflows
            assert block.info.bucket_num == -1
            yield list(block.get_rows())
    finally:
        theirs.close()
        sending.join()


def _send(to: socket.socket, content: bytes) -> None:
    with to:
        to.sendall(content)


def _context(revision: int) -> Any:
    server = SimpleNamespace(used_revision=revision, get_timezone=lambda: "UTC")
    return SimpleNamespace(
        server_info=server,
        settings={},
        client_settings={
            "use_numpy": False,
            "strings_as_bytes": True,
            "strings_encoding": "utf-8",
            "input_format_null_as_default": False,
            "namedtuple_as_json": False,
            "server_side_params": False,
        },
    )
