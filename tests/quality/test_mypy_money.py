"""The mypy plugin tells a division of integers from one of decimals."""

from pathlib import Path

import pytest
from mypy import api

PLUGIN = Path(__file__).with_name("mypy_money.py")
HEAD = """\
from datetime import timedelta
from decimal import Decimal
from enum import IntEnum
from typing import NewType
Ticks = NewType("Ticks", int)
class Level(IntEnum):
    BEST = 1
def judge(
    i: int, j: int, d: Decimal, t: timedelta, k: Ticks, b: bool, o: int | None,
    u: int | Decimal, e: Level,
) -> object:
"""
DIVISION = "int / int is a float; use // or Decimal (money is exact)"
POWER = "int ** negative is a float; use // or Decimal (money is exact)"
OTHER = "this is a float; use int or Decimal (money is exact)"


@pytest.fixture(scope="module")
def cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("cache")


@pytest.fixture
def tree(tmp_path: Path, cache: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    (tmp_path / "pyproject.toml").write_text(
        f'[tool.mypy]\nstrict = true\nplugins = ["{PLUGIN}"]\n'
        '[tool.money]\nstrict = ["domain/*"]\n'
    )
    (tmp_path / "domain").mkdir()
    monkeypatch.setenv("MYPY_CACHE_DIR", str(cache))
    monkeypatch.chdir(tmp_path)
    return tmp_path


def money_errors(path: Path, *lines: str) -> list[str]:
    path.write_text(HEAD + "".join(f"    {line}\n" for line in lines))
    out, err, _ = api.run([str(path)])
    assert err == ""
    marks = [line for line in out.splitlines() if line.endswith("[money]")]
    return [mark.partition("error: ")[2].removesuffix("  [money]") for mark in marks]


@pytest.mark.parametrize(
    ("line", "error"),
    [
        ("return i / j", DIVISION),
        ("return i / 2", DIVISION),
        ("return 1 / 2", DIVISION),
        ("i /= j  # type: ignore[assignment]", DIVISION),
        ("return i.__rtruediv__(j)", DIVISION),
        ("return i / (j + 1) * d", DIVISION),
        ("return sum([i, j]) / len([i, j])", DIVISION),
        ("return [x / j for x in (1, 2)]", DIVISION),
        ("return k / j", OTHER),
        ("return b / j", OTHER),
        ("return e / j", OTHER),
        ("return u / i", DIVISION),
        ("return (o or 1) / i", DIVISION),
        ("return i ** -1", POWER),
        ("return t / t", OTHER),
        ("return t.total_seconds()", OTHER),
        ("return float(i)", OTHER),
        ("return complex(i)", OTHER),
    ],
)
def test_plugin_float_in_strict_zone_is_an_error(
    tree: Path, line: str, error: str
) -> None:
    assert error in money_errors(tree / "domain" / "risk.py", line, "return None")


def test_plugin_exact_code_in_strict_zone_passes(tree: Path) -> None:
    lines = [
        "a: int = i // j + i % j + i ** 2 + 10 ** 8 - -i",
        "c: Decimal = d / i + i / d + d / d + d ** 2 + d ** -1",
        "d /= i",
        "return a, c, d, abs(i), divmod(i, j), t // t, t / 2, sum([i]), max(i, j)",
    ]
    assert money_errors(tree / "domain" / "risk.py", *lines) == []


def test_plugin_exact_code_keeps_the_types_mypy_gives(tree: Path) -> None:
    path = tree / "domain" / "power.py"
    path.write_text(
        "x: int = 10**8\ny: int = len('ab')\nz: tuple[int, ...] = (1,) * 2\n"
    )
    out, _, status = api.run([str(path)])
    assert (out, status) == ("Success: no issues found in 1 source file\n", 0)


def test_plugin_division_outside_strict_zone_passes(tree: Path) -> None:
    assert money_errors(tree / "charts.py", "return i / j") == []


def test_plugin_zone_widened_after_a_cached_run_is_seen(tree: Path) -> None:
    path = tree / "charts.py"
    assert money_errors(path, "return i / j") == []
    config = tree / "pyproject.toml"
    config.write_text(config.read_text().replace('"domain/*"', '"*"'))
    assert money_errors(path, "return i / j") == [DIVISION]
