"""What is asked of an engine and what it answers: JSON, one line each.

    {"verb": "pause", "operator": "ann", "reason": "news at 14:00"}
    {"type": "handled", "verb": "pause", "is_accepted": true, ...}

Beside the verbs of the domain there are `status`, answered once, and `subscribe`,
answered again and again. What is not understood is answered by an error.
"""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from enum import Enum
from pathlib import Path
from typing import Annotated

import msgspec

from flows.domain.event import Verb

LONGEST_LINE = 65_536
"""Bytes of a request, its line end included."""

_Name = Annotated[str, msgspec.Meta(max_length=200)]
_Sentence = Annotated[str, msgspec.Meta(max_length=2_000)]


class Query(Enum):
    """What changes nothing."""

    STATUS = "status"
    SUBSCRIBE = "subscribe"


_VERBS: dict[str, Verb | Query] = {known.value: known for known in (*Verb, *Query)}


class Request(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What an operator asks."""

    verb: str
    operator: _Name = ""
    reason: _Sentence = ""
    rebase_peak: bool = False
    """Reset only: start the drawdown anew from the present equity."""

    @property
    def asked(self) -> Verb | Query:
        """The verb. Raises ValueError for one that is not known."""
        known = _VERBS.get(self.verb)
        if known is None:
            msg = f"expected one of {', '.join(_VERBS)}, was {self.verb[:40]!r}"
            raise ValueError(msg)
        return known


class Handled(msgspec.Struct, frozen=True, tag_field="type", tag="handled"):
    """The journal holds what the account made of a command."""

    verb: Verb
    received_ns: int
    """Its place in the engine's one order: `received_ns` of its `CommandHandled`."""
    is_accepted: bool
    detail: str = ""
    """Why it was refused."""
    alarm: str = ""
    """What is wrong with the kill latch all the same."""


class Told(msgspec.Struct, frozen=True, tag_field="type", tag="status"):
    """The engine's state, as it encoded it."""

    status: msgspec.Raw


class Failed(msgspec.Struct, frozen=True, tag_field="type", tag="error"):
    """Nothing is known to have been done."""

    error: str


Answer = Handled | Told | Failed

decode_request = msgspec.json.Decoder(Request).decode
decode_answer = msgspec.json.Decoder(Answer).decode


def to_line(message: Request | Answer) -> bytes:
    """A message as it travels."""
    return msgspec.json.encode(message) + b"\n"


@contextmanager
def socket_address(path: Path) -> Iterator[str]:
    """A name of `path` that fits a socket address (107 bytes), however long it is.

    Raises OSError where its directory cannot be opened.
    """
    directory = os.open(path.parent, os.O_PATH | os.O_DIRECTORY)
    try:
        yield f"/proc/self/fd/{directory}/{path.name}"
    finally:
        os.close(directory)
