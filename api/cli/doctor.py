"""`mft doctor`: a line a check, each saying what to do."""

from pathlib import Path
from typing import Annotated

import typer

from api.cli.live import ExchangeUrl, Symbols, market_job
from api.cli.options import Assignments, Config

_GIB = 1 << 30


def doctor_command(
    symbols: Symbols = "BTCUSDT,ETHUSDT",
    exchange: ExchangeUrl = None,
    data: Annotated[Path, typer.Option(help="The account's directory.")] = Path("data"),
    record_gib: Annotated[
        int, typer.Option(min=1, help="Disk that recordings may take, in GiB.")
    ] = 20,
    config: Config = None,
    assignments: Assignments = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> int:
    """Check machine, connection, clock, disk, database and account before trading.

    Ends with status 1 where a check fails. Needs no keys.

    Example: mft doctor --symbols BTCUSDT,ETHUSDT
    """
    import msgspec

    from flows.doctor import Examination, Verdict, examine
    from flows.settings import load

    what = Examination(
        market_job(symbols, exchange, None),
        load(config, assignments or ()),
        data,
        record_gib * _GIB,
    )
    findings = []
    for finding in examine(what):
        findings.append(finding)
        if not as_json:
            advice = f"\n      -> {finding.advice}" if finding.advice else ""
            verdict = finding.verdict.value
            typer.echo(f"{verdict:>4}  {finding.check}: {finding.found}{advice}")
    if as_json:
        typer.echo(msgspec.json.format(msgspec.json.encode(findings)).decode())
    return int(any(finding.verdict is Verdict.FAIL for finding in findings))
