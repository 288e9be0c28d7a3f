"""`mft drill`: rehearsals of what must work when it is needed."""

import sys
import time
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from flows.domain.errors import ConfigurationError

if TYPE_CHECKING:
    from flows.drill import Result, Scenario

_FAILED = 1

_KILL = "kill"


def drill_command(
    what: Annotated[str, typer.Argument(help="What to rehearse: kill.")],
    mode: Annotated[str, typer.Option(help="loopback or demo.")] = "loopback",
    exchange: Annotated[
        str | None, typer.Option(help="Its base URL [default: an exchange of its own].")
    ] = None,
    symbol: Annotated[str, typer.Option(help="What to hold.")] = "BTCUSDT",
    scenarios: Annotated[
        list[str] | None,
        typer.Option("--scenario", help="Only this one; repeatable [default: all]."),
    ] = None,
    out: Annotated[
        Path | None, typer.Option(help="New directory for the evidence.")
    ] = None,
    as_json: Annotated[
        bool, typer.Option("--json", help="Print the results as JSON.")
    ] = False,
) -> int:
    """Rehearse a kill: hold a small position, break something, time how long to flat.

    Every scenario leaves its journal, its steps and its result under --out. The demo
    environment takes its keys from the environment, as mft trade does.

    Example: mft drill kill
    """
    import msgspec

    from api.cli.mode import credentials_of, endpoints_in, mode_of
    from connectors.binance.signing import Mode
    from flows.drill import DrillJob
    from flows.drill import drill as rehearse
    from flows.drill import own_exchange

    if what != _KILL:
        raise ConfigurationError(f"Expected mft drill kill, was {what!r}")
    chosen = mode_of(mode)
    command = (sys.executable, "-m", "api.cli.main")
    with ExitStack() as stack:
        if chosen is Mode.LOOPBACK and exchange is None:
            exchange = stack.enter_context(own_exchange(command, symbol))
        endpoints, credentials = endpoints_in(chosen, exchange), credentials_of(chosen)
        if endpoints is None or credentials is None:
            raise ConfigurationError(f"Kill drills never run in mode {chosen.value}")
        place = out or Path("out") / time.strftime("drill-%Y%m%d-%H%M%S")
        if place.exists():
            raise ConfigurationError(f"{place} exists; choose another --out")
        job = DrillJob(
            chosen,
            endpoints,
            credentials,
            symbol,
            place,
            command,
            _chosen(scenarios, is_demo=chosen is Mode.DEMO),
        )
        results = rehearse(job, lambda result: None if as_json else _show(result))
    if as_json:
        typer.echo(msgspec.json.format(msgspec.json.encode(results)).decode())
    else:
        typer.echo(f"evidence: {place}")
    return 0 if all(result.is_passed for result in results) else _FAILED


def _chosen(names: list[str] | None, *, is_demo: bool) -> "list[Scenario]":
    from flows.drill import Scenario

    if names is None:
        return [s for s in Scenario if not (is_demo and s.needs_own_exchange)]
    try:
        return [Scenario(name) for name in names]
    except ValueError:
        known = ", ".join(scenario.value for scenario in Scenario)
        msg = f"Expected --scenario {known}, was {', '.join(names)}"
        raise ConfigurationError(msg) from None


def _show(result: "Result") -> None:
    verdict = "passed" if result.is_passed else "FAILED"
    after = result.flat_after_ms
    told = "never flat" if after is None else f"flat after {after / 1_000:6.3f} s"
    typer.echo(f"{result.scenario.value:14} {told}  {verdict}")
