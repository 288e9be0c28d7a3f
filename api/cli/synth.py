"""`mft synth`: a recording of a market that never was."""

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from flows.domain.errors import ConfigurationError, RecordingError
from flows.domain.units import NS_PER_S

if TYPE_CHECKING:
    from flows.domain.frame import RawFrame

START_NS = 1_767_225_600_000_000_000
"""2026-01-01 00:00 UTC: a fixed beginning, so that a seed always gives one file."""


def synth_command(
    out: Annotated[Path, typer.Option(help="Recording to write (.jsonl.gz).")],
    symbols: Annotated[
        str, typer.Option(help="Comma-separated symbols.")
    ] = "BTCUSDT,ETHUSDT",
    seconds: Annotated[
        int, typer.Option(min=1, help="Length of the recording, seconds.")
    ] = 120,
    seed: Annotated[int, typer.Option(help="The same seed gives the same bytes.")] = 7,
    as_json: Annotated[
        bool, typer.Option("--json", help="Print what was written as JSON.")
    ] = False,
) -> None:
    """Write a seeded synthetic recording in the recorded format.

    The market has no edge built in: its imbalance does not predict its price.

    Example: mft synth --symbols BTCUSDT,ETHUSDT --seconds 300 --out synth.jsonl.gz
    """
    from api.cli.progress import progress_bars

    with progress_bars({"synth": seconds}) as advance:
        names = symbols.split(",")
        frames = write_synthetic(out, names, seconds, seed, lambda: advance("synth", 1))
    if as_json:
        written = {"out": str(out), "frames": frames, "seconds": seconds, "seed": seed}
        typer.echo(json.dumps(written))
    else:
        typer.echo(f"{out}: {frames} frames, {seconds} s of {symbols}, seed {seed}")


def synthetic_frames(
    symbols: list[str], seconds: int, seed: int
) -> "Iterator[RawFrame]":
    """Frames of a synthetic market. Raises ConfigurationError on unusable symbols."""
    from connectors.exchange.synthetic import SyntheticMarket, generate

    names = [symbol.strip().upper() for symbol in symbols if symbol.strip()]
    if not names or len(set(names)) != len(names):
        msg = f"Expected distinct symbols, was {','.join(symbols)!r}"
        raise ConfigurationError(msg)
    return generate(
        SyntheticMarket(symbols=names, seed=seed, start_ns=START_NS), seconds
    )


def write_synthetic(
    out: Path,
    symbols: list[str],
    seconds: int,
    seed: int,
    on_second: Callable[[], None] = lambda: None,
) -> int:
    """Write a synthetic recording; the number of its frames."""
    from connectors.recording import RecordingWriter

    if not out.name:
        msg = f"{out}: cannot be written: expected the name of a file"
        raise RecordingError(msg)
    frames = synthetic_frames(symbols, seconds, seed)
    count, second_ns = 0, START_NS
    with RecordingWriter.create(out) as writer:
        for frame in frames:
            writer.write(frame)
            count += 1
            while frame.received_ns >= second_ns + NS_PER_S:
                second_ns += NS_PER_S
                on_second()
    return count
