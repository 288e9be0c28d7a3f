"""`mft record`: the live market into recordings that can be trusted."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from api.cli.live import ExchangeUrl, Symbols, market_job, status_lines
from flows.domain.errors import ConfigurationError

if TYPE_CHECKING:
    from flows.record import Recorded

_GIB = 1 << 30
_FOUND_FAULTS = 1


def record_command(
    symbols: Symbols = "BTCUSDT,ETHUSDT",
    exchange: ExchangeUrl = None,
    to: Annotated[
        Path | None, typer.Option("--to", help="Directory for the segments.")
    ] = None,
    max_gib: Annotated[
        int, typer.Option(min=1, help="Most disk to use, in GiB; the oldest goes.")
    ] = 20,
    segment_minutes: Annotated[
        int, typer.Option(min=1, help="Length of a segment.")
    ] = 60,
    duration: Annotated[
        int | None, typer.Option(min=1, help="Stop after so many seconds.")
    ] = None,
    verify: Annotated[
        Path | None,
        typer.Option(help="Check the segments of a directory; record nothing."),
    ] = None,
    plain: Annotated[
        bool, typer.Option("--plain", help="A line every ten seconds, no live line.")
    ] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> int:
    """Record live market data: depth, best prices, trades, snapshots, clock.

    Each segment replays alone and has a certificate beside it. Ctrl-C ends it whole.

    Example: mft record --symbols BTCUSDT --to recordings
    """
    if verify is not None:
        return _verify(verify, as_json=as_json)
    if to is None:
        raise ConfigurationError("Expected --to DIR, or --verify DIR")
    from connectors.recorder import Recorder
    from flows.record import record
    from flows.settings import load

    job = market_job(symbols, exchange, duration)
    recorder = Recorder(to, max_bytes=max_gib * _GIB, segment_s=segment_minutes * 60)
    with status_lines(is_plain=plain or as_json) as show:
        done = record(job, load(), recorder, lambda now: show(_line(now)))
    if as_json:
        import msgspec

        typer.echo(msgspec.json.format(msgspec.json.encode(done)).decode())
    else:
        typer.echo(_line(done))
    return 0


def _line(done: "Recorded") -> str:
    books = ", ".join(f"{count} {state}" for state, count in done.books.items())
    return (
        f"recording | books: {books or 'none yet'} | "
        f"{done.depth_events:,} depth events, {done.gaps} gaps"
    )


def _verify(directory: Path, *, as_json: bool) -> int:
    import msgspec

    from connectors.verification import verify_directory

    findings = verify_directory(directory)
    if as_json:
        typer.echo(msgspec.json.format(msgspec.json.encode(findings)).decode())
    else:
        for found in findings:
            verdict = "; ".join(found.faults) or "whole"
            alone = "" if found.replays_alone else ", needs the segment before it"
            typer.echo(
                f"{found.segment}: {found.lines:,} frames, {found.seconds:,} s, "
                f"{found.gaps} gaps{alone}: {verdict}"
            )
    return _FOUND_FAULTS if any(found.faults for found in findings) else 0
