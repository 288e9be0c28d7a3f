"""A signal stands right behind the view that gives it."""

import pytest

from flows.domain.event import ClockTick
from flows.domain.fault import Fault
from flows.domain.imbalance import Imbalance, Zone
from flows.domain.side import Side
from flows.domain.signal import Signal, ZoneTracker
from flows.operators.imbalance import ZonedUpdate
from flows.operators.signals import signals
from tests.operators.samples import change, view
from tests.operators.steps import ran


@pytest.mark.parametrize("batch_size", [1, 100])
def test_signals_entries_into_zones_follow_their_views(batch_size: int) -> None:
    updates: list[ZonedUpdate] = [
        Imbalance(view(1, 4, 1), Zone.BUY),
        Imbalance(view(2, 4, 1), Zone.BUY),
        ClockTick(3),
        change(),
        Imbalance(view(4, 4, 1), Zone.BUY),
        Imbalance(view(5, 1, 9), Zone.SELL),
    ]
    tracker = ZoneTracker()
    out = ran(
        updates,
        lambda up: signals("signals", up, tracker, Fault()),
        batch_size=batch_size,
    )
    found = [
        (part.side, part.update_id) if isinstance(part, Signal) else part
        for part in out
    ]
    assert found == [
        updates[0],
        (Side.BUY, 1),
        *updates[1:5],
        (Side.BUY, 4),
        updates[5],
        (Side.SELL, 5),
    ]
