"""The replay source hands out frames in batches and ends after a fault."""

from collections.abc import Iterator

import pytest
from bytewax.inputs import StatefulSourcePartition

from connectors.replay import ReplaySource
from flows.domain.errors import RecordingError, StoreError
from flows.domain.fault import Fault
from flows.domain.frame import RawFrame

FRAMES = [RawFrame(number, "a@b", b"{}") for number in range(10)]


def partition(
    frames: Iterator[RawFrame], batch_size: int, fault: Fault
) -> StatefulSourcePartition[RawFrame, None]:
    source = ReplaySource(frames, batch_size=batch_size, fault=fault)
    (name,) = source.list_parts()
    return source.build_part("frames", name, None)


def failing(count: int) -> Iterator[RawFrame]:
    yield from FRAMES[:count]
    raise RecordingError("file:5: cut off")


def batches(part: StatefulSourcePartition[RawFrame, None]) -> list[list[RawFrame]]:
    found = []
    while True:
        try:
            found.append(list(part.next_batch()))
        except StopIteration:
            return found


@pytest.mark.parametrize("batch_size", [1, 3, 10, 256])
def test_next_batch_frames_come_in_order_and_end(batch_size: int) -> None:
    part = partition(iter(FRAMES), batch_size, Fault())
    found = batches(part)
    assert [frame for batch in found for frame in batch] == FRAMES
    assert {len(batch) for batch in found[:-1]} <= {batch_size}
    assert part.snapshot() is None


@pytest.mark.parametrize("batch_size", [1, 2, 256])
def test_next_batch_unreadable_recording_gives_what_came_before(
    batch_size: int,
) -> None:
    fault = Fault()
    found = batches(partition(failing(5), batch_size, fault))
    assert [frame for batch in found for frame in batch] == FRAMES[:5]
    assert str(fault.error) == "file:5: cut off"


def test_next_batch_after_a_fault_of_a_step_ends() -> None:
    fault = Fault()
    part = partition(iter(FRAMES), 2, fault)
    assert list(part.next_batch()) == FRAMES[:2]
    fault.report(StoreError("journal full"))
    with pytest.raises(StopIteration):
        part.next_batch()
