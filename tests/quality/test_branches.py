"""The coverage floors are judged by module, lines and branches apart."""

import json
from pathlib import Path

import pytest

from tests.quality.branches import Floors, Module, idle_patterns, main, offenders

FLOORS = Floors(["flows/domain/risk.py"], {"flows/domain/*": 90}, 80)
PYPROJECT = """\
[tool.branches]
complete = ["flows/domain/risk.py"]
modules = { "flows/domain/*" = 90 }
overall = 80
"""


def module(path: str, lines: int, branches: int, whole: int = 100) -> Module:
    return Module(path, whole, lines, whole, branches)


@pytest.mark.parametrize(
    ("path", "lines", "branches", "floor"),
    [
        ("flows/domain/risk.py", 100, 99, 100),
        ("flows/domain/risk.py", 99, 100, 100),
        ("flows/domain/book.py", 89, 100, 90),
        ("flows/domain/book.py", 100, 89, 90),
        ("api/http.py", 79, 100, 80),
        ("connectors/journal.py", 100, 79, 80),
    ],
)
def test_offenders_module_under_its_floor_is_found(
    path: str, lines: int, branches: int, floor: int
) -> None:
    [offender] = offenders([module(path, lines, branches)], FLOORS)
    assert offender.floor == floor


def test_offenders_modules_at_their_floors_pass() -> None:
    modules = [
        module("flows/domain/risk.py", 100, 100),
        module("flows/domain/book.py", 90, 90),
        module("api/http.py", 80, 80),
    ]
    assert list(offenders(modules, FLOORS)) == []


def test_offenders_other_modules_are_judged_together() -> None:
    modules = [module("api/http.py", 60, 60), module("connectors/x.py", 100, 100)]
    assert list(offenders(modules, FLOORS)) == []
    [offender] = offenders([*modules, module("api/b.py", 60, 60)], FLOORS)
    assert offender.module.path == "all other modules together"
    assert (offender.module.lines, offender.module.line_percent) == (300, 73)


def test_offenders_almost_all_of_a_complete_module_is_found() -> None:
    almost = module("flows/domain/risk.py", 9_999, 9_999, whole=10_000)
    assert [offender.module for offender in offenders([almost], FLOORS)] == [almost]


def test_offenders_module_without_branches_passes() -> None:
    assert list(offenders([Module("flows/domain/risk.py", 3, 3, 0, 0)], FLOORS)) == []


def test_idle_patterns_renamed_module_is_named() -> None:
    modules = [module("flows/domain/book.py", 90, 90)]
    assert idle_patterns(modules, FLOORS) == ["flows/domain/risk.py"]


def report(path: Path, missing: int) -> str:
    entry = {
        "summary": {
            "num_statements": 10,
            "covered_lines": 10 - missing,
            "num_branches": 4,
            "covered_branches": 4 - missing,
        },
        "missing_lines": [7, 8, 11] * missing,
        "missing_branches": [[6, 7], [7, 8]] * missing,
    }
    path.write_text(json.dumps({"files": {"flows/domain/risk.py": entry}}))
    return str(path)


@pytest.fixture
def pyproject(tmp_path: Path) -> Path:
    path = tmp_path / "pyproject.toml"
    path.write_text(PYPROJECT)
    return path


def test_main_report_under_a_floor_prints_table_and_exits_one(
    tmp_path: Path, pyproject: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main([report(tmp_path / "coverage.json", missing=1)], pyproject) == 1
    header, row, missing = capsys.readouterr().out.splitlines()
    assert header.split() == ["module", "lines", "branches", "floor"]
    assert " ".join(row.split()) == "flows/domain/risk.py 90 % 75 % 100 %"
    assert missing == "  not run: 7-8, 11, 6->7"


def test_main_report_at_its_floors_exits_zero(
    tmp_path: Path, pyproject: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main([report(tmp_path / "coverage.json", missing=0)], pyproject) == 0
    assert capsys.readouterr().out == "branches: 1 modules at or above their floors\n"


def test_main_idle_pattern_exits_one(
    tmp_path: Path, pyproject: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    pyproject.write_text(PYPROJECT.replace("risk.py", "gate.py"))
    assert main([report(tmp_path / "coverage.json", missing=0)], pyproject) == 1
    out = capsys.readouterr().out
    assert "[tool.branches]: flows/domain/gate.py names no measured module" in out


def test_main_without_a_report_exits_two(capsys: pytest.CaptureFixture[str]) -> None:
    assert main([]) == 2
    assert main(["no/such.json"]) == 2
    assert "Expected one file" in capsys.readouterr().out
