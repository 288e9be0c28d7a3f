"""What the strict zone may not contain: anything that is or makes a float."""

import ast
from collections.abc import Iterator

from tests.quality.annotations import quoted_annotations
from tests.quality.source import Finding, Source

_NAMES = {
    "float": "use Decimal, or int in ticks and lots",
    "complex": "use Decimal",
    "round": "use Decimal.quantize, floor_to or ceil_to",
    "from_float": "make the Decimal from text",
    "truediv": "use // or Decimal",
}
_MODULES = {
    "math": "use int and Decimal arithmetic",
    "cmath": "use Decimal arithmetic",
    "statistics": "add up and divide Decimals",
    "numpy": "use int and Decimal arithmetic",
    "pandas": "use int and Decimal arithmetic",
}


def strict_findings(source: Source) -> Iterator[Finding]:
    """Every float, and every way to one, that the syntax shows."""
    roots = [source.tree, *quoted_annotations(source.tree)]
    for node in (node for root in roots for node in ast.walk(root)):
        for what in _judge(node):
            yield Finding(source.path, getattr(node, "lineno", 1), what)


def _judge(node: ast.AST) -> Iterator[str]:
    match node:
        case ast.Constant(value=float() as number):
            yield f'float literal {number!r}; use Decimal("{number!r}")'
        case ast.Constant(value=complex() as number):
            yield f"complex literal {number!r}; use Decimal"
        case ast.Name(id=name) | ast.Attribute(attr=name) if name in _NAMES:
            yield f"{name}; {_NAMES[name]}"
        case ast.alias(name=name):
            yield from _judge_import(name)
        case ast.ImportFrom(module=str() as module):
            yield from _judge_import(module)
        case ast.BinOp(left=left, op=ast.Div(), right=right):
            yield from _judge_division(left, right)
        case ast.AugAssign(op=ast.Div(), value=value):
            yield from _judge_division(value)


def _judge_import(name: str) -> Iterator[str]:
    root = name.partition(".")[0]
    if instead := _MODULES.get(root) or _NAMES.get(root):
        yield f"import of {root}; {instead}"


def _judge_division(*sides: ast.expr) -> Iterator[str]:
    if any(map(_is_int_literal, sides)):
        yield "/ with an int literal; use // or a Decimal on both sides"


def _is_int_literal(side: ast.expr) -> bool:
    if isinstance(side, ast.UnaryOp):
        return _is_int_literal(side.operand)
    return isinstance(side, ast.Constant) and isinstance(side.value, int)
