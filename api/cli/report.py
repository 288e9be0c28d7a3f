"""The closing report, for a trader's eye."""

from pathlib import Path
from typing import Any

from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.table import Table

from api.cli.figures import cents

Report = dict[str, Any]


def print_report(report: Report, out: Path) -> None:
    """Print what a trader needs to see first; report.json holds the rest."""
    console = Console(highlight=False, markup=False, emoji=False, soft_wrap=True)
    console.print(_books(report["symbols"]))
    for symbol, facts in report["symbols"].items():
        if facts["note"]:
            console.print(f"{symbol}: {facts['note']}")
    for kind, count in report["unknown_streams"].items():
        console.print(f"Unknown stream kind {kind}: {count} frames passed over.")
    for warning in report["warnings"]:
        Console(stderr=True, highlight=False, markup=False, soft_wrap=True).print(
            f"Warning: {warning}"
        )
    console.print(_trading(report["totals"]))
    console.print(report["totals"]["verdict"], style="bold")
    totals = report["totals"]
    console.print(
        f"{totals['messages']:,} depth events in {totals['elapsed_s']} s. "
        f"Everything is in {out}."
    )


def _books(symbols: dict[str, Report]) -> Table:
    table = Table(title="Books", title_justify="left", box=SIMPLE_HEAD)
    table.add_column("symbol")
    table.add_column("state")
    for heading in ("applied", "gaps", "crossed", "as bookTicker", "signals"):
        table.add_column(heading, justify="right")
    for symbol, facts in symbols.items():
        table.add_row(
            symbol,
            facts["state"],
            f"{facts['applied']}/{facts['depth_events']}",
            str(facts["gaps"]),
            str(facts["crossed"]),
            f"{facts['book_ticker_equal']}/{facts['book_ticker_checked']}",
            f"{facts['signals']['BUY']} buy {facts['signals']['SELL']} sell",
        )
    return table


def _trading(totals: Report) -> Table:
    table = Table(
        title="Trading on paper",
        title_justify="left",
        box=SIMPLE_HEAD,
        show_header=False,
    )
    table.add_column()
    table.add_column()
    for name, value in _lines(totals):
        table.add_row(name, value)
    return table


def _lines(totals: Report) -> list[tuple[str, str]]:
    pnl, kill = totals["pnl"], totals["kill"]
    refused = [f"{count} {reason}" for reason, count in totals["refused"].items()]
    held = [
        f"{direction} {quantity} {symbol}"
        for symbol, (direction, quantity) in totals["open_positions"].items()
    ]
    return [
        ("trades", f"{totals['trades']} from {totals['orders']} orders"),
        ("still open", ", ".join(held) or "nothing"),
        ("win rate", _win_rate(totals)),
        (
            "break-even win rate",
            f"{_percent(totals['break_even_win_rate'])} after fees",
        ),
        ("profit factor", _or_dash(totals["profit_factor"])),
        ("gross", cents(pnl["gross"])),
        ("fees", cents(pnl["fees"])),
        ("net", cents(pnl["net"])),
        ("mean net per trade", _mean(totals)),
        ("largest drawdown", cents(totals["max_drawdown"])),
        ("equity", cents(totals["equity"])),
        ("refused", ", ".join(refused) or "none"),
        (
            "kill switch",
            f"{kill['reason']} at {kill['at']}: {kill['detail']}" if kill else "armed",
        ),
    ]


def _win_rate(totals: Report) -> str:
    if totals["win_rate"] is None:
        return "-"
    low, high = totals["win_rate_band"]
    band = f"95 % band {_percent(low)} to {_percent(high)}"
    return f"{_percent(totals['win_rate'])} ({band})"


def _mean(totals: Report) -> str:
    if totals["mean_net"] is None:
        return "-"
    if totals["mean_net_band"] is None:
        return cents(totals["mean_net"])
    low, high = map(cents, totals["mean_net_band"])
    return f"{cents(totals['mean_net'])} (95 % band {low} to {high})"


def _percent(rate: float) -> str:
    return f"{100 * rate:.1f} %"


def _or_dash(value: float | None) -> str:
    return "-" if value is None else f"{value:.2f}"
