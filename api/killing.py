"""A kill, step by step: the engine, its latch, and then the exchange itself."""

import asyncio
from collections.abc import Callable
from pathlib import Path
from queue import Empty, SimpleQueue
from threading import Thread

import msgspec

from connectors.binance.signing import Credentials, Mode
from connectors.binance.venue_kill import Flat, Step
from connectors.control.protocol import Handled, Request
from connectors.output import ACCESS, KILL_LATCH
from flows import remote
from flows.domain.errors import StoreError
from flows.flatten import Access, flatten, read_access
from flows.remote import LatchLeft

ENGINE_WITHIN_S = 5.0
"""How long an engine that took the kill has, before the exchange is asked as well."""

TOLD_WITHIN_S = remote.KILL_WITHIN_S + 0.5
"""How long engine and latch have, both together."""

Say = Callable[[str], None]
Taken = Handled | LatchLeft | StoreError
"""What engine or latch made of a kill; an error where neither could be told."""


class Killed(msgspec.Struct, frozen=True):
    """What a kill has come to."""

    after_ms: int | None
    """Until nothing was held; None where something still is."""
    by: str
    """`engine` or `exchange`: who said so."""
    alarm: str = ""
    """What is wrong with the kill latch all the same."""
    remaining: tuple[str, ...] = ()


def kept_access(data: Path) -> Access | None:
    """Where an engine's orders go; None on paper. Raises ConfigurationError."""
    access = read_access(data / ACCESS)
    return None if access is None or access.mode is Mode.PAPER else access


def tell_engine(data: Path, request: Request) -> Taken:
    """Tell the engine or leave the latch; a failure is no reason to stop there.

    Nor is a disk that hangs: it is told in a thread, and waited for no longer than
    TOLD_WITHIN_S.
    """
    told: SimpleQueue[Taken] = SimpleQueue()

    def tell() -> None:
        try:
            told.put(remote.kill(data, request))
        except StoreError as error:
            told.put(error)

    Thread(target=tell, daemon=True).start()
    try:
        return told.get(timeout=TOLD_WITHIN_S)
    except Empty:
        return StoreError(f"{data / KILL_LATCH}: not written yet: the disk hangs")


def finish(
    taken: Taken,
    data: Path,
    access: Access,
    credentials: Credentials,
    *,
    within_s: float,
    say: Say,
) -> Killed:
    """See to it that nothing is held at the exchange, by whatever way works.

    Raises ConfigurationError where the mode may not ask there.
    """
    alarm = ""
    if isinstance(taken, Handled):
        alarm = taken.alarm
        say("the engine has taken the kill")
        after_ns = remote.flat_after_ns(data, within_s=ENGINE_WITHIN_S)
        if after_ns is not None:
            return Killed(after_ns // 1_000_000, "engine", alarm)
        say("the engine is not flat yet; asking the exchange itself")
    elif isinstance(taken, StoreError):
        alarm = str(taken)
        say(f"{alarm}; asking the exchange itself")
    else:
        say(f"{taken.why}; its kill latch is in place: {taken.path}")
    flat = _flatten(access, credentials, data, within_s, say)
    after_ms = None if flat.after_ns is None else flat.after_ns // 1_000_000
    return Killed(after_ms, "exchange", alarm, tuple(flat.remaining))


def _flatten(
    access: Access, credentials: Credentials, data: Path, within_s: float, say: Say
) -> Flat:
    def show(step: Step) -> None:
        told = " ".join(filter(None, (step.symbol, step.what, step.detail)))
        say(told if step.is_done else f"failed: {told}")

    return asyncio.run(
        flatten(access, credentials, data, within_s=within_s, on_step=show)
    )
