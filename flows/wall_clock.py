"""The one clock of a live process."""

import time


class WallClock:
    """Nanoseconds since the epoch that never run backwards.

    Anchored once to the system's time; afterwards it advances as the monotonic clock.
    """

    def __init__(self) -> None:
        self._offset_ns = time.time_ns() - time.monotonic_ns()

    def __call__(self) -> int:
        """The time now."""
        return self._offset_ns + time.monotonic_ns()
