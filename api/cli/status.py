"""`mft status`: what a running engine holds, does and is allowed to do."""

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from api.cli.control import Data
from api.cli.figures import cents, price_like

if TYPE_CHECKING:
    from flows.telemetry import LimitTold, OrderTold, PnlTold, PositionTold, Telemetry


def status_command(
    data: Data = Path("data"),
    follow: Annotated[
        bool, typer.Option("--follow", help="Go on, up to four times a second.")
    ] = False,
    as_json: Annotated[
        bool, typer.Option("--json", help="Print JSON; with --follow, a line each.")
    ] = False,
) -> None:
    """Show what a running engine holds, does and is allowed to do.

    Example: mft status --data data/paper
    """
    import msgspec

    from flows import remote

    if not follow:
        told = remote.status(data)
        if as_json:
            typer.echo(msgspec.json.format(msgspec.json.encode(told)).decode())
        else:
            typer.echo(status_text(told))
        return
    states = remote.states(data)
    if as_json:
        for told in states:
            typer.echo(msgspec.json.encode(told).decode())
    else:
        _show(states)


def status_text(told: "Telemetry") -> str:
    """The state for a terminal, in cents; `--json` tells it exactly."""
    lines = [
        f"{told.mode} {told.run_id}: {_standing(told)}",
        f"equity {cents(told.equity)}, drawdown {cents(told.drawdown)}",
        f"today {_parts(told.day)}",
        f"in all {_parts(told)}",
        _data_line(told),
        _counts_line(told),
        "limits: " + ", ".join(f"{n} {_used(n, u)}" for n, u in told.limits.items()),
        *(f"book {s}: {b.state}, {b.gaps} gaps" for s, b in told.books.items()),
        *map(_position_line, told.positions),
        *map(_order_line, told.orders),
    ]
    if told.alarm:
        lines.append(f"ALARM: {told.alarm}")
    return "\n".join(lines)


def _parts(told: "PnlTold | Telemetry") -> str:
    gross, fees, funding = map(cents, (told.gross, told.fees, told.funding))
    return f"{cents(told.net)} net (gross {gross}, fees {fees}, funding {funding})"


def _used(name: str, told: "LimitTold") -> str:
    if name == "orders_per_minute":
        return f"{told.used}/{told.limit}"
    return f"{cents(told.used)}/{cents(told.limit)}"


def _data_line(told: "Telemetry") -> str:
    age = "none yet" if told.data_age_ms is None else f"{told.data_age_ms} ms old"
    p99_ms = told.latency.p99_ns / 1_000_000
    return f"data {age}, p99 {p99_ms:.2f} ms over {told.latency.views:,} views"


def _counts_line(told: "Telemetry") -> str:
    counts = told.counts
    line = f"{counts.signals} signals, {counts.orders} orders"
    refused = [f"{number} {why}" for why, number in sorted(counts.refused.items())]
    return f"{line}, refused: {', '.join(refused)}" if refused else line


def _position_line(held: "PositionTold") -> str:
    line = (
        f"{held.direction} {held.quantity} {held.symbol} "
        f"at {price_like(held.entry_price, held.mark)}, mark {held.mark}, "
        f"net {cents(held.net)} once closed, {held.held_s} s"
    )
    return f"{line}, leaving: {held.closing}" if held.closing else line


def _order_line(order: "OrderTold") -> str:
    price = "MARKET" if order.limit_price is None else f"at {order.limit_price}"
    what = f"{order.side} {order.quantity} {order.symbol} {price}"
    return f"in flight: {what} ({order.purpose}), {order.status}, {order.age_ms} ms"


def _standing(told: "Telemetry") -> str:
    if told.killed is not None:
        return f"KILLED ({told.killed.reason}): {told.killed.detail}"
    if told.is_flattening:
        return "flattening"
    return "paused" if told.is_paused else "trading"


def _show(states: Iterator["Telemetry"]) -> None:
    from rich.console import Console
    from rich.live import Live
    from rich.text import Text

    with Live(console=Console(), auto_refresh=False) as live:
        for told in states:
            live.update(Text(status_text(told)), refresh=True)
