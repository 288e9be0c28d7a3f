"""Engines whose orders leave for a loopback exchange, and what both sides recorded."""

import json
from collections import Counter
from pathlib import Path
from typing import Any
from urllib.request import urlopen

import msgspec

from connectors.journal import JournalReader, JournalRow
from tests.flows.engine_process import Running, rows_of

QUICK = ("--set", "max_hold_s=2", "--set", "cooldown_ms=200")


def account_of(url: str) -> dict[str, Any]:
    """The exchange's own record."""
    with urlopen(f"{url}/admin/account", timeout=30) as reply:  # noqa: S310 - loopback
        found: dict[str, Any] = json.load(reply)
        return found


def trade(url: str, data: Path, *more: object) -> Running:
    """An engine that trades there."""
    mode = ("trade", "--mode", "loopback", "--exchange", url, "--data", data)
    return Running(*mode, "--plain", "--json", *QUICK, *more)


def every_row(data: Path) -> list[JournalRow]:
    """The journal of every run."""
    if not (data / "journal.sqlite").exists():
        return []
    reader = JournalReader(data / "journal.sqlite")
    try:
        return [
            row
            for run_id in reader.runs_back()
            for row in reader.events(run_id, 0, reader.last_sequence(run_id))
        ]
    finally:
        reader.close()


def run_ids(data: Path) -> set[str]:
    """Runs that have journalled something."""
    return {row.run_id for row in every_row(data)}


def has_approved(data: Path, count: int) -> bool:
    """Whether so many orders are journalled."""
    return approved_in(data) >= count


def approved_in(data: Path) -> int:
    """Orders that are journalled."""
    return sum(row.kind == "approved" for row in every_row(data))


def is_reconciled(data: Path) -> bool:
    """Whether the last run agrees with the exchange."""
    told = [
        msgspec.json.decode(row.body)["is_reconciled"]
        for row in rows_of(data)
        if row.kind == "reconciled"
    ]
    return told[-1:] == [True]


def trades_of(data: Path) -> Counter[tuple[str, str]]:
    """How often each trade is journalled."""
    return Counter(
        (row.symbol, msgspec.json.decode(row.body)["trade_id"])
        for row in every_row(data)
        if row.kind in {"fill", "outside_fill"}
    )


def venue_trades(account: dict[str, Any]) -> Counter[tuple[str, str]]:
    """Each trade in the exchange's own record."""
    return Counter((fill["symbol"], str(fill["id"])) for fill in account["fills"])


def names_of(account: dict[str, Any]) -> Counter[str]:
    """How often each client order id stands in the exchange's own record."""
    return Counter(order["clientOrderId"] for order in account["orders"])
