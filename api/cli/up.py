"""`mft up`: the engine, kept running, and its HTTP interface."""

from pathlib import Path
from typing import Annotated

import typer

from api.cli.live import ExchangeUrl, Symbols
from api.cli.options import Assignments, Config
from api.cli.signals import Stopped
from flows.domain.errors import ConfigurationError


def up_command(
    symbols: Symbols = "BTCUSDT,ETHUSDT",
    exchange: ExchangeUrl = None,
    mode: Annotated[
        str, typer.Option(help="paper, loopback, demo or live; as in mft trade.")
    ] = "paper",
    data: Annotated[
        Path, typer.Option(help="Directory of this account: journal and recording.")
    ] = Path("data"),
    config: Config = None,
    assignments: Assignments = None,
    host: Annotated[
        str, typer.Option(help="Address to listen at; others than loopback see it all.")
    ] = "127.0.0.1",
    port: Annotated[
        int, typer.Option(min=0, max=65_535, help="Port; 0 takes a free one.")
    ] = 8_080,
    allow_host: Annotated[
        list[str] | None,
        typer.Option(help="Name by which browsers reach it; repeatable."),
    ] = None,
    archive: Annotated[
        bool,
        typer.Option("--archive/--no-archive", help="Keep ClickHouse up to date, too."),
    ] = True,
    archive_port: Annotated[
        int,
        typer.Option(
            min=0, max=65_535, help="Where ClickHouse answers; 0: a free port."
        ),
    ] = 0,
    start: Annotated[
        bool, typer.Option("--start/--no-start", help="Start the engine at once.")
    ] = True,
) -> None:
    """Keep an engine running, and control and watch it over HTTP.

    The first start shows two tokens, once: the viewer's may look, the operator's may
    control. Ctrl-C ends this command only; the engine trades on, and the next `mft up`
    finds it again. `mft stop` ends the engine.

    Example: mft up --symbols BTCUSDT,ETHUSDT --port 8080
    """
    from api.cli.mode import endpoints_in, mode_of
    from api.http.serve import serve
    from connectors.output import is_engine_in

    endpoints_in(mode_of(mode), exchange)  # better now than by the engine's log
    arguments = ["--symbols", symbols, "--mode", mode]
    for name, value in (("--exchange", exchange), ("--config", config)):
        if value is not None:
            arguments += [name, str(value)]
    for assignment in assignments or ():
        arguments += ["--set", assignment]
    try:
        data.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        msg = f"{data}: cannot be used for data: {error.strerror}"
        raise ConfigurationError(msg) from error
    try:
        serve(
            data,
            arguments if start else None,
            host=host,
            port=port,
            hosts=allow_host or (),
            archive_port=archive_port if archive else None,
            tell=typer.echo,
        )
    except Stopped:  # the usual end
        if is_engine_in(data):
            typer.echo(f"the engine goes on; mft stop --data {data} ends it")
