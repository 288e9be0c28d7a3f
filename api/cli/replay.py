"""`mft replay` and `mft demo`: recorded input through the whole bot, to a report."""

import signal
import time
from pathlib import Path
from typing import Annotated

import msgspec
import typer

from api.cli.progress import progress_bars
from api.cli.report import print_report
from api.cli.synth import write_synthetic
from flows.domain.errors import Interrupted
from flows.replay import ReplayJob, replay
from flows.settings import load

_DEMO_SECONDS = 300
_DEMO_SYMBOLS = ["BTCUSDT", "ETHUSDT"]
_DEMO_SEED = 7


def replay_command(
    recordings: Annotated[
        list[Path], typer.Argument(help="Recordings, merged by receive time.")
    ],
    out: Annotated[Path, typer.Option(help="Directory for the result.")],
    views: Annotated[
        bool, typer.Option("--views", help="Also write every book view to views.csv.")
    ] = False,
    instruments: Annotated[
        Path | None, typer.Option(help="Saved exchangeInfo with ticks and steps.")
    ] = None,
    config: Annotated[Path | None, typer.Option(help="Settings as TOML.")] = None,
    assignments: Annotated[
        list[str] | None,
        typer.Option("--set", metavar="KEY=VALUE", help="One setting; repeatable."),
    ] = None,
    as_json: Annotated[
        bool, typer.Option("--json", help="Print report.json instead of the summary.")
    ] = False,
) -> None:
    """Replay recordings through books, signals, risk gate and paper venue.

    Writes report.json, CSV files, the journal and an embedded ClickHouse to --out.
    A run that was killed is resumed by the same command.

    Example: mft replay btcusdt.jsonl.gz ethusdt.jsonl.gz --out out/first
    """
    settings = load(config, assignments or ())
    job = ReplayJob(recordings, out, settings, instruments, views)
    _run(job, as_json=as_json)


def demo_command(
    recordings: Annotated[
        list[Path] | None,
        typer.Argument(help="Recordings; without any, a synthetic market serves."),
    ] = None,
    out: Annotated[
        Path | None, typer.Option(help="Directory for the result; a new one if absent.")
    ] = None,
) -> None:
    """Show the whole path: market, books, signals, trades, report, database.

    Example: mft demo
    """
    directory = out or Path("out") / time.strftime("demo-%Y%m%d-%H%M%S")
    if not recordings:
        directory.parent.mkdir(parents=True, exist_ok=True)
        synthetic = directory.with_suffix(".jsonl.gz")
        write_synthetic(synthetic, _DEMO_SYMBOLS, _DEMO_SECONDS, _DEMO_SEED)
        typer.echo(f"Synthetic market (no edge built in): {synthetic}")
        recordings = [synthetic]
    _run(ReplayJob(recordings, directory, load()), as_json=False)


def _run(job: ReplayJob, *, as_json: bool) -> None:
    size = sum(path.stat().st_size for path in job.recordings if path.is_file())
    try:
        with progress_bars({"replay": size, "archive": size}) as advance:
            report = replay(job, advance)
    except KeyboardInterrupt:
        raise Interrupted(signal.SIGINT) from None
    if as_json:
        encoded = msgspec.json.format(msgspec.json.encode(report))
        typer.echo(encoded.decode())
    else:
        print_report(report, job.out)
