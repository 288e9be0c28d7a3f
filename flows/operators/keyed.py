"""Items to keyed items, by a mapper that may fail."""

from collections.abc import Callable, Iterable, Iterator
from typing import TypeVar

import bytewax.operators as op
from bytewax.dataflow import Stream, operator
from bytewax.operators import KeyedStream

from flows.domain.fault import Fault

X = TypeVar("X")
Y = TypeVar("Y")


@operator
def keyed(
    step_id: str,
    up: Stream[X],
    key: str,
    mapper: Callable[[list[X]], Iterable[Y]],
    fault: Fault,
) -> KeyedStream[Y]:
    """What `mapper` makes of each batch, all under one key: for a sink of one order."""

    def apply(batch: list[X]) -> Iterator[tuple[str, Y]]:
        for item in mapper(batch):
            yield key, item

    return op.flat_map_batch("items", up, fault.guard(apply))
