"""Frames as Kafka messages, one to one.

| part | holds |
|---|---|
| key | symbol in upper case; `@` for frames of no symbol, such as `@clock` |
| value | the payload's bytes as received |
| timestamp | `received_ns` in whole milliseconds |
| header `run` | id of the run that sent it; later runs have greater ids |
| header `n` | number of the frame in its run, from 0 without a hole, in decimal |
| header `ts` | `received_ns`, in decimal |
| header `stream` | stream name |

A message without `ts` and `stream` ends its run; its `n` counts the run's frames.
"""

import re
import secrets
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import NamedTuple, Protocol

from flows.domain.frame import RawFrame
from flows.domain.units import NS_PER_MS

_NO_SYMBOL = "@"
_DIGITS = re.compile(rb"[0-9]{1,19}")
_MAX_COUNT = 2**63 - 1

Headers = Sequence[tuple[str, bytes | None]]


class Record(Protocol):
    """A message as a consumer gives it."""

    @property
    def partition(self) -> int:
        """The partition it stands in."""

    @property
    def offset(self) -> int:
        """Its place there."""

    @property
    def value(self) -> bytes | None:
        """Its bytes."""

    @property
    def headers(self) -> Headers:
        """Names and values, in the sender's order."""


class Message(NamedTuple):
    """What is sent for a frame, or for the end of a run."""

    key: bytes
    value: bytes
    headers: list[tuple[str, bytes]]
    timestamp_ms: int


class Numbered(NamedTuple):
    """A message's place in its run, and its frame; None ends the run."""

    run_id: str
    number: int
    frame: RawFrame | None


def new_run_id() -> str:
    """An id greater than those of earlier runs, as far as clocks agree."""
    now = datetime.now(UTC)
    return f"{now:%Y%m%dT%H%M%S.%fZ}-{secrets.token_hex(3)}"


def to_message(frame: RawFrame, run_id: str, number: int) -> Message:
    """The message of a frame."""
    headers = [
        ("run", run_id.encode()),
        ("n", b"%d" % number),
        ("ts", b"%d" % frame.received_ns),
        ("stream", frame.stream.encode()),
    ]
    time_ms = frame.received_ns // NS_PER_MS
    return Message(_key(frame.stream), frame.payload, headers, time_ms)


def to_end(run_id: str, count: int, received_ns: int) -> Message:
    """The message that ends a run of `count` frames; the last came at `received_ns`."""
    headers = [("run", run_id.encode()), ("n", b"%d" % count)]
    return Message(_NO_SYMBOL.encode(), b"", headers, received_ns // NS_PER_MS)


def _key(stream: str) -> bytes:
    return (stream.partition("@")[0].upper() or _NO_SYMBOL).encode()


def from_record(record: Record) -> Numbered:
    """What a message holds. Raises ValueError on one that no recorder sent."""
    headers = {name: value or b"" for name, value in record.headers}
    if record.value is None or not headers.keys() >= {"run", "n"}:
        raise ValueError("no recorder sent it")
    run_id, number = headers["run"].decode(), _count(headers["n"])
    if headers.keys().isdisjoint(("ts", "stream")):
        return Numbered(run_id, number, None)
    received_ns = _count(headers.get("ts", b""))
    stream = headers.get("stream", b"").decode()
    return Numbered(run_id, number, RawFrame(received_ns, stream, record.value))


def _count(text: bytes) -> int:
    if not _DIGITS.fullmatch(text) or int(text) > _MAX_COUNT:
        msg = f"expected a whole number, was {text!r}"
        raise ValueError(msg)
    return int(text)
