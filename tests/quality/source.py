"""Python files under a set of paths, and what a check finds in them."""

import ast
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path
from typing import NamedTuple


class Finding(NamedTuple):
    """One broken rule, at its place."""

    path: Path
    line: int
    what: str

    def __str__(self) -> str:
        return f"{self.path.as_posix()}:{self.line}: {self.what}"


class Source(NamedTuple):
    """A parsed file, named relative to the working directory."""

    path: Path
    text: str
    tree: ast.Module


Check = Callable[[Source], Iterable[Finding]]


def python_files(paths: Iterable[str]) -> list[Path]:
    """The Python files at or under `paths`, sorted, relative where possible."""
    found: set[Path] = set()
    for path in map(Path, paths):
        if not path.exists():
            msg = f"Expected a file or directory, was nothing: {path}"
            raise FileNotFoundError(msg)
        found.update(path.rglob("*.py") if path.is_dir() else [path])
    here = Path.cwd()
    return sorted(
        file.relative_to(here) if file.is_relative_to(here) else file for file in found
    )


def check_file(path: Path, check: Check) -> Iterator[Finding]:
    """Whatever `check` finds in one file; a file that does not parse is a finding."""
    text = path.read_text(encoding="utf-8")
    try:
        tree = ast.parse(text)
    except SyntaxError as error:
        yield Finding(path, error.lineno or 1, f"does not parse: {error.msg}")
        return
    yield from sorted(check(Source(path, text, tree)), key=lambda found: found.line)


def check_paths(paths: Sequence[str], check: Check, name: str) -> int:
    """Print every finding under `paths`, or one line of summary; the exit code."""
    try:
        files = python_files(paths)
    except FileNotFoundError as error:
        print(error)
        return 2
    findings = [found for path in files for found in check_file(path, check)]
    for finding in findings:
        print(finding)
    outcome = f"{len(findings)} findings" if findings else "no findings"
    print(f"{name}: {outcome} in {len(files)} files")
    return 1 if findings else 0
