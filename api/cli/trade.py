"""`mft trade`: the trading flow on a live market, on paper."""

from collections import Counter
from decimal import Decimal
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from api.cli.live import ExchangeUrl, Symbols, market_job, status_lines
from api.cli.options import Assignments, Config

if TYPE_CHECKING:
    from flows.telemetry import Telemetry

_GIB = 1 << 30


def trade_command(
    symbols: Symbols = "BTCUSDT,ETHUSDT",
    exchange: ExchangeUrl = None,
    mode: Annotated[
        str,
        typer.Option(
            help="paper, loopback (an exchange of your own: --exchange), demo or live."
        ),
    ] = "paper",
    data: Annotated[
        Path, typer.Option(help="Directory of this account: journal and recording.")
    ] = Path("data"),
    record: Annotated[
        bool, typer.Option("--record/--no-record", help="Keep every frame.")
    ] = True,
    record_gib: Annotated[
        int, typer.Option(min=1, help="Most disk for recordings, in GiB.")
    ] = 20,
    duration: Annotated[
        int | None, typer.Option(min=1, help="Stop after so many seconds.")
    ] = None,
    config: Config = None,
    assignments: Assignments = None,
    plain: Annotated[
        bool, typer.Option("--plain", help="A line every ten seconds, no live line.")
    ] = False,
    as_json: Annotated[
        bool, typer.Option("--json", help="Print the last status as JSON.")
    ] = False,
) -> None:
    """Trade on live public data: on paper, with no keys and no orders sent, by default.

    Other modes send orders and take keys from MFT_BINANCE_KEY and MFT_BINANCE_SECRET.
    Ctrl-C stops: no new entries, open positions closed, everything flushed. The next
    run on the same --data goes on from where the account stands.

    Example: mft trade --symbols BTCUSDT,ETHUSDT
    """
    import msgspec

    from api.cli.mode import credentials_of, endpoints_in, mode_of
    from flows.settings import load
    from flows.trade import TradeJob, trade

    chosen = mode_of(mode)
    job = TradeJob(
        market_job(symbols, endpoints_in(chosen, exchange), duration),
        data,
        load(config, assignments or ()),
        record_gib * _GIB if record else None,
        chosen,
        credentials_of(chosen),
    )
    with status_lines(is_plain=plain or as_json) as show:
        last = trade(job, lambda status: show(_line(status)))
    if as_json:
        typer.echo(msgspec.json.format(msgspec.json.encode(last)).decode())
    else:
        typer.echo(_line(last))


def _line(status: "Telemetry") -> str:
    told = status.books.values()
    states = Counter(book.state for book in told)
    books = ", ".join(f"{count} {state}" for state, count in states.items())
    killed = f" | KILLED: {status.killed.reason}" if status.killed else ""
    equity, day_pnl = Decimal(status.equity), Decimal(status.day_pnl)
    return (
        f"{status.mode} | books: {books or 'none yet'} | "
        f"{sum(book.depth_events for book in told):,} depth events, "
        f"{sum(book.gaps for book in told)} gaps | {len(status.positions)} open | "
        f"equity {equity:,.2f}, today {day_pnl:+,.2f} net | "
        f"p99 {status.latency.p99_ns / 1_000_000:.2f} ms{killed}"
    )
