"""What the commands on a live market share: their options and their status line."""

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from functools import partial
from queue import SimpleQueue
from threading import Thread
from typing import TYPE_CHECKING, Annotated, Self

import typer

if TYPE_CHECKING:
    from connectors.binance.transport import Endpoints
    from flows.live import MarketJob

_PLAIN_EVERY = 10
_PATIENCE_S = 1

Symbols = Annotated[
    str, typer.Option("--symbols", help="Comma-separated symbols to follow.")
]
ExchangeUrl = Annotated[
    str | None,
    typer.Option(
        "--exchange",
        metavar="URL",
        help="Another exchange, such as http://127.0.0.1:18080 [default: Binance].",
    ),
]


def market_job(
    symbols: str, exchange: "str | Endpoints | None", duration_s: int | None
) -> "MarketJob":
    """The market that the options name. Raises ConfigurationError on a bad URL."""
    from connectors.binance.transport import PRODUCTION, endpoints_of
    from flows.live import MarketJob

    names = [name.strip().upper() for name in symbols.split(",") if name.strip()]
    endpoints = exchange or PRODUCTION
    if isinstance(endpoints, str):
        endpoints = endpoints_of(endpoints)
    return MarketJob(list(dict.fromkeys(names)), endpoints, duration_s)


@contextmanager
def status_lines(*, is_plain: bool) -> Iterator[Callable[[str], None]]:
    """Show one line that is replaced each second, on a terminal's standard error.

    Plain, or where that is no terminal: a line of its own every ten seconds. A thread
    writes them, so that a terminal that stands still, or is gone, holds nothing up.
    """
    from rich.console import Console
    from rich.live import Live
    from rich.text import Text

    if is_plain or not sys.stderr.isatty():
        with _Lines(partial(typer.echo, err=True), every=_PLAIN_EVERY) as lines:
            yield lines.show
        return
    with (
        Live(console=Console(stderr=True), auto_refresh=False, transient=True) as live,
        _Lines(
            lambda line: live.update(Text(line, no_wrap=True), refresh=True)
        ) as lines,
    ):
        yield lines.show


class _Lines:
    """Writes the latest of the lines it is shown, from a thread of its own.

    Of `every` lines it takes the first. One that could not be written is forgotten.
    """

    def __init__(self, write: Callable[[str], None], *, every: int = 1) -> None:
        self._write = write
        self._every = every
        self._shown = 0
        self._latest: SimpleQueue[str | None] = SimpleQueue()
        self._thread = Thread(target=self._run, name="status lines", daemon=True)

    def show(self, line: str) -> None:
        """Take a line; never waits."""
        if self._shown % self._every == 0 and self._latest.empty():
            self._latest.put(line)
        self._shown += 1

    def __enter__(self) -> Self:
        """Begin."""
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        """End with what is written; a writer that stands still is left behind."""
        self._latest.put(None)
        self._thread.join(_PATIENCE_S)

    def _run(self) -> None:
        while (line := self._latest.get()) is not None:
            with suppress(OSError):
                self._write(line)
