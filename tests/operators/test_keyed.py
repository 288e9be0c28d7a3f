"""All that a mapper makes, under one key, up to its first error."""

from collections.abc import Iterator

from flows.domain.errors import StoreError
from flows.domain.fault import Fault
from flows.operators.keyed import keyed
from tests.operators.steps import ran


def twice(batch: list[int]) -> Iterator[int]:
    for number in batch:
        if number < 0:
            raise StoreError("negative")
        yield number
        yield 10 * number


def test_keyed_items_of_a_mapper_come_under_the_key() -> None:
    fault = Fault()
    out = ran([1, 2], lambda up: keyed("k", up, "one", twice, fault), batch_size=2)
    assert out == [("one", 1), ("one", 10), ("one", 2), ("one", 20)]
    assert fault.error is None


def test_keyed_error_of_the_mapper_is_a_fault() -> None:
    fault = Fault()
    out = ran([1, -1, 2], lambda up: keyed("k", up, "one", twice, fault), batch_size=3)
    assert out == [("one", 1), ("one", 10)]
    assert str(fault.error) == "negative"
