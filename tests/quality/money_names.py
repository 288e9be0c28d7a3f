"""Names of money that hold a float, outside the strict zone."""

import ast
import re
from collections.abc import Iterator

from tests.quality.annotations import annotation_of, names_in
from tests.quality.source import Finding, Source

_SINGULAR = {"price", "quantity", "fee", "notional", "equity", "balance"}
_PLURAL = {"prices", "quantities", "fees", "notionals", "equities", "balances"}
MONEY_WORDS = _SINGULAR | _PLURAL | {"qty", "pnl", "cash"}

_USE = "use Decimal (or str on the wire)"
_WORD = re.compile(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+")


def is_money(name: str) -> bool:
    """Whether a word of a snake_case or camelCase name is one of money."""
    return any(word.lower() in MONEY_WORDS for word in _WORD.findall(name))


def name_findings(source: Source) -> Iterator[Finding]:
    """Names of money that are declared as a float or given one."""
    for node in ast.walk(source.tree):
        for line, name in _declared(node):
            yield Finding(source.path, line, f"{name} is money typed float; {_USE}")
        for line, name in _given(node):
            yield Finding(source.path, line, f"{name} is money set to a float; {_USE}")


def _declared(node: ast.AST) -> Iterator[tuple[int, str]]:
    annotation = annotation_of(node)
    if annotation is None or "float" not in names_in(annotation):
        return
    match node:
        case ast.AnnAssign(target=target):
            name = _name_of(target)
        case ast.arg(arg=declared):
            name = declared
        case _:
            name = getattr(node, "name", "")
    if is_money(name):
        yield annotation.lineno, name


def _given(node: ast.AST) -> Iterator[tuple[int, str]]:
    for name, value in _bindings(node):
        if value is not None and is_money(name) and _is_float(value):
            yield value.lineno, name


def _bindings(node: ast.AST) -> Iterator[tuple[str, ast.expr | None]]:
    match node:
        case ast.Assign(targets=targets, value=value):
            for target in targets:
                yield from _pairs(target, value)
        case ast.AnnAssign() | ast.AugAssign() | ast.NamedExpr():
            yield _name_of(node.target), node.value
        case ast.keyword(arg=str() as name, value=value):
            yield name, value
        case ast.Dict(keys=keys, values=values):
            yield from zip(map(_text_of, keys), values, strict=True)
        case ast.arguments():
            yield from _defaults(node)


def _defaults(node: ast.arguments) -> Iterator[tuple[str, ast.expr | None]]:
    positional = [*node.posonlyargs, *node.args]
    defaulted = positional[len(positional) - len(node.defaults) :]
    parameters = [*defaulted, *node.kwonlyargs]
    names = (parameter.arg for parameter in parameters)
    yield from zip(names, [*node.defaults, *node.kw_defaults], strict=True)


def _pairs(target: ast.expr, value: ast.expr) -> Iterator[tuple[str, ast.expr]]:
    match target, value:
        case (ast.Tuple(elts=targets) | ast.List(elts=targets)), (
            ast.Tuple(elts=values) | ast.List(elts=values)
        ) if len(targets) == len(values):
            for each, given in zip(targets, values, strict=True):
                yield from _pairs(each, given)
        case _:
            yield _name_of(target), value


def _name_of(target: ast.expr) -> str:
    match target:
        case ast.Name(id=name) | ast.Attribute(attr=name):
            return name
        case ast.Subscript(slice=key):
            return _text_of(key)
    return ""


def _text_of(key: ast.expr | None) -> str:
    match key:
        case ast.Constant(value=str() as text):
            return text
    return ""


def _is_float(value: ast.expr) -> bool:
    match value:
        case ast.Constant(value=literal):
            return isinstance(literal, float)
        case ast.Call(func=ast.Name(id="float")):
            return True
        case ast.UnaryOp(operand=operand):
            return _is_float(operand)
        case ast.BinOp(left=left, right=right):
            return _is_float(left) or _is_float(right)
        case ast.IfExp(body=body, orelse=orelse):
            return _is_float(body) or _is_float(orelse)
        case ast.BoolOp(values=values):
            return any(map(_is_float, values))
    return False
