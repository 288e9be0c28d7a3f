"""`mft kill`: the engine's kill switch, its latch, and the exchange itself."""

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
    from api.killing import Killed, Taken
    from flows.flatten import Access


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
    from api.killing import kept_access, tell_engine

    request = request_of("kill", reason, operator)
    given = _given_access(mode, exchange)
    if given is not None:
        data.mkdir(parents=True, exist_ok=True)
    taken = tell_engine(data, request)
    if given is None and isinstance(taken, StoreError) and not _is_kept(data):
        raise taken
    access = given or kept_access(data)
    if access is None:
        return _tell_paper(taken, as_json=as_json)
    return _finish(taken, data, access, within, is_quiet=as_json)


def _is_kept(data: Path) -> bool:
    from api.killing import kept_access

    return kept_access(data) is not None


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


def _tell_paper(taken: "Taken", *, as_json: bool) -> int:
    """On paper there is no outside venue: the engine flattens, or the next one."""
    from connectors.control.protocol import Handled

    if isinstance(taken, StoreError):
        raise taken
    if isinstance(taken, Handled):
        return tell_handled(taken, as_json=as_json)
    if taken.is_engine_there:
        msg = f"{taken.why}; its kill latch is in place: {taken.path}"
        raise EngineSilent(msg)
    if as_json:
        print_json({"type": "latched", "path": str(taken.path)})
    else:
        typer.echo(f"{taken.why}; the next one starts killed: {taken.path}")
    return 0


def _finish(
    taken: "Taken", data: Path, access: "Access", within_s: int, *, is_quiet: bool
) -> int:
    from api.cli.mode import credentials_of
    from api.killing import finish

    credentials = credentials_of(access.mode)
    if credentials is None:
        raise RuntimeError("Expected credentials beside paper")

    def say(text: str) -> None:
        if not is_quiet:
            typer.echo(text)

    killed = finish(taken, data, access, credentials, within_s=within_s, say=say)
    if killed.after_ms is None:
        msg = f"NOT FLAT after {within_s} s: {'; '.join(killed.remaining)}"
        raise CommandRefused(msg)
    return _tell_flat(killed, killed.after_ms, is_quiet=is_quiet)


def _tell_flat(killed: "Killed", after_ms: int, *, is_quiet: bool) -> int:
    if is_quiet:
        print_json(
            {
                "type": "flat",
                "after_ms": after_ms,
                "by": killed.by,
                "alarm": killed.alarm,
            }
        )
    else:
        typer.echo(f"flat after {after_ms / 1_000:.3f} s")
    if killed.alarm:
        raise CommandRefused(f"flat, but {killed.alarm}")
    return 0
