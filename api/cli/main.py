"""The `mft` command: every command, and the one place where errors become exits."""

import sys
from typing import NoReturn

import typer

from api.cli import (
    archive,
    bench,
    control,
    demo,
    doctor,
    drill,
    exchange,
    kill,
    openapi,
    record,
    replay,
    scan,
    status,
    synth,
    trade,
    up,
)
from api.cli.signals import Stopped, raise_on_signals
from flows import log
from flows.domain.errors import (
    ConfigurationError,
    Interrupted,
    NoEngine,
    TradingError,
)

app = typer.Typer(
    name="mft",
    help="Order-book imbalance trading for Binance USD-M futures.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
)
app.command("replay")(replay.replay_command)
app.command("demo")(demo.demo_command)
app.command("trade")(trade.trade_command)
app.command("up")(up.up_command)
app.command("status")(status.status_command)
app.command("pause")(control.pause_command)
app.command("resume")(control.resume_command)
app.command("flatten")(control.flatten_command)
app.command("kill")(kill.kill_command)
app.command("drill")(drill.drill_command)
app.command("reset")(control.reset_command)
app.command("stop")(control.stop_command)
app.command("record")(record.record_command)
app.command("archive")(archive.archive_command)
app.command("doctor")(doctor.doctor_command)
app.command("scan")(scan.scan_command)
app.command("synth")(synth.synth_command)
app.command("bench")(bench.bench_command)
app.command("openapi")(openapi.openapi_command)
app.command("exchange")(exchange.exchange_command)

_BAD_INPUT = 1
_BAD_USE = 2
_SIGNALLED = 128


def main() -> None:
    """Run the command line; an error is one plain sentence on standard error."""
    try:
        sys.exit(_run())
    except Interrupted as error:
        _fail("interrupted; run the same command again", _SIGNALLED + error.signal)
    except Stopped as stopped:
        _fail("interrupted", _SIGNALLED + stopped.signal)
    except (ConfigurationError, NoEngine) as error:
        _fail(str(error), _BAD_USE)
    except TradingError as error:
        _fail(str(error), _BAD_INPUT)
    except typer.TyperException as error:
        _fail(_usage(error), _BAD_USE)
    except OSError as error:
        _fail(str(error), _BAD_INPUT)


def _run() -> int:
    raise_on_signals()
    log.configure()
    if len(sys.argv) == 1:
        app(["--help"], prog_name="mft", standalone_mode=False)
        return _BAD_USE
    return app(prog_name="mft", standalone_mode=False) or 0


def _usage(error: typer.TyperException) -> str:
    """What was wrong with the command line, and where the right one is explained."""
    context = getattr(error, "ctx", None)
    command = context.command_path if context else "mft"
    return f"{error.format_message().rstrip('.')} (see {command} --help)"


def _fail(message: str, status: int) -> NoReturn:
    """Exit with one line, whatever the message quotes from input."""
    line = " ".join(message.splitlines())
    line = "".join(c if c.isprintable() else "\N{REPLACEMENT CHARACTER}" for c in line)
    sys.stderr.write(f"mft: {line}\n")
    sys.exit(status)


if __name__ == "__main__":
    main()
