"""`mft bench`: how fast it is here, next to what most bots start from."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from api.benchmark import Figures

_SYNTHETIC_SECONDS = 120
_LINES = (
    ("naive_book_us", "naive book (dict of Decimal, sorted at each event)"),
    ("reference_book_us", "reference book (payload to top five)"),
    ("native_book_us", "native book"),
    ("reference_path_us", "whole path, reference book (all frames, journal)"),
    ("native_path_us", "whole path, native book"),
)


def bench_command(
    recordings: Annotated[
        list[Path] | None,
        typer.Option("--recording", help="Recording to measure on; repeatable."),
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Measure microseconds per depth event, all contenders in one run.

    Without a recording a synthetic market of two minutes serves.

    Example: mft bench --recording btcusdt.jsonl.gz --recording ethusdt.jsonl.gz
    """
    import msgspec

    from api.benchmark import measure
    from api.cli.progress import progress_bars
    from api.cli.synth import synthetic_frames
    from connectors.recording import merged_frames

    if recordings:
        frames = list(merged_frames(recordings))
    else:
        frames = list(synthetic_frames(["BTCUSDT", "ETHUSDT"], _SYNTHETIC_SECONDS, 7))
    with progress_bars({"bench": len(frames)}) as advance:
        figures = measure(frames, lambda done: advance("bench", done))
    if as_json:
        typer.echo(msgspec.json.format(msgspec.json.encode(figures)).decode())
    else:
        _print(figures)


def _print(figures: "Figures") -> None:
    for key, label in _LINES:
        value = figures[key]
        typer.echo(f"{label:<52} {'not installed' if value is None else f'{value} us'}")
    typer.echo(
        f"\nper depth event, over {figures['messages']} events of "
        f"{figures['levels_per_message']} levels; naive is "
        f"{figures['naive_over_reference_book']} x the reference book and "
        f"{figures['naive_over_reference_path']} x the whole path."
    )
