"""Docs that cannot lie: generated blocks, links, file names and commands are checked.

`python -m tests.quality.docs` checks, `--write` brings generated blocks up to date.
"""

import re
import shlex
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from tempfile import TemporaryDirectory

import typer
from typer.core import TyperGroup

from api.cli.main import app
from api.http.app import create_app
from api.http.desk import Desk
from api.http.schema import OPEN
from flows.log import EVENTS
from flows.settings import Settings

ROOT = Path(__file__).resolve().parents[2]
_LINK = re.compile(r"\[[^\]]*\]\(([^)#\s]+)[^)]*\)")
_SOURCE = re.compile(r"\*{0,2}`((?:flows|connectors|api|tests|docs)/[\w/.-]+)`")
_COMMAND = re.compile(r"^(?:\$ )?mft .*$", re.MULTILINE)


def settings_table() -> str:
    """Every setting with its default and meaning, as a Markdown table."""
    rows = ["| setting | default | meaning |", "|---|---|---|"]
    defaults = Settings().model_dump()
    for name, field in Settings.model_fields.items():
        rows.append(f"| `{name}` | {defaults[name]} | {field.description} |")
    return "\n".join(rows)


def event_table() -> str:
    """Every log event with its meaning, as a Markdown table."""
    rows = [f"| `{name}` | {meaning} |" for name, meaning in EVENTS.items()]
    return "\n".join(["| event | meaning |", "|---|---|", *rows])


def route_table() -> str:
    """Everything that the HTTP interface answers, as a Markdown table."""
    with TemporaryDirectory() as nowhere:
        paths = create_app(Desk(Path(nowhere))).openapi()["paths"]
    rows = ["| ask | as | what |", "|---|---|---|"]
    for path, methods in paths.items():
        for method, told in methods.items():
            who = "operator" if method == "post" else "viewer"
            who = "anybody" if (method, path) in OPEN else who
            meaning = " ".join(told["description"].split("\n\n")[0].split())
            rows.append(f"| `{method.upper()} {path}` | {who} | {meaning} |")
    return "\n".join(rows)


GENERATED: dict[str, tuple[str, Callable[[], str]]] = {
    "settings": ("docs/trading-strategies.md", settings_table),
    "routes": ("docs/api.md", route_table),
    "log events": ("docs/architecture.md", event_table),
}
"""Name of each generated block, the file it stands in, and what makes it."""


def documents(root: Path = ROOT) -> list[Path]:
    """Every Markdown file of the project's own."""
    return [
        root / "README.md",
        root / "CHANGELOG.md",
        *sorted(root.glob("docs/**/*.md")),
    ]


def with_block(text: str, name: str, content: str) -> str:
    """`text` with the generated block `name` replaced. Raises ValueError without it."""
    pattern = re.compile(
        rf"(<!-- {name}: [^\n]*-->\n).*?(<!-- end of {name} -->)", re.DOTALL
    )
    if not pattern.search(text):
        msg = f"There is no generated block {name!r}"
        raise ValueError(msg)
    return pattern.sub(lambda found: f"{found[1]}{content}\n{found[2]}", text)


def stale_blocks(*, write: bool = False, root: Path = ROOT) -> Iterator[str]:
    """Generated blocks that differ from what they should be; `write` mends them."""
    for name, (file, make) in GENERATED.items():
        path = root / file
        before = path.read_text(encoding="utf-8")
        after = with_block(before, name, make())
        if before != after:
            yield f"{file}: the block of {name} is out of date"
            if write:
                path.write_text(after, encoding="utf-8")


def broken_references(path: Path, root: Path = ROOT) -> Iterator[str]:
    """Links and source files named in a document that do not exist."""
    text = path.read_text(encoding="utf-8")
    for target in _LINK.findall(text):
        if "://" not in target and not (path.parent / target).exists():
            yield f"{path.relative_to(root)}: broken link {target}"
    for target in _SOURCE.findall(text):
        if not (root / target).exists():
            yield f"{path.relative_to(root)}: there is no {target}"


def _group() -> TyperGroup:
    group = typer.main.get_command(app)
    if not isinstance(group, TyperGroup):
        msg = "Expected the command line to have commands"
        raise TypeError(msg)
    return group


def unknown_commands(path: Path, root: Path = ROOT) -> Iterator[str]:
    """`mft` lines of a document that the command line does not understand."""
    commands = _group().commands
    for line in _COMMAND.findall(path.read_text(encoding="utf-8")):
        _, name, *options = shlex.split(line, comments=True)
        command = commands.get(name)
        known = {o for p in command.params for o in p.opts} if command else set()
        used = {option for option in options if option.startswith("--")}
        if command is None or used - known:
            yield f"{path.relative_to(root)}: not understood: {line}"


def undocumented_commands(root: Path = ROOT) -> Iterator[str]:
    """Commands without an example in their help, or absent from the README."""
    readme = (root / "README.md").read_text(encoding="utf-8")
    for name, command in _group().commands.items():
        if "Example: mft " not in (command.help or ""):
            yield f"mft {name}: its help shows no example"
        if f"mft {name}" not in readme:
            yield f"README.md: mft {name} is not mentioned"


def findings(*, write: bool = False) -> list[str]:
    """Everything that is wrong with the documents."""
    found = [*stale_blocks(write=write), *undocumented_commands()]
    for path in documents():
        found += [*broken_references(path), *unknown_commands(path)]
    return found


def main() -> int:
    """Check the documents, or with `--write` mend what is generated."""
    found = findings(write="--write" in sys.argv[1:])
    for line in found:
        print(line)
    print(f"docs: {len(found)} findings")
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
