"""House rules on names, assertions, docstrings and comments.

`python -m tests.quality.conventions [PATHS]` prints `file:line: what` for each breach:

- a test is named `test_<function>_<scenario>_<expected_result>` and asserts something
- modules, public classes and public functions of the code have docstrings
- a comment announces no work to be done, and a suppressed check says why
"""

import ast
import io
import re
import sys
import tokenize
from collections.abc import Iterator, Sequence

from tests.quality.source import Finding, Source, check_paths

CODE = ("flows", "connectors", "api")
Function = ast.FunctionDef | ast.AsyncFunctionDef

_TEST_NAME = re.compile(r"test(_[^_]+){3,}")
_UNFINISHED = re.compile(r"\b(TODO|FIXME|XXX)\b")
_SUPPRESSION = re.compile(
    r"#\s*(?:noqa(?::\s*[A-Z]+\d+(?:[,\s]+[A-Z]+\d+)*)?"
    r"|type:\s*ignore(?:\[[^\]]*\])?"
    r"|pragma:\s*no\s*(?:cover|branch))(?P<reason>.*)"
)
_EXPECTING = {"raises", "warns", "deprecated_call", "fail"}
_MACHINE = "RuleBasedStateMachine"


def convention_findings(source: Source) -> Iterator[Finding]:
    """Every breach of the house rules in one file."""
    yield from _judge_comments(source)
    parts = source.path.parts
    if parts[-1].startswith("test_"):
        yield from _judge_tests(source)
    if parts[0] in CODE:
        yield from _judge_docstrings(source)


def _judge_tests(source: Source) -> Iterator[Finding]:
    for node in source.tree.body:
        if isinstance(node, ast.ClassDef) and _is_machine(node):
            if not _asserts(node):
                yield _at(source, node, f"{node.name} has no rule that asserts")
        elif isinstance(node, ast.ClassDef):
            for member in node.body:
                yield from _judge_test(source, member)
        else:
            yield from _judge_test(source, node)


def _judge_test(source: Source, node: ast.stmt) -> Iterator[Finding]:
    if not isinstance(node, Function) or not node.name.startswith("test"):
        return
    if not _TEST_NAME.fullmatch(node.name):
        form = "test_<function>_<scenario>_<expected_result>"
        yield _at(source, node, f"Expected the name {form}, was {node.name}")
    if not _asserts(node):
        yield _at(source, node, f"{node.name} asserts nothing; assert the facts")


def _is_machine(node: ast.ClassDef) -> bool:
    return any(_last_name(base) == _MACHINE for base in node.bases)


def _asserts(root: ast.AST) -> bool:
    return any(map(_expects, ast.walk(root)))


def _expects(node: ast.AST) -> bool:
    if not isinstance(node, ast.Call):
        return isinstance(node, ast.Assert)
    name = _last_name(node.func)
    return name in _EXPECTING or name.startswith("assert_")


def _last_name(node: ast.expr) -> str:
    match node:
        case ast.Name(id=name) | ast.Attribute(attr=name):
            return name
    return ""


def _judge_docstrings(source: Source) -> Iterator[Finding]:
    if source.tree.body and not ast.get_docstring(source.tree):
        yield Finding(source.path, 1, "the module has no docstring")
    for node in source.tree.body:
        if not isinstance(node, Function | ast.ClassDef) or node.name.startswith("_"):
            continue
        if not ast.get_docstring(node):
            yield _at(source, node, f"{node.name} is public and has no docstring")


def _judge_comments(source: Source) -> Iterator[Finding]:
    for token in tokenize.generate_tokens(io.StringIO(source.text).readline):
        if token.type != tokenize.COMMENT:
            continue
        line = token.start[0]
        if unfinished := _UNFINISHED.search(token.string):
            what = f"{unfinished[0]}; finish it, or say it in the tracker"
            yield Finding(source.path, line, what)
        suppression = _SUPPRESSION.search(token.string)
        if suppression and not re.search(r"\w{2}", suppression["reason"]):
            what = "a check is suppressed without a reason; say why in the comment"
            yield Finding(source.path, line, what)


def _at(source: Source, node: ast.stmt, what: str) -> Finding:
    return Finding(source.path, node.lineno, what)


def main(paths: Sequence[str]) -> int:
    """Check `paths`, or all code and tests without any; the exit code."""
    return check_paths(paths or (*CODE, "tests"), convention_findings, "conventions")


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
