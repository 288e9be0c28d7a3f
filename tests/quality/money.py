"""No float for money: `python -m tests.quality.money [PATHS]`.

Strict zone (`[tool.money] strict` in pyproject.toml): nothing that is or makes a
float. Everywhere else: no name of money is declared as a float or given one. Prints
`file:line: what; what to use instead` and exits 1 where it finds any.
"""

import sys
from collections.abc import Iterator, Sequence
from pathlib import Path

from tests.quality.money_names import name_findings
from tests.quality.money_strict import strict_findings
from tests.quality.mypy_money import is_strict, strict_patterns
from tests.quality.source import Finding, Source, check_paths, python_files

ROOT = Path(__file__).parents[2]
CODE = ("flows", "connectors", "api")


def money_findings(source: Source, patterns: Sequence[str]) -> Iterator[Finding]:
    """The findings of one file, by the rules of the zone it lies in."""
    if is_strict(source.path, patterns):
        return strict_findings(source)
    return name_findings(source)


def idle_patterns(patterns: Sequence[str], files: Sequence[Path]) -> list[str]:
    """Patterns of the zone that cover no file: a module was renamed."""
    return [
        pattern
        for pattern in patterns
        if not any(is_strict(file, [pattern]) for file in files)
    ]


def main(paths: Sequence[str]) -> int:
    """Check `paths`, or all code and the zone itself without any; the exit code."""
    patterns = strict_patterns(ROOT / "pyproject.toml")
    idle = [] if paths else idle_patterns(patterns, python_files(CODE))
    for pattern in idle:
        print(f"pyproject.toml: [tool.money] strict: {pattern} covers no file")
    found = check_paths(
        paths or CODE, lambda source: money_findings(source, patterns), "money"
    )
    return found or int(bool(idle))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
