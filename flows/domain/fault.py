"""Ends a flow with one plain error instead of a panic.

A step that raises makes Bytewax print a Rust backtrace. So a step that meets bad input
reports it to the flow's `Fault` and is silent from then on; the steps behind it finish
what came before, the source sees the fault before its next batch and ends the flow, and
whoever runs it raises the error.
"""

from collections.abc import Callable, Iterable
from typing import TypeVar

from flows.domain.errors import TradingError

X = TypeVar("X")
Y = TypeVar("Y")


class Fault:
    """The first error of a flow."""

    def __init__(self) -> None:
        self.error: TradingError | None = None

    def report(self, error: TradingError) -> None:
        """Keep the first error; what follows from it is not news."""
        if self.error is None:
            self.error = error

    def guard(
        self, mapper: Callable[[list[X]], Iterable[Y]]
    ) -> Callable[[list[X]], list[Y]]:
        """`mapper` as a step that reports its TradingError and is silent after one.

        What a generator yielded before its error is kept.
        """
        has_failed = False

        def guarded(batch: list[X]) -> list[Y]:
            nonlocal has_failed
            out: list[Y] = []
            if not has_failed:
                try:
                    out.extend(mapper(batch))
                except TradingError as error:
                    has_failed = True
                    self.report(error)
            return out

        return guarded
