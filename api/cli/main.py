"""The `mft` command: every command, and the one place where errors become exits."""

import sys

import typer

from api.cli import bench, replay, synth
from flows import log
from flows.domain.errors import ConfigurationError, Interrupted, TradingError

app = typer.Typer(
    name="mft",
    help="Order-book imbalance trading for Binance USD-M futures.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
)
app.command("replay")(replay.replay_command)
app.command("demo")(replay.demo_command)
app.command("synth")(synth.synth_command)
app.command("bench")(bench.bench_command)

_BAD_INPUT = 1
_BAD_USE = 2
_SIGNALLED = 128


def main() -> None:
    """Run the command line; an error is one plain sentence on standard error."""
    try:
        log.configure()
        app()
    except Interrupted as error:
        _fail("interrupted; the same command resumes", _SIGNALLED + error.signal)
    except ConfigurationError as error:
        _fail(str(error), _BAD_USE)
    except TradingError as error:
        _fail(str(error), _BAD_INPUT)


def _fail(message: str, status: int) -> None:
    sys.stderr.write(f"mft: {message}\n")
    sys.exit(status)


if __name__ == "__main__":
    main()
