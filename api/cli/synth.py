"""`mft synth`: a recording of a market that never was."""

from collections.abc import Iterator
from pathlib import Path
from typing import Annotated

import typer

from connectors.exchange.synthetic import SyntheticMarket, generate
from connectors.recording import RecordingWriter
from flows.domain.errors import ConfigurationError, RecordingError
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
) -> None:
    """Write a seeded synthetic recording in the recorded format.

    The market has no edge built in: its imbalance does not predict its price.

    Example: mft synth --symbols BTCUSDT,ETHUSDT --seconds 300 --out synth.jsonl.gz
    """
    frames = write_synthetic(out, symbols.split(","), seconds, seed)
    typer.echo(f"{out}: {frames} frames, {seconds} s of {symbols}, seed {seed}")


def synthetic_frames(symbols: list[str], seconds: int, seed: int) -> Iterator[RawFrame]:
    """Frames of a synthetic market. Raises ConfigurationError on unusable symbols."""
    names = [symbol.strip().upper() for symbol in symbols if symbol.strip()]
    if not names or len(set(names)) != len(names):
        msg = f"Expected distinct symbols, was {','.join(symbols)!r}"
        raise ConfigurationError(msg)
    return generate(
        SyntheticMarket(symbols=names, seed=seed, start_ns=START_NS), seconds
    )


def write_synthetic(out: Path, symbols: list[str], seconds: int, seed: int) -> int:
    """Write a synthetic recording; the number of its frames."""
    frames = synthetic_frames(symbols, seconds, seed)
    count = 0
    try:
        with RecordingWriter(out) as writer:
            for frame in frames:
                writer.write(frame)
                count += 1
    except OSError as error:
        msg = f"{out}: cannot be written: {error.strerror}"
        raise RecordingError(msg) from error
    return count
