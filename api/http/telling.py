"""The state as it changes, encoded once for however many read it."""

from collections.abc import Callable
from typing import NamedTuple

import msgspec

from api.http.link import Json, patch_between

_encode = msgspec.json.encode


class Told(NamedTuple):
    """What a reader was told last."""

    message: str
    sequence: int
    version: int
    state: Json
    """As it is after the message; shared, and never changed."""


class Telling:
    """Messages about the newest state, shared by all who were told the same before."""

    def __init__(self, state_now: Callable[[], Json]) -> None:
        self._state_now = state_now
        self._version: int | None = None
        self._state: Json = {}
        self._snapshot = b""
        self._patches: dict[int, bytes] = {}
        """To the present version, by the version from which."""

    def first(self, version: int) -> Told:
        """The whole state; `version` is the present one."""
        state = self._at(version)
        self._snapshot = self._snapshot or _encode(state)
        message = _message("snapshot", 1, "state", self._snapshot)
        return Told(message, 1, version, state)

    def next(self, version: int, before: Told) -> Told:
        """What has changed since; `version` is the present one."""
        state, sequence = self._at(version), before.sequence + 1
        patch = self._patches.get(before.version)
        if patch is None:
            patch = _encode(patch_between(before.state, state))
            self._patches[before.version] = patch
        message = _message("delta", sequence, "patch", patch)
        return Told(message, sequence, version, state)

    def _at(self, version: int) -> Json:
        if version != self._version:
            self._version, self._state = version, self._state_now()
            self._snapshot = b""
            self._patches.clear()
        return self._state


def _message(kind: str, sequence: int, name: str, content: bytes) -> str:
    return f'{{"type":"{kind}","sequence":{sequence},"{name}":{content.decode()}}}'
