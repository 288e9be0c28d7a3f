"""The engine's state as it comes, over its control socket.

Whoever waits for news is told the newest state, never a queue of old ones.
"""

import asyncio
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

import msgspec

from connectors.control.protocol import (
    Query,
    Request,
    Told,
    decode_answer,
    socket_address,
    to_line,
)
from connectors.output import CONTROL

_LONGEST_STATE = 16 << 20
_AGAIN_S = 0.1
_SILENT_AFTER_S = 2.0

Json = dict[str, Any]


class EngineLink:
    """Follows the engine of a directory, whichever it is and as often as it comes."""

    def __init__(
        self,
        data: Path,
        clock: Callable[[], float] = time.time,
        on_state: Callable[[Json], None] = lambda _: None,
    ) -> None:
        self._path = data / CONTROL
        self._clock = clock
        self._on_state = on_state
        self._changed = asyncio.Condition()
        self._heard_s = 0.0
        self.engine: Json | None = None
        """The last state heard; None where no engine is there."""
        self.raw = b""
        """The same, as the engine encoded it."""
        self.version = 0
        """Changes with every state."""

    @property
    def age_ms(self) -> int | None:
        """Since the state was heard; None where none is."""
        if self.engine is None:
            return None
        return int((self._clock() - self._heard_s) * 1_000)

    async def run(self) -> None:
        """Follow engines until cancelled."""
        while True:
            with suppress(OSError, TimeoutError, msgspec.DecodeError, ValueError):
                await self._follow()
            if self.engine is not None:
                await self._take(None, b"")
            await asyncio.sleep(_AGAIN_S)

    async def news(self, version: int) -> int:
        """Wait for a state other than that of `version`; the present version."""
        async with self._changed:
            await self._changed.wait_for(lambda: self.version != version)
            return self.version

    async def touch(self) -> None:
        """Let everybody look: something beside the engine's state has changed."""
        async with self._changed:
            self.version += 1
            self._changed.notify_all()

    async def _follow(self) -> None:
        with socket_address(self._path) as address:
            reader, writer = await asyncio.open_unix_connection(
                address, limit=_LONGEST_STATE
            )
        try:
            writer.write(to_line(Request(Query.SUBSCRIBE.value)))
            while True:
                async with asyncio.timeout(_SILENT_AFTER_S):
                    line = await reader.readline()
                answer = decode_answer(line)
                if not isinstance(answer, Told):
                    return
                raw = bytes(answer.status)
                engine = msgspec.json.decode(raw)
                self._on_state(engine)
                await self._take(engine, raw)
        finally:
            writer.transport.abort()

    async def _take(self, engine: Json | None, raw: bytes) -> None:
        self.engine, self.raw, self._heard_s = engine, raw, self._clock()
        await self.touch()


def patch_between(before: object, after: object) -> object:
    """What makes `before` into `after`: a JSON merge patch (RFC 7386).

    `before` and `after` are decoded JSON; what is null in `after` counts as absent.
    """
    if not isinstance(before, dict) or not isinstance(after, dict):
        return after
    patch: Json = dict.fromkeys(before.keys() - after.keys())
    for name, value in after.items():
        if name not in before:
            patch[name] = value
        elif before[name] != value:
            patch[name] = patch_between(before[name], value)
    return patch
