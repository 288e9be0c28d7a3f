"""`mft kill`: the engine's kill switch, its latch, and the exchange itself."""

import asyncio
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from api.cli.control import (
    Data,
    Json,
    Operator,
    Reason,
    print_json,
    request_of,
    tell_handled,
)
from flows.domain.errors import CommandRefused, EngineSilent, StoreError

if TYPE_CHECKING:
    from connectors.binance.venue_kill import Flat, Step
    from connectors.control.protocol import Handled, Request
    from flows.flatten import Access
    from flows.remote import LatchLeft

_ENGINE_WITHIN_S = 5.0
"""How long an engine that took the kill has, before the exchange is asked as well."""


def kill_command(
    data: Data = Path("data"),
    reason: Reason = "",
    operator: Operator = None,
    mode: Annotated[
        str | None,
        typer.Option(help="Where orders go; as in mft trade [default: as its engine]."),
    ] = None,
    exchange: Annotated[
        str | None, typer.Option(help="Base URL of the exchange, with --mode.")
    ] = None,
    within: Annotated[
        int, typer.Option(min=1, help="Most seconds to spend on the exchange.")
    ] = 60,
    as_json: Json = False,
) -> int:
    """Latch the kill switch: close everything, and trade no more until a reset.

    Where orders go to an exchange, the command ends when nothing is open there: if the
    engine hangs, is dead or was never started, it asks the exchange itself. The latch
    in the directory kills an engine that goes on there, and the next one.

    Example: mft kill --data data/paper --reason "fills look wrong"
    """
    request = request_of("kill", reason, operator)
    given = _given_access(mode, exchange)
    if given is not None:
        data.mkdir(parents=True, exist_ok=True)
    outcome = _latch(data, request, is_last=given is None)
    access = given or _kept_access(data)
    if access is None:
        return _tell_paper(outcome, as_json=as_json)
    return _Kill(access, data, within, is_quiet=as_json).run(outcome)


def _latch(
    data: Path, request: "Request", *, is_last: bool
) -> "Handled | LatchLeft | StoreError":
    """Tell the engine or leave the latch; a failure is no reason to stop here."""
    from flows import remote

    try:
        return remote.kill(data, request)
    except StoreError as error:
        if is_last and _kept_access(data) is None:
            raise
        return error


def _given_access(mode: str | None, exchange: str | None) -> "Access | None":
    from api.cli.mode import endpoints_in, mode_of
    from connectors.binance.signing import Mode
    from flows.flatten import Access

    if mode is None:
        return None
    chosen = mode_of(mode)
    endpoints = endpoints_in(chosen, exchange)
    if chosen is Mode.PAPER or endpoints is None:
        return None
    return Access(chosen, endpoints.rest)


def _kept_access(data: Path) -> "Access | None":
    from connectors.binance.signing import Mode
    from connectors.output import ACCESS
    from flows.flatten import read_access

    access = read_access(data / ACCESS)
    return None if access is None or access.mode is Mode.PAPER else access


def _tell_paper(outcome: "Handled | LatchLeft | StoreError", *, as_json: bool) -> int:
    """On paper there is no outside venue: the engine flattens, or the next one."""
    from connectors.control.protocol import Handled

    if isinstance(outcome, StoreError):
        raise outcome
    if isinstance(outcome, Handled):
        return tell_handled(outcome, as_json=as_json)
    if outcome.is_engine_there:
        msg = f"{outcome.why}; its kill latch is in place: {outcome.path}"
        raise EngineSilent(msg)
    if as_json:
        print_json({"type": "latched", "path": str(outcome.path)})
    else:
        typer.echo(f"{outcome.why}; the next one starts killed: {outcome.path}")
    return 0


class _Kill:
    """The rest of a kill, once engine or latch know of it."""

    def __init__(
        self, access: "Access", data: Path, within_s: int, *, is_quiet: bool
    ) -> None:
        self._access = access
        self._data = data
        self._within_s = within_s
        self._is_quiet = is_quiet

    def run(self, outcome: "Handled | LatchLeft | StoreError") -> int:
        from connectors.control.protocol import Handled
        from flows import remote

        problem = ""
        if isinstance(outcome, Handled):
            problem = outcome.alarm
            self._say("the engine has taken the kill")
            after_ns = remote.flat_after_ns(self._data, within_s=_ENGINE_WITHIN_S)
            if after_ns is not None:
                return self._end(after_ns, "engine", problem)
            self._say("the engine is not flat yet; asking the exchange itself")
        elif isinstance(outcome, StoreError):
            problem = str(outcome)
            self._say(f"{problem}; asking the exchange itself")
        else:
            self._say(f"{outcome.why}; its kill latch is in place: {outcome.path}")
        flat = self._flatten()
        if flat.after_ns is None:
            msg = f"NOT FLAT after {self._within_s} s: {'; '.join(flat.remaining)}"
            raise CommandRefused(msg)
        return self._end(flat.after_ns, "exchange", problem)

    def _flatten(self) -> "Flat":
        from api.cli.mode import credentials_of
        from flows.flatten import flatten

        credentials = credentials_of(self._access.mode)
        if credentials is None:
            raise RuntimeError("Expected credentials beside paper")
        return asyncio.run(
            flatten(
                self._access,
                credentials,
                self._data,
                within_s=self._within_s,
                on_step=self._show,
            )
        )

    def _show(self, step: "Step") -> None:
        told = " ".join(filter(None, (step.symbol, step.what, step.detail)))
        self._say(told if step.is_done else f"failed: {told}")

    def _say(self, text: str) -> None:
        if not self._is_quiet:
            typer.echo(text)

    def _end(self, after_ns: int, by: str, problem: str) -> int:
        after_ms = after_ns // 1_000_000
        if self._is_quiet:
            told = {"type": "flat", "after_ms": after_ms, "by": by, "alarm": problem}
            print_json(told)
        else:
            typer.echo(f"flat after {after_ms / 1_000:.3f} s")
        if problem:
            raise CommandRefused(f"flat, but {problem}")
        return 0
