"""What an operator may ask of an engine from another process.

A kill needs no engine: where none answers, the kill latch is put in its directory, and
kills the engine that goes on there, or the next one that starts.
"""

import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import msgspec

from connectors.control.client import ask, follow
from connectors.control.protocol import Answer, Failed, Handled, Query, Request, Told
from connectors.kill_latch import Latch, write_latch
from connectors.output import CONTROL, KILL_LATCH
from flows.domain.errors import ConfigurationError, EngineSilent, NoEngine
from flows.domain.event import Verb
from flows.domain.kill import KillReason
from flows.telemetry import Telemetry

ANSWER_WITHIN_S = 5.0
KILL_WITHIN_S = 2.0
"""How long a kill waits for the engine before it leaves the latch."""

_decode_telemetry = msgspec.json.Decoder(Telemetry).decode


@dataclass(frozen=True)
class LatchLeft:
    """No engine has taken the kill; its latch is in place."""

    path: Path
    why: str
    is_engine_there: bool
    """Whether one is there that has not confirmed the kill, and may still trade."""


def status(data: Path) -> Telemetry:
    """The engine's state. Raises NoEngine."""
    request = Request(Query.STATUS.value)
    return _telemetry(ask(_socket(data), request, within_s=ANSWER_WITHIN_S))


def states(data: Path) -> Iterator[Telemetry]:
    """The engine's states as they come, up to ten a second. Raises NoEngine."""
    return map(_telemetry, follow(_socket(data), within_s=ANSWER_WITHIN_S))


def command(data: Path, request: Request) -> Handled:
    """What the engine made of a command; its journal holds it.

    Raises NoEngine where none is running, EngineSilent where it confirms nothing.
    """
    within_s = KILL_WITHIN_S if request.asked is Verb.KILL else ANSWER_WITHIN_S
    answer = ask(_socket(data), request, within_s=within_s)
    if not isinstance(answer, Handled):
        raise _failure(answer)
    return answer


def kill(data: Path, request: Request) -> Handled | LatchLeft:
    """Kill the engine in `data`, or leave the latch there.

    Raises StoreError where neither could be done: then nothing is killed.
    """
    try:
        return command(data, request)
    except NoEngine as error:
        path = data / KILL_LATCH
        latch = Latch(
            time.time_ns(), KillReason.COMMAND, request.reason, request.operator
        )
        write_latch(path, latch)
        return LatchLeft(path, str(error), isinstance(error, EngineSilent))


def flat_after_ns(data: Path, *, within_s: float) -> int | None:
    """How long a killed engine took until it was flat; None if longer than that.

    Also None where it ends, or does not answer, before it is.
    """
    until_s = time.monotonic() + within_s
    try:
        for told in states(data):
            if told.killed is not None and told.killed.flat_after_ns is not None:
                return told.killed.flat_after_ns
            if time.monotonic() >= until_s:
                break
    except NoEngine:
        pass
    return None


def _socket(data: Path) -> Path:
    if not data.is_dir():
        msg = f"{data}: no such directory; expected that of an `mft trade --data`"
        raise ConfigurationError(msg)
    return data / CONTROL


def _telemetry(answer: Answer) -> Telemetry:
    if not isinstance(answer, Told):
        raise _failure(answer)
    try:
        return _decode_telemetry(answer.status)
    except msgspec.ValidationError as error:
        msg = f"The engine is of another version: {error}"
        raise EngineSilent(msg) from error


def _failure(answer: Answer) -> EngineSilent:
    told = answer.error if isinstance(answer, Failed) else "something else"
    return EngineSilent(f"The engine answered: {told}")
