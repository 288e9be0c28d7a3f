"""The closing report: what it shows of odd input and of undefined figures."""

from pathlib import Path
from typing import Any

import pytest

from api.cli.report import print_report


def _facts(**changes: Any) -> dict[str, Any]:
    return {
        "state": "SYNCED",
        "applied": 1,
        "depth_events": 2,
        "gaps": 0,
        "crossed": 0,
        "book_ticker_equal": 0,
        "book_ticker_checked": 0,
        "signals": {"BUY": 0, "SELL": 0},
        "note": None,
        **changes,
    }


def _totals(**changes: Any) -> dict[str, Any]:
    return {
        "trades": 0,
        "orders": 0,
        "open_positions": {},
        "win_rate": None,
        "win_rate_band": None,
        "break_even_win_rate": 0.714286,
        "profit_factor": None,
        "pnl": {"gross": "0", "fees": "0", "net": "0"},
        "mean_net": None,
        "mean_net_band": None,
        "max_drawdown": "0",
        "equity": "10000",
        "refused": {},
        "kill": None,
        "verdict": "Too few trades to tell.",
        "messages": 2,
        "elapsed_s": 0.1,
        **changes,
    }


def _report(facts: dict[str, Any], totals: dict[str, Any]) -> dict[str, Any]:
    return {
        "symbols": {"[/b]": facts},
        "unknown_streams": {},
        "warnings": [],
        "totals": totals,
    }


def test_print_report_markup_in_input_is_shown_as_it_stands(
    capsys: pytest.CaptureFixture[str],
) -> None:
    report = _report(_facts(note="[red] :smile:"), _totals())
    report["unknown_streams"] = {"[/i]": 3}
    print_report(report, Path("[out]"))
    shown = capsys.readouterr().out
    assert "[/b]: [red] :smile:" in shown
    assert "Unknown stream kind [/i]: 3 frames passed over." in shown
    assert "Everything is in [out]." in shown


def test_print_report_undefined_figures_are_dashes(
    capsys: pytest.CaptureFixture[str],
) -> None:
    print_report(_report(_facts(), _totals()), Path("out"))
    lines = [line.split() for line in capsys.readouterr().out.splitlines()]
    assert ["win", "rate", "-"] in lines
    assert ["profit", "factor", "-"] in lines
    assert ["kill", "switch", "armed"] in lines


def test_print_report_traded_run_shows_bands_position_and_kill(
    capsys: pytest.CaptureFixture[str],
) -> None:
    totals = _totals(
        open_positions={"XUSDT": ["SHORT", "0.1"]},
        win_rate=0.5,
        win_rate_band=[0.25, 0.75],
        profit_factor=1.5,
        mean_net="-1.25",
        mean_net_band=["-2", "-0.5"],
        refused={"cooldown": 3},
        kill={"reason": "drawdown", "at": "noon", "detail": "too far"},
    )
    print_report(_report(_facts(), totals), Path("out"))
    shown = capsys.readouterr().out
    for words in (
        "SHORT 0.1 XUSDT",
        "50.0 % (95 % band 25.0 % to 75.0 %)",
        "-1.25 (95 % band -2.00 to -0.50)",
        "3 cooldown",
        "drawdown at noon: too far",
    ):
        assert words in shown


def test_print_report_single_trade_has_a_mean_without_band(
    capsys: pytest.CaptureFixture[str],
) -> None:
    print_report(_report(_facts(), _totals(mean_net="-1.25")), Path("out"))
    lines = [line.split() for line in capsys.readouterr().out.splitlines()]
    assert ["mean", "net", "per", "trade", "-1.25"] in lines
