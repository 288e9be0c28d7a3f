"""Progress bars on standard error, only where somebody looks."""

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from rich.console import Console
from rich.progress import (
    BarColumn,
    Progress,
    TaskID,
    TextColumn,
    TimeElapsedColumn,
    TimeRemainingColumn,
)

Advance = Callable[[str, int], None]
"""Told the stage and how much more of it is done."""


@contextmanager
def progress_bars(totals: dict[str, int | None]) -> Iterator[Advance]:
    """A bar per stage of `totals` (None: size not known yet).

    Nothing is drawn where standard error is not a terminal.
    """
    console = Console(stderr=True)
    columns = (
        TextColumn("{task.description:>8}"),
        BarColumn(),
        TextColumn("{task.percentage:>3.0f} %"),
        TimeElapsedColumn(),
        TimeRemainingColumn(),
    )
    disable = not sys.stderr.isatty()  # rich would believe FORCE_COLOR instead
    with Progress(*columns, console=console, disable=disable, transient=True) as bars:
        tasks: dict[str, TaskID] = {
            stage: bars.add_task(stage, total=total) for stage, total in totals.items()
        }

        def advance(stage: str, more: int) -> None:
            bars.advance(tasks[stage], more)

        yield advance
