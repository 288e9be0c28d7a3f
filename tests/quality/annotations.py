"""Annotations of a syntax tree, quoted ones included."""

import ast
from collections.abc import Iterator


def annotation_of(node: ast.AST) -> ast.expr | None:
    """The annotation that a variable, a parameter or a function carries."""
    match node:
        case ast.AnnAssign() | ast.arg():
            return node.annotation
        case ast.FunctionDef() | ast.AsyncFunctionDef():
            return node.returns
    return None


def quoted_annotations(tree: ast.AST) -> Iterator[ast.expr]:
    """Annotations written as text, parsed, at the line where they stand."""
    for node in ast.walk(tree):
        annotation = annotation_of(node)
        if annotation is not None:
            yield from _unquote(annotation)


def names_in(annotation: ast.expr) -> set[str]:
    """Every plain name of an annotation, whether quoted or not."""
    roots = [annotation, *_unquote(annotation)]
    nodes = (node for root in roots for node in ast.walk(root))
    return {node.id for node in nodes if isinstance(node, ast.Name)}


def _unquote(annotation: ast.expr) -> Iterator[ast.expr]:
    for part in ast.walk(annotation):
        if isinstance(part, ast.Constant) and isinstance(part.value, str):
            try:
                parsed = ast.parse(part.value, mode="eval").body
            except SyntaxError:
                continue  # text such as a description inside Annotated
            for node in ast.walk(parsed):
                ast.copy_location(node, part)
            yield parsed
