"""Who goes first where processors are few: the engine, before whoever looks at it.

Both choose a policy of Linux (sched(7)), which children inherit and anybody may choose;
elsewhere they do nothing.
"""

import os
from contextlib import suppress


def go_first() -> None:
    """Be scheduled as usual, whatever policy the process that started this one has."""
    _choose("SCHED_OTHER")


def stand_back() -> None:
    """Do not interrupt others when there is something to do; they may interrupt this.

    For the calling thread and those that it starts. Measured (`make load`): with 200
    readers of the stream the engine's p99 is 1.4 times that without them, and 1.1 times
    where the API stands back.
    """
    _choose("SCHED_BATCH")


def _choose(policy: str) -> None:
    with suppress(AttributeError, OSError):
        os.sched_setscheduler(0, getattr(os, policy), os.sched_param(0))
