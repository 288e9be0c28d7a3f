"""Progress bars on standard error, only where somebody looks."""

from collections.abc import Iterator
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

from flows.replay import Progress as OnProgress


@contextmanager
def progress_bars(totals: dict[str, int | None]) -> Iterator[OnProgress]:
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
    disable = not console.is_terminal
    with Progress(*columns, console=console, disable=disable, transient=True) as bars:
        tasks: dict[str, TaskID] = {
            stage: bars.add_task(stage, total=total) for stage, total in totals.items()
        }

        def advance(stage: str, more: int) -> None:
            bars.advance(tasks[stage], more)

        yield advance
