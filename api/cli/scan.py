"""`mft scan`: which instruments suit the strategy, before anything is traded."""

import time
from decimal import Decimal
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from api.cli.live import ExchangeUrl, market_job, status_lines
from api.cli.options import Assignments, Config
from flows.domain.errors import ConfigurationError

if TYPE_CHECKING:
    from flows.domain.suitability import Scanned
    from flows.scan import ScanJob

_COLUMNS = {
    "spread": "spread_bps",
    "cost": "cost_bps",
    "depth": "depth_10bps",
    "volatility": "volatility_bps",
    "reach": "reach_share",
    "signals": "signals_per_hour",
    "synced": "synced_share",
    "watched": "seconds",
    "updates": "updates_per_s",
}
"""What may be sorted by; the dearest instrument comes last by default."""
_VERDICTS = ("suitable", "doubtful", "unsuitable")


def scan_command(
    recordings: Annotated[
        list[Path] | None,
        typer.Argument(help="Recordings; without any, the live market."),
    ] = None,
    symbols: Annotated[
        str | None,
        typer.Option(help="Comma-separated symbols: to follow, or to show."),
    ] = None,
    exchange: ExchangeUrl = None,
    duration: Annotated[
        int, typer.Option(min=1, help="Seconds to watch the live market.")
    ] = 600,
    out: Annotated[
        Path | None, typer.Option(help="Directory for the result; a new one if absent.")
    ] = None,
    sort: Annotated[
        str, typer.Option(help=f"Order of the rows: {', '.join(_COLUMNS)}.")
    ] = "cost",
    verdict: Annotated[
        str | None, typer.Option(help=f"Show only: {', '.join(_VERDICTS)}.")
    ] = None,
    config: Config = None,
    assignments: Assignments = None,
    clickhouse: Annotated[
        bool,
        typer.Option(
            "--clickhouse/--no-clickhouse",
            help="Load the result into an embedded ClickHouse, too.",
        ),
    ] = True,
    plain: Annotated[
        bool, typer.Option("--plain", help="A line every ten seconds, no live line.")
    ] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Say for each instrument what its market costs and whether it suits the strategy.

    The settings say for which order, target, stop and fees. The result is kept in
    --out: a journal, and the table `scans` of an embedded ClickHouse. The archive of an
    engine also takes the scans that are in `scans` of its directory.

    Example: mft scan --symbols BTCUSDT,ETHUSDT,SOLUSDT --duration 900 --sort spread
    """
    if sort not in _COLUMNS:
        msg = f"Expected --sort as one of {', '.join(_COLUMNS)}, was {sort}"
        raise ConfigurationError(msg)
    if verdict is not None and verdict not in _VERDICTS:
        msg = f"Expected --verdict as one of {', '.join(_VERDICTS)}, was {verdict}"
        raise ConfigurationError(msg)
    from flows.scan import ScanJob
    from flows.settings import load

    settings = load(config, assignments or ())
    directory = out or Path("out") / time.strftime("scan-%Y%m%d-%H%M%S")
    if recordings:
        job = ScanJob(directory, settings, recordings, has_store=clickhouse)
    else:
        market = market_job(symbols or "BTCUSDT,ETHUSDT", exchange, duration)
        job = ScanJob(directory, settings, market=market, has_store=clickhouse)
    wanted = {name.strip().upper() for name in (symbols or "").split(",")} - {""}
    found = [
        one
        for one in _scanned(job, is_plain=plain or as_json)
        if (not wanted or one.symbol in wanted) and verdict in (None, one.verdict)
    ]
    found.sort(key=lambda one: _rank(getattr(one, _COLUMNS[sort])))
    if as_json:
        import msgspec

        typer.echo(msgspec.json.format(msgspec.json.encode(found)).decode())
    else:
        _print(found, directory, settings.max_hold_s)


def _rank(value: Decimal | int | None) -> tuple[bool, Decimal | int]:
    """What was not measured comes last."""
    return value is None, value or Decimal(0)


def _scanned(job: "ScanJob", *, is_plain: bool) -> "list[Scanned]":
    from flows.scan import scan

    if job.market is None:
        from api.cli.progress import progress_bars

        size = sum(path.stat().st_size for path in job.recordings if path.is_file())
        with progress_bars({"scan": size}) as advance:
            return scan(job, lambda more: advance("scan", more))
    watched = 0

    def on_second(more: int) -> None:
        nonlocal watched
        watched += more
        show(f"scanning | {watched} s")

    with status_lines(is_plain=is_plain) as show:
        return scan(job, on_second)


def _print(found: "list[Scanned]", directory: Path, hold_s: int) -> None:
    from rich.box import SIMPLE_HEAD
    from rich.console import Console
    from rich.table import Table

    table = Table(box=SIMPLE_HEAD, collapse_padding=True, pad_edge=False)
    table.add_column("symbol")
    figures = ("spread", "cost", "depth 10", f"vol {hold_s} s", "reach", "signals")
    for heading in (*figures, "synced", "watched"):
        table.add_column(heading, justify="right")
    for one in found:
        table.add_row(
            one.symbol,
            _told(one.spread_bps),
            _told(one.cost_bps),
            "-" if one.depth_10bps is None else f"{one.depth_10bps:,.0f}",
            _told(one.volatility_bps),
            _percent(one.reach_share),
            f"{one.signals_per_hour:,.0f}",
            _percent(one.synced_share),
            f"{one.seconds:,} s",
        )
    console = Console(highlight=False, markup=False, emoji=False, soft_wrap=True)
    console.print(table)
    console.print("Spread, cost (of a round trip), volatility in bps; signals an hour.")
    if found:
        console.print(_fees(found[0]))
    for one in found:
        console.print(f"{one.symbol}: {one.sentence}")
    console.print(f"Everything is in {directory}.")


def _fees(one: "Scanned") -> str:
    fees, rate = f"{one.fee_bps.normalize():f}", _percent(one.fee_win_rate)
    return (
        f"Fees of {fees} bps a round trip ({one.fee_source}) alone ask for {rate} of "
        "trades to win."
    )


def _told(value: Decimal | None) -> str:
    return "-" if value is None else f"{value:.2f}"


def _percent(share: Decimal | None) -> str:
    return "-" if share is None else f"{share * 100:.1f} %"
