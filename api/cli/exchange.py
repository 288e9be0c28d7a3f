"""`mft exchange`: a Binance USD-M futures exchange on a loopback port."""

import asyncio
import signal
from decimal import Decimal, InvalidOperation
from fractions import Fraction
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from flows.domain.errors import ConfigurationError

if TYPE_CHECKING:
    from connectors.exchange.server import WallClock
    from connectors.exchange.tape import Tape
    from connectors.exchange.trading.trading import TradingSettings
    from connectors.exchange.venue import Venue

_DEFAULT_SYMBOLS = "BTCUSDT,ETHUSDT"
_PROBE_KEY = "probe-key"
_PROBE_SECRET = "probe-secret"  # noqa: S105 - of an exchange that trades nothing


def exchange_command(
    port: Annotated[
        int, typer.Option(min=0, max=65_535, help="Loopback port; 0 takes a free one.")
    ] = 18_080,
    recordings: Annotated[
        list[Path] | None,
        typer.Option(
            "--recording", help="Play this recording; several are merged by time."
        ),
    ] = None,
    synthetic: Annotated[
        str | None,
        typer.Option(help=f"Comma-separated symbols [default: {_DEFAULT_SYMBOLS}]."),
    ] = None,
    speed: Annotated[
        str, typer.Option(help="Play so many times as fast: 2, 0.5, 1/3.")
    ] = "1.0",
    loop: Annotated[
        bool, typer.Option("--loop", help="Begin the recording again at its end.")
    ] = False,
    key: Annotated[str, typer.Option(help="API key of the account.")] = _PROBE_KEY,
    secret: Annotated[
        str, typer.Option(help="Secret that signs by HMAC-SHA256.")
    ] = _PROBE_SECRET,
    ed25519_key: Annotated[
        Path | None,
        typer.Option(help="Public key (PEM) that signs by Ed25519, as well."),
    ] = None,
    balance: Annotated[
        str, typer.Option(help="What the account begins with, in USDT.")
    ] = "10000",
    countdown_cancels_algos: Annotated[
        bool,
        typer.Option(
            "--countdown-cancels-algos",
            help="countdownCancelAll withdraws conditional orders, too.",
        ),
    ] = False,
    scenario: Annotated[
        Path | None, typer.Option(help="Faults to happen (TOML or JSON lines).")
    ] = None,
    seed: Annotated[
        int, typer.Option(help="The same seed gives the same market and faults.")
    ] = 0,
) -> None:
    """Serve a Binance USD-M exchange on 127.0.0.1, from a recording or made up.

    REST is at http://127.0.0.1:PORT/fapi, streams at ws://127.0.0.1:PORT/public,
    /market and /private, the WebSocket API at /ws-fapi/v1. One account trades, with
    play money. Faults can be ordered by --scenario or POST /admin/faults.

    Example: mft exchange --port 18080 --synthetic BTCUSDT,ETHUSDT --seed 7
    """
    from connectors.exchange.server import WallClock

    clock = WallClock()
    start_ns = clock()
    pace = _speed(speed)
    if recordings and synthetic is not None:
        raise ConfigurationError("Expected --recording or --synthetic, was both")
    tape: Tape
    if recordings:
        tape = _recorded(recordings, start_ns, pace, is_looped=loop)
    else:
        tape = _synthetic(synthetic or _DEFAULT_SYMBOLS, start_ns, pace, seed)
    settings = _settings(key, secret, ed25519_key, balance, countdown_cancels_algos)
    venue = _venue(tape, start_ns, scenario, seed, settings)
    asyncio.run(_serve(venue, clock, port))


def _speed(text: str) -> Fraction:
    try:
        speed = Fraction(text)
    except (ValueError, ZeroDivisionError):
        speed = Fraction(0)
    if speed <= 0:
        raise ConfigurationError(f"--speed: expected a number above 0, was {text!r}")
    return speed


def _synthetic(symbols: str, start_ns: int, speed: Fraction, seed: int) -> "Tape":
    from connectors.exchange.synthetic_tape import SyntheticTape

    names = [name.strip().upper() for name in symbols.split(",") if name.strip()]
    return SyntheticTape(names, start_ns=start_ns, seed=seed, speed=speed)


def _recorded(
    paths: list[Path], start_ns: int, speed: Fraction, *, is_looped: bool
) -> "Tape":
    from connectors.exchange.recorded_tape import RecordedTape

    tape = RecordedTape(paths, start_ns=start_ns, speed=speed, is_looped=is_looped)
    for symbol in tape.unplayed:
        typer.echo(f"{symbol} has no snapshot and is not played", err=True)
    return tape


def _settings(
    key: str,
    secret: str,
    ed25519_key: Path | None,
    balance: str,
    countdown_cancels_algos: bool,
) -> "TradingSettings":
    from connectors.exchange.trading.signature import Credentials, ed25519_key_of
    from connectors.exchange.trading.trading import TradingSettings

    try:
        amount = Decimal(balance)
    except InvalidOperation:
        amount = Decimal("NaN")
    if not amount.is_finite() or amount < 0:
        msg = f"--balance: expected an amount of at least 0, was {balance!r}"
        raise ConfigurationError(msg)
    public_key = ed25519_key_of(ed25519_key) if ed25519_key else None
    return TradingSettings(
        Credentials(key, secret, public_key), amount, countdown_cancels_algos
    )


def _venue(
    tape: "Tape",
    start_ns: int,
    scenario: Path | None,
    seed: int,
    settings: "TradingSettings",
) -> "Venue":
    from connectors.exchange.scenario import read_scenario
    from connectors.exchange.venue import Venue

    symbols = list(tape.openings)
    faults = read_scenario(scenario, symbols, seed) if scenario else []
    return Venue(tape, start_ns=start_ns, faults=faults, seed=seed, settings=settings)


async def _serve(venue: "Venue", clock: "WallClock", port: int) -> None:
    from connectors.exchange.server import HOST, ExchangeServer

    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, stop.set)
    server = ExchangeServer(venue, clock)
    bound = await server.start(port)
    typer.echo(f"exchange: http://{HOST}:{bound} ({', '.join(venue.symbols)})")
    typer.echo(f"streams: ws://{HOST}:{bound}/public, ws://{HOST}:{bound}/market")
    typer.echo(f"account: ws://{HOST}:{bound}/private, ws://{HOST}:{bound}/ws-fapi/v1")
    await server.serve(stop)
    typer.echo("exchange: stopped")


if __name__ == "__main__":
    typer.run(exchange_command)
