"""What tests of whole flows share."""

from collections.abc import Iterator

import pytest

from tests.flows.engine_process import Running


@pytest.fixture
def exchange() -> Iterator[str]:
    """A synthetic exchange's address."""
    running = Running("exchange", "--port", 0, "--seed", 3)
    try:
        yield running.line().split()[1]
    finally:
        running.end()
