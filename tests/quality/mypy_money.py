"""mypy plugin: no expression of the strict zone may be a float.

`int / int` type-checks and is a float, which no look at the syntax can tell from a
division of decimals. The zone is `[tool.money] strict` in the configuration file
that loads the plugin, as patterns over paths relative to that file.
"""

import tomllib
from collections.abc import Callable, Sequence
from fnmatch import fnmatchcase
from pathlib import Path
from typing import TypeVar

from mypy.errorcodes import ErrorCode
from mypy.options import Options
from mypy.plugin import FunctionContext, MethodContext, Plugin, ReportConfigContext
from mypy.plugins.default import DefaultPlugin
from mypy.types import Instance, Type, UnionType, get_proper_type

MONEY = ErrorCode("money", "Floats where money must be exact", "Money")

_DIVISION = "{} is a float; use // or Decimal (money is exact)"
_OTHER = "this is a float; use int or Decimal (money is exact)"
_WORDING = {
    "__truediv__": _DIVISION.format("int / int"),
    "__rtruediv__": _DIVISION.format("int / int"),
    "__pow__": _DIVISION.format("int ** negative"),
    "__rpow__": _DIVISION.format("int ** negative"),
}

Context = TypeVar("Context", FunctionContext, MethodContext)


def strict_patterns(pyproject: Path) -> list[str]:
    """The patterns of the strict zone, as `pyproject` gives them."""
    settings = tomllib.loads(pyproject.read_text(encoding="utf-8"))
    return [str(pattern) for pattern in settings["tool"]["money"]["strict"]]


def is_strict(path: Path, patterns: Sequence[str]) -> bool:
    """Whether a path relative to the root belongs to the strict zone."""
    return any(fnmatchcase(path.as_posix(), pattern) for pattern in patterns)


def _is_float(found: Type) -> bool:
    proper = get_proper_type(found)
    if isinstance(proper, UnionType):
        return any(map(_is_float, proper.items))
    return isinstance(proper, Instance) and proper.type.fullname in {
        "builtins.float",
        "builtins.complex",
    }


class MoneyPlugin(Plugin):
    """Judges the type of every call and operator, after mypy's own hooks."""

    def __init__(self, options: Options) -> None:
        super().__init__(options)
        config = Path(options.config_file or "pyproject.toml").resolve()
        self._root = config.parent
        self._strict = strict_patterns(config)
        self._default = DefaultPlugin(options)

    def report_config_data(self, ctx: ReportConfigContext) -> object:
        """Put the zone in the cache's key, so that a change of it is seen."""
        return self._strict

    def get_function_hook(
        self, fullname: str
    ) -> Callable[[FunctionContext], Type] | None:
        """Judge what functions and constructors return."""
        return self._judging(_OTHER, self._default.get_function_hook(fullname))

    def get_method_hook(self, fullname: str) -> Callable[[MethodContext], Type] | None:
        """Judge what methods and operators return."""
        owner, _, method = fullname.rpartition(".")
        is_int = owner == "builtins.int"
        wording = _WORDING.get(method, _OTHER) if is_int else _OTHER
        return self._judging(wording, self._default.get_method_hook(fullname))

    def _judging(
        self, wording: str, refine: Callable[[Context], Type] | None
    ) -> Callable[[Context], Type]:
        def judge(ctx: Context) -> Type:
            found = refine(ctx) if refine else ctx.default_return_type
            if _is_float(found) and self._covers(ctx.api.path):
                ctx.api.fail(wording, ctx.context, code=MONEY)
            return found

        return judge

    def _covers(self, file: str) -> bool:
        path = Path(file).resolve()
        if not path.is_relative_to(self._root):
            return False
        return is_strict(path.relative_to(self._root), self._strict)


def plugin(_version: str) -> type[Plugin]:
    """Entry point that mypy calls with its own version."""
    return MoneyPlugin
