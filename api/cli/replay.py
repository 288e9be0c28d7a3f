"""`mft replay`: recorded input through the whole bot, to a report."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from api.cli.options import Assignments, Config
from api.cli.signals import Stopped
from flows.domain.errors import ConfigurationError, Interrupted

if TYPE_CHECKING:
    from flows.replay import ReplayJob


def replay_command(
    out: Annotated[Path, typer.Option(help="Directory for the result.")],
    recordings: Annotated[
        list[Path] | None, typer.Argument(help="Recordings, merged by receive time.")
    ] = None,
    source: Annotated[
        str | None,
        typer.Option(
            "--from", metavar="URL", help="kafka://HOST:PORT/TOPIC[?run=ID] instead."
        ),
    ] = None,
    views: Annotated[
        bool, typer.Option("--views", help="Also write every book view to views.csv.")
    ] = False,
    instruments: Annotated[
        Path | None, typer.Option(help="Saved exchangeInfo with ticks and steps.")
    ] = None,
    config: Config = None,
    assignments: Assignments = None,
    as_json: Annotated[
        bool, typer.Option("--json", help="Print report.json instead of the summary.")
    ] = False,
) -> None:
    """Replay recordings through books, signals, risk gate and paper venue.

    Writes report.json, CSV files, the journal and an embedded ClickHouse to --out; what
    came --from Kafka as well. A run that was killed is resumed by the same command.

    Example: mft replay btcusdt.jsonl.gz ethusdt.jsonl.gz --out out/first
    """
    from flows.replay import ReplayJob
    from flows.settings import load

    settings = load(config, assignments or ())
    market = _market(recordings, source, out)
    job = ReplayJob(market, out, settings, instruments, views)
    run_replay(job, as_json=as_json)


def _market(recordings: list[Path] | None, url: str | None, out: Path) -> list[Path]:
    if recordings and url is None:
        return recordings
    if url is not None and not recordings:
        return [_fetched(url, out)]
    raise ConfigurationError(
        "Expected either recordings or --from (see mft replay --help)"
    )


def _fetched(url: str, out: Path) -> Path:
    """A recording in `out` of what a topic holds."""
    from api.cli.progress import progress_bars
    from connectors.kafka import parse_topic
    from flows.spool import spooled

    topic = parse_topic(url)
    try:
        with progress_bars({"fetch": None}) as advance:
            spool = spooled(topic, out, lambda more: advance("fetch", more))
    except Stopped as stopped:
        raise Interrupted(stopped.signal) from None
    if spool.fetched is not None and not spool.fetched.is_finished:
        typer.echo(
            f"{topic}: the run has no end; its first {spool.fetched.frames} frames are "
            f"whole and are replayed, {spool.fetched.left_out} behind them are not",
            err=True,
        )
    return spool.path


def run_replay(job: "ReplayJob", *, as_json: bool) -> None:
    """Replay, and print the report."""
    import msgspec

    from api.cli.progress import progress_bars
    from api.cli.report import print_report
    from flows.replay import replay

    size = sum(path.stat().st_size for path in job.recordings if path.is_file())
    try:
        with progress_bars({"replay": size, "archive": size}) as advance:
            report = replay(job, advance)
    except Stopped as stopped:
        raise Interrupted(stopped.signal) from None
    if as_json:
        typer.echo(msgspec.json.format(msgspec.json.encode(report)).decode())
    else:
        print_report(report, job.out)
