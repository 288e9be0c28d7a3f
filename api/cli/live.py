"""What the commands on a live market share: their options and their status line."""

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from connectors.binance.transport import Endpoints
    from flows.live import MarketJob

_PLAIN_EVERY = 10

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

    Plain, or where that is no terminal: a line of its own every ten seconds.
    """
    from rich.console import Console
    from rich.live import Live
    from rich.text import Text

    if is_plain or not sys.stderr.isatty():
        told = 0

        def tell(line: str) -> None:
            nonlocal told
            if told % _PLAIN_EVERY == 0:
                typer.echo(line, err=True)
            told += 1

        yield tell
        return
    with Live(console=Console(stderr=True), auto_refresh=False, transient=True) as live:
        yield lambda line: live.update(Text(line, no_wrap=True), refresh=True)
