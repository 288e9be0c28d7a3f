"""`mft pause`, `resume`, `flatten`, `stop`, `reset`: what a person decides."""

import getpass
import os
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from flows.domain.errors import CommandRefused, EngineSilent, NoEngine

if TYPE_CHECKING:
    from connectors.control.protocol import Handled, Request

_REFUSED = 1

Data = Annotated[
    Path, typer.Option("--data", help="Directory of the engine: mft trade --data.")
]
Reason = Annotated[str, typer.Option("--reason", help="Why, for the journal.")]
Operator = Annotated[
    str | None,
    typer.Option("--operator", help="Who, for the journal [default: the user]."),
]
Json = Annotated[bool, typer.Option("--json", help="Print the engine's answer.")]


def pause_command(
    data: Data = Path("data"),
    reason: Reason = "",
    operator: Operator = None,
    as_json: Json = False,
) -> int:
    """Send no more entries; exits go on.

    Example: mft pause --data data/paper --reason "news at 14:00"
    """
    return _command("pause", data, reason, operator, as_json=as_json)


def resume_command(
    data: Data = Path("data"),
    reason: Reason = "",
    operator: Operator = None,
    as_json: Json = False,
) -> int:
    """Allow entries again after a pause or a flatten.

    Example: mft resume --data data/paper
    """
    return _command("resume", data, reason, operator, as_json=as_json)


def flatten_command(
    data: Data = Path("data"),
    reason: Reason = "",
    operator: Operator = None,
    as_json: Json = False,
) -> int:
    """Close every position, then stay paused.

    Example: mft flatten --data data/paper --reason "weekend"
    """
    return _command("flatten", data, reason, operator, as_json=as_json)


def stop_command(
    data: Data = Path("data"),
    reason: Reason = "",
    operator: Operator = None,
    as_json: Json = False,
) -> int:
    """End the engine as Ctrl-C does: close what is open, flush everything.

    Example: mft stop --data data/paper
    """
    return _command("stop", data, reason, operator, as_json=as_json)


def reset_command(
    reason: Annotated[str, typer.Option("--reason", help="Why trading may go on.")],
    data: Data = Path("data"),
    rebase_peak: Annotated[
        bool,
        typer.Option("--rebase-peak", help="Measure drawdown from equity now."),
    ] = False,
    operator: Operator = None,
    as_json: Json = False,
) -> int:
    """Release the kill switch of a running engine, once everything is closed.

    Example: mft reset --data data/paper --reason "feed repaired, positions checked"
    """
    return _command(
        "reset", data, reason, operator, rebase_peak=rebase_peak, as_json=as_json
    )


def request_of(
    verb: str, reason: str, operator: str | None, *, rebase_peak: bool = False
) -> "Request":
    """A request as it is sent, of the present user where nobody is named."""
    from connectors.control.protocol import Request

    who, why = _as_text(operator or _user()), _as_text(reason)
    return Request(verb, who, why, rebase_peak)


def _as_text(argument: str) -> str:
    """An argument without what is no Unicode: a slip of the pen stops no kill."""
    return argument.encode(errors="replace").decode()


def _user() -> str:
    try:
        return getpass.getuser()
    except (KeyError, OSError):  # nobody that the system knows
        return str(os.getuid())


def _command(
    verb: str,
    data: Path,
    reason: str,
    operator: str | None,
    *,
    rebase_peak: bool = False,
    as_json: bool,
) -> int:
    from flows import remote

    request = request_of(verb, reason, operator, rebase_peak=rebase_peak)
    try:
        handled = remote.command(data, request)
    except EngineSilent as error:
        msg = f"{error}; it may yet {verb}: see mft status"
        raise EngineSilent(msg) from error
    except NoEngine as error:
        msg = f"{error}; start it first: mft trade --data {data}"
        raise NoEngine(msg) from error
    return tell_handled(handled, as_json=as_json)


def tell_handled(handled: "Handled", *, as_json: bool) -> int:
    """Print what became of a command; the exit status."""
    verb = handled.verb.value
    is_fine = handled.is_accepted and not handled.alarm
    if as_json:
        print_json(handled)
        return 0 if is_fine else _REFUSED
    if not handled.is_accepted:
        msg = f"{verb} refused: {handled.detail}"
        raise CommandRefused(msg)
    if handled.alarm:
        msg = f"{verb} accepted, but {handled.alarm}"
        raise CommandRefused(msg)
    typer.echo(f"{verb} accepted")
    return 0


def print_json(content: object) -> None:
    """Print something as JSON."""
    import msgspec

    typer.echo(msgspec.json.format(msgspec.json.encode(content)).decode())
