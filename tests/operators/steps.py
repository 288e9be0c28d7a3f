"""Runs one step over a list, as the flows run it."""

from collections.abc import Callable, Sequence
from typing import TypeVar

import bytewax.operators as op
from bytewax.dataflow import Dataflow, Stream
from bytewax.testing import TestingSink, TestingSource, run_main

X = TypeVar("X")
Y = TypeVar("Y")


def ran(
    items: Sequence[X],
    step: Callable[[Stream[X]], Stream[Y]],
    *,
    batch_size: int = 1,
) -> list[Y]:
    """Everything that `step` gives for `items`, in order."""
    out: list[Y] = []
    flow = Dataflow("flow")
    up = op.input("items", flow, TestingSource(list(items), batch_size=batch_size))
    op.output("out", step(up), TestingSink(out))
    run_main(flow)  # type: ignore[no-untyped-call]  # Rust, untyped
    return out
