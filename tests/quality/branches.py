"""Coverage floors by module: `python -m tests.quality.branches COVERAGE.json`.

`[tool.branches]` in pyproject.toml names the floors. Lines and branches are judged
apart, each in whole percent rounded down, so 100 means all of them:

- `complete`: patterns of modules in which each must be 100 %
- `modules`: pattern and floor of further modules, each judged alone
- `overall`: the floor of all other modules together
"""

import json
import sys
import tomllib
from collections.abc import Iterable, Iterator, Sequence
from fnmatch import fnmatchcase
from itertools import groupby
from pathlib import Path
from typing import Any, NamedTuple

ROOT = Path(__file__).parents[2]


class Floors(NamedTuple):
    """Patterns over module paths, and the percentages they ask for."""

    complete: Sequence[str]
    modules: dict[str, int]
    overall: int

    def of(self, path: str) -> int | None:
        """The floor of one module; None where only the total counts."""
        if any(fnmatchcase(path, pattern) for pattern in self.complete):
            return 100
        for pattern, floor in self.modules.items():
            if fnmatchcase(path, pattern):
                return floor
        return None


class Module(NamedTuple):
    """How much of a module, or of several together, the tests ran."""

    path: str
    lines: int
    lines_run: int
    branches: int
    branches_run: int
    missing: str = ""

    @property
    def line_percent(self) -> int:
        """Lines run, in percent rounded down."""
        return _percent(self.lines_run, self.lines)

    @property
    def branch_percent(self) -> int:
        """Branches taken, in percent rounded down."""
        return _percent(self.branches_run, self.branches)


class Offender(NamedTuple):
    """A module under its floor."""

    module: Module
    floor: int


def modules_of(report: dict[str, Any]) -> list[Module]:
    """The modules of a `coverage json` report taken with branches."""
    return [_module(path, entry) for path, entry in sorted(report["files"].items())]


def offenders(modules: Iterable[Module], floors: Floors) -> Iterator[Offender]:
    """Every module under its own floor, then the others together if they are."""
    others = []
    for module in modules:
        floor = floors.of(module.path)
        if floor is None:
            others.append(module)
        elif _is_under(module, floor):
            yield Offender(module, floor)
    together = _total(others)
    if _is_under(together, floors.overall):
        yield Offender(together, floors.overall)


def idle_patterns(modules: Sequence[Module], floors: Floors) -> list[str]:
    """Patterns that name no measured module: one was renamed, or is never counted."""
    return [
        pattern
        for pattern in (*floors.complete, *floors.modules)
        if not any(fnmatchcase(module.path, pattern) for module in modules)
    ]


def table(found: Sequence[Offender]) -> str:
    """The offenders, with what is missing under each."""
    width = max(len(offender.module.path) for offender in found)
    rows = [f"{'module':{width}}   lines  branches  floor"]
    for module, floor in found:
        percents = f"{module.line_percent:4} %    {module.branch_percent:4} %"
        rows.append(f"{module.path:{width}}  {percents} {floor:4} %")
        if module.missing:
            rows.append(f"  not run: {module.missing}")
    return "\n".join(rows)


def _module(path: str, entry: dict[str, Any]) -> Module:
    summary = entry["summary"]
    lines = entry["missing_lines"]
    branches = [pair for pair in entry["missing_branches"] if pair[0] not in lines]
    return Module(
        path=path,
        lines=summary["num_statements"],
        lines_run=summary["covered_lines"],
        branches=summary["num_branches"],
        branches_run=summary["covered_branches"],
        missing=", ".join([*_ranges(lines), *(f"{a}->{b}" for a, b in branches)]),
    )


def _ranges(lines: Sequence[int]) -> Iterator[str]:
    """`1, 2, 3, 7` as `1-3` and `7`."""
    for _, pairs in groupby(enumerate(lines), key=lambda pair: pair[1] - pair[0]):
        run = [line for _, line in pairs]
        yield f"{run[0]}-{run[-1]}" if len(run) > 1 else f"{run[0]}"


def _total(modules: Sequence[Module]) -> Module:
    return Module(
        path="all other modules together",
        lines=sum(module.lines for module in modules),
        lines_run=sum(module.lines_run for module in modules),
        branches=sum(module.branches for module in modules),
        branches_run=sum(module.branches_run for module in modules),
    )


def _is_under(module: Module, floor: int) -> bool:
    return module.line_percent < floor or module.branch_percent < floor


def _percent(part: int, whole: int) -> int:
    return 100 * part // whole if whole else 100


def main(arguments: Sequence[str], pyproject: Path = ROOT / "pyproject.toml") -> int:
    """Judge one report by the floors of `pyproject`; the exit code."""
    if len(arguments) != 1 or not Path(arguments[0]).is_file():
        print("Expected one file, the output of `coverage json`")
        return 2
    settings = tomllib.loads(pyproject.read_text(encoding="utf-8"))
    floors = Floors(**settings["tool"]["branches"])
    modules = modules_of(json.loads(Path(arguments[0]).read_text(encoding="utf-8")))
    found = list(offenders(modules, floors))
    idle = idle_patterns(modules, floors)
    if found:
        print(table(found))
    for pattern in idle:
        print(f"pyproject.toml: [tool.branches]: {pattern} names no measured module")
    if not found and not idle:
        print(f"branches: {len(modules)} modules at or above their floors")
    return 1 if found or idle else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
