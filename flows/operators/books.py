"""Raw frames to book views."""

from collections.abc import Callable, Iterator, Sequence
from functools import partial
from typing import Protocol

import bytewax.operators as op
from bytewax.dataflow import Stream, operator

from flows.domain.books import PassedOn
from flows.domain.errors import MalformedFrame, MarketDataError
from flows.domain.event import Event
from flows.domain.fault import Fault
from flows.domain.frame import RawFrame
from flows.domain.symbol_book import BookOutput

MarketUpdate = BookOutput | PassedOn
Decode = Callable[[RawFrame], Event]


class Market(Protocol):
    """What keeps books: `Books`, or who watches them."""

    def apply(self, event: Event) -> Sequence[MarketUpdate]:
        """What downstream must know of one event, as `Books.apply`."""


@operator
def books(
    step_id: str, up: Stream[RawFrame], decode: Decode, state: Market, fault: Fault
) -> Stream[MarketUpdate]:
    """Keep every symbol's book, and tell what it shows.

    One batch step for all symbols: a keyed step would reorder frames across symbols
    within a batch. Its state is rebuilt from the market, never from a stored copy.
    """
    mapper = partial(updates_of, decode=decode, state=state)
    return op.flat_map_batch("views", up, fault.guard(mapper))


def updates_of(
    frames: Sequence[RawFrame], decode: Decode, state: Market
) -> Iterator[MarketUpdate]:
    """What the books tell of frames. Raises MarketDataError with the frame's place."""
    for frame in frames:
        try:
            yield from state.apply(decode(frame))
        except ValueError as error:
            msg = f"{frame.place}: malformed {frame.stream} frame: {error}"
            raise MalformedFrame(msg) from error
        except MalformedFrame:
            raise
        except MarketDataError as error:
            msg = f"{frame.place}: {error}"
            raise MarketDataError(msg) from error
