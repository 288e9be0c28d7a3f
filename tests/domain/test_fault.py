"""A fault keeps the first error and lets what came before it pass."""

from collections.abc import Iterator

import pytest

from flows.domain.errors import MalformedFrame, StoreError, TradingError
from flows.domain.fault import Fault


def doubled(batch: list[int]) -> Iterator[int]:
    for number in batch:
        if number < 0:
            raise MalformedFrame(f"{number} is negative")
        yield 2 * number


def test_report_second_error_keeps_the_first() -> None:
    fault = Fault()
    first: TradingError = StoreError("first")
    fault.report(first)
    fault.report(MalformedFrame("second"))
    assert fault.error is first


def test_guard_error_in_batch_keeps_what_came_before_and_is_silent_after() -> None:
    fault = Fault()
    step = fault.guard(doubled)
    assert step([1, 2]) == [2, 4]
    assert step([3, -1, 4]) == [6]
    assert step([5]) == []
    assert str(fault.error) == "-1 is negative"


def test_guard_error_of_another_step_still_finishes_what_came_before() -> None:
    fault = Fault()
    step = fault.guard(doubled)
    fault.report(StoreError("of another step"))
    assert step([1]) == [2]


def inverted(batch: list[int]) -> list[int]:
    return [1 // number for number in batch]


def test_guard_bug_in_step_is_not_hidden() -> None:
    fault = Fault()
    step = fault.guard(inverted)
    with pytest.raises(ZeroDivisionError):
        step([0])
    assert fault.error is None
