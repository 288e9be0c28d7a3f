"""Zones to signals."""

from collections.abc import Iterator

import bytewax.operators as op
from bytewax.dataflow import Stream, operator

from flows.domain.account import AccountEvent
from flows.domain.fault import Fault
from flows.domain.imbalance import Imbalance
from flows.domain.signal import ZoneTracker
from flows.domain.symbol_book import BookStateChanged
from flows.operators.imbalance import ZonedUpdate


@operator
def signals(
    step_id: str, up: Stream[ZonedUpdate], tracker: ZoneTracker, fault: Fault
) -> Stream[AccountEvent]:
    """Add a signal behind each view that enters the BUY or SELL zone."""

    def track(batch: list[ZonedUpdate]) -> Iterator[AccountEvent]:
        for update in batch:
            yield update
            if isinstance(update, Imbalance):
                signal = tracker.on_imbalance(update)
                if signal is not None:
                    yield signal
            elif isinstance(update, BookStateChanged):
                tracker.on_state(update)

    return op.flat_map_batch("signals", up, fault.guard(track))
