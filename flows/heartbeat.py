"""The pipe from an engine to its watchdog: who it is, that it lives, that it ends.

Lines of JSON. The engine never waits for its reader: a beat that finds the pipe full is
left out. That the pipe ends without a `Farewell` says that the engine has died.
"""

import os
from collections.abc import Collection
from contextlib import suppress

import msgspec

from flows.domain.units import NS_PER_MS

BEAT_EVERY_NS = 250 * NS_PER_MS


class Introduction(msgspec.Struct, frozen=True, tag=True):
    """The first line: what there is to kill, and where."""

    data: str
    """The engine's directory, absolute."""
    mode: str
    rest: str
    """Base URL of the exchange."""


class Beat(msgspec.Struct, frozen=True, tag=True):
    """The engine's flow has gone round."""

    entering: tuple[str, ...] = ()
    """Symbols with an order in flight that may increase a position."""


class Farewell(msgspec.Struct, frozen=True, tag=True):
    """The engine ends as it should; what it holds stays under its protective stops."""


Line = Introduction | Beat | Farewell

_decode = msgspec.json.Decoder(Line).decode


def read_line(text: bytes) -> Line:
    """One line. Raises msgspec.DecodeError where it is none."""
    line: Line = _decode(text)
    return line


class Heartbeat:
    """The engine's end of the pipe; takes `descriptor` over."""

    def __init__(self, descriptor: int) -> None:
        os.set_blocking(descriptor, False)
        self._descriptor = descriptor
        self._due_ns = 0
        self.is_heard = True
        """Whether somebody has the other end."""

    def introduce(self, introduction: Introduction) -> None:
        """Say who this is; before any beat."""
        self._write(introduction)

    def beat(self, now_ns: int, entering: Collection[str]) -> None:
        """Show that the flow goes round; a line every BEAT_EVERY_NS."""
        if now_ns >= self._due_ns:
            self._due_ns = now_ns + BEAT_EVERY_NS
            self._write(Beat(tuple(entering)))

    def close(self, *, is_farewell: bool) -> None:
        """End; without a farewell the watchdog takes the engine for dead."""
        if is_farewell:
            self._write(Farewell())
        with suppress(OSError):
            os.close(self._descriptor)

    def _write(self, line: Line) -> None:
        try:
            os.write(self._descriptor, msgspec.json.encode(line) + b"\n")
        except BlockingIOError:
            pass
        except OSError:
            self.is_heard = False
