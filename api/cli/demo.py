"""`mft demo`: the whole bot at work, on a market of this machine."""

import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from api.cli.signals import Stopped
from flows.domain.errors import ConfigurationError

if TYPE_CHECKING:
    from api.demo import Demo

_USUAL_PORT = 8_080


def demo_command(
    out: Annotated[
        Path | None, typer.Option(help="Directory for everything; a new one if absent.")
    ] = None,
    port: Annotated[
        int, typer.Option(min=0, max=65_535, help="Of the page; another if taken.")
    ] = _USUAL_PORT,
    as_json: Annotated[
        bool, typer.Option("--json", help="Print the report as JSON at the end.")
    ] = False,
) -> None:
    """Show the whole bot: exchange, engine on paper, archive, API, page and report.

    Runs until Ctrl-C; where standard input is no terminal, until the first trade. Then
    the engine stops, and a replay of what it has recorded makes the report.

    Example: mft demo
    """
    from api.demo import demonstration

    begun = time.monotonic()
    directory = out or Path("out") / time.strftime("demo-%Y%m%d-%H%M%S")
    try:
        directory.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        msg = f"{directory}: cannot be used as output: {error.strerror}"
        raise ConfigurationError(msg) from error
    if any(directory.iterdir()):
        raise ConfigurationError(f"{directory}: expected an empty directory")

    def tell(text: str) -> None:
        typer.echo(text, err=as_json)

    with demonstration(directory, port, tell) as demo:
        tell(f"Page: {demo.url} (operator token: {demo.token})")
        try:
            _watch(demo, begun, tell)
        except Stopped:
            tell("Stopping")
    _report(directory, as_json=as_json)


def _watch(demo: "Demo", begun: float, tell: Callable[[str], object]) -> None:
    """To the first trade and a look at the page; then for as long as somebody looks."""
    trade = demo.first_trade()
    tell(
        f"First trade {time.monotonic() - begun:.0f} s after the start: "
        f"{trade['direction']} {trade['symbol']}, left by {trade['exit_purpose']}, "
        f"{trade['net']} after fees"
    )
    files = demo.page_files()
    tell(
        f"The page is served, {len(files)} files"
        if files
        else "No page: it needs Node.js 20 or newer, then make ui"
    )
    if sys.stdin.isatty():
        tell("Ctrl-C ends it")
        while True:
            time.sleep(1)


def _report(directory: Path, *, as_json: bool) -> None:
    """Replay what was recorded."""
    from api.cli.replay import run_replay
    from flows.replay import ReplayJob
    from flows.settings import load

    recordings = sorted((directory / "data" / "recording").glob("*.jsonl.zst"))
    job = ReplayJob(recordings, directory / "replay", load())
    run_replay(job, as_json=as_json)
