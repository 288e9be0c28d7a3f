"""The check for floats finds every way to one, and lets exact code pass."""

import ast
import subprocess
import sys
from pathlib import Path

import pytest

from tests.quality.money import ROOT, idle_patterns, main, money_findings
from tests.quality.money_names import is_money
from tests.quality.source import Source

STRICT = ["flows/domain/*", "connectors/binance/execution.py"]


def found(path: str, text: str) -> list[str]:
    source = Source(Path(path), text, ast.parse(text))
    return [str(finding) for finding in money_findings(source, STRICT)]


@pytest.mark.parametrize(
    ("text", "what"),
    [
        ("x = 0.5", 'float literal 0.5; use Decimal("0.5")'),
        ("x = 1e3", "float literal 1000.0"),
        ("x = -2.0", "float literal 2.0"),
        ("x = 2j", "complex literal 2j"),
        ("x = complex(1, 2)", "complex; use"),
        ("x = float(text)", "float; use Decimal"),
        ("def f(x: float) -> int: ...", "float; use Decimal"),
        ("def f(x: int) -> 'float | None': ...", "float; use Decimal"),
        ("x: 'dict[str, float]' = {}", "float; use Decimal"),
        ("isinstance(x, float)", "float; use Decimal"),
        ("x = builtins.float(text)", "float; use Decimal"),
        ("from builtins import float as number", "import of float"),
        ("import math", "import of math"),
        ("import os, math as m", "import of math"),
        ("from math import floor", "import of math"),
        ("import statistics", "import of statistics"),
        ("from statistics import mean", "import of statistics"),
        ("import numpy.linalg", "import of numpy"),
        ("x = round(y, 2)", "round; use Decimal.quantize"),
        ("x = map(round, ys)", "round; use Decimal.quantize"),
        ("x = Decimal.from_float(y)", "from_float; make"),
        ("from operator import truediv", "import of truediv"),
        ("x = operator.truediv(a, b)", "truediv; use //"),
        ("x = y / 2", "/ with an int literal; use //"),
        ("x = 1 / y", "/ with an int literal; use //"),
        ("x = y / -2", "/ with an int literal; use //"),
        ("x /= 2", "/ with an int literal; use //"),
        ("x = f'{y / 2}'", "/ with an int literal; use //"),
    ],
)
def test_money_findings_float_in_strict_zone_is_found(text: str, what: str) -> None:
    for path in ("flows/domain/risk.py", "connectors/binance/execution.py"):
        assert any(f"{path}:1: {what}" in finding for finding in found(path, text))


@pytest.mark.parametrize(
    "text",
    [
        "x = Decimal('0.5')",
        "x = a / b",
        "x = a // 2",
        "x = Decimal(1) / Decimal(3)",
        "x = value.quantize(step)",
        "x = 'float'",
        "x = True",
        "def f(x: 'Decimal | None') -> int: ...",
        "from decimal import ROUND_DOWN, FloatOperation",
        "from flows.domain.units import floor_to",
    ],
)
def test_money_findings_exact_code_in_strict_zone_passes(text: str) -> None:
    assert found("flows/domain/risk.py", text) == []


@pytest.mark.parametrize(
    "text",
    [
        "price: float = x",
        "best_price: float | None = None",
        "self.fee: Optional[float] = x",
        "prices: list[float]",
        "avgPrice: 'float'",
        "def f(quantity: float) -> None: ...",
        "def f(*, order_qty: Optional[float]) -> None: ...",
        "def total_pnl() -> float: ...",
        "async def fetch_balance() -> float: ...",
        "price = 0.5",
        "price = -0.5",
        "price = float(text)",
        "price = x if y else 0.0",
        "price = y or 0.0",
        "price = float(text) * 2",
        "self.price = float(text)",
        "row['price'] = float(text)",
        "bid_price = ask_price = 1.0",
        "size, (price, n) = x, (float(y), 1)",
        "cash += 0.1",
        "print(notional := 0.1)",
        "f(price=0.5)",
        "f(price=float(text))",
        "x = {'equity': float(text)}",
        "def f(price=0.5): ...",
        "def f(x, *, fee=0.5): ...",
        "x = lambda price=0.5: price",
    ],
)
def test_money_findings_name_of_money_as_float_is_found(text: str) -> None:
    for path in ("connectors/kafka.py", "api/http.py", "flows/settings.py"):
        assert [finding.split(" is money ")[1][:5] for finding in found(path, text)]


@pytest.mark.parametrize(
    "text",
    [
        "price: Decimal = Decimal('0.5')",
        "price = Decimal(text)",
        "price_ticks: int = 5",
        "price = float_to_text(x)",
        "elapsed_s: float = 0.5",
        "feed: float = 0.5",
        "cashier = 0.5",
        "timeout = float(text)",
        "f(timeout_s=0.5)",
        "x = {'elapsed_s': 0.5, **prices}",
        "def f(price, elapsed_s=0.5): ...",
        "price, elapsed_s = x, 0.5",
        "prices[0] = x",
    ],
)
def test_money_findings_other_names_outside_strict_zone_pass(text: str) -> None:
    assert found("connectors/kafka.py", text) == []


def test_is_money_whole_words_only_are_money() -> None:
    assert all(map(is_money, ["price", "last_price", "avgPrice", "PNL", "fee_bps"]))
    assert not any(map(is_money, ["priced", "feed", "cashier", "coffee", ""]))


def test_idle_patterns_renamed_module_is_named() -> None:
    assert idle_patterns(STRICT, [Path("flows/domain/risk.py")]) == STRICT[1:]


def test_main_bad_file_prints_place_and_exits_one(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    bad = tmp_path / "bad.py"
    bad.write_text("\nprice = 0.5\n")
    assert main([str(tmp_path)]) == 1
    lines = capsys.readouterr().out.splitlines()
    assert lines[0].startswith(f"{bad}:2: price is money set to a float; use Decimal")
    assert lines[1:] == ["money: 1 findings in 1 files"]


def test_main_unparsable_file_is_found(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "bad.py").write_text("def\n")
    assert main([str(tmp_path)]) == 1
    assert "bad.py:1: does not parse" in capsys.readouterr().out


def test_main_missing_path_exits_two(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main([str(tmp_path / "none")]) == 2
    assert "Expected a file or directory" in capsys.readouterr().out


def test_main_good_file_as_a_command_exits_zero_with_one_line(tmp_path: Path) -> None:
    (tmp_path / "good.py").write_text("price = 5\n")
    command = [sys.executable, "-m", "tests.quality.money", str(tmp_path)]
    done = subprocess.run(
        command, cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert (done.returncode, done.stdout) == (0, "money: no findings in 1 files\n")
