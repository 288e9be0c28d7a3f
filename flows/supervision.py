"""An engine that goes on after an error of its own.

Errors in the account or in execution trip the kill switch, and never come here. What is
left is a bug in source or books: the engine begins anew, from its journal and a fresh
look at the market, a few times. What is held at an exchange has its stops there
meanwhile, and is left to the watchdog where the last beginning fails, too.
"""

import time
from collections.abc import Callable
from typing import TypeVar

import structlog

from flows.domain.errors import EngineCrashed

WAITS_S = (0.1, 0.5, 1.0)
"""Before each new beginning; after the last, the error ends the engine."""
FORGIVEN_AFTER_S = 600.0
"""How long without an error an engine must run for earlier ones to count no more."""

_T = TypeVar("_T")

_log = structlog.get_logger()


def persevere(
    run: Callable[[int], _T],
    *,
    clock: Callable[[], float] = time.monotonic,
    sleep: Callable[[float], None] = time.sleep,
) -> _T:
    """What `run` returns, begun anew where it raises EngineCrashed.

    It is told how often it has begun anew.

    Any other error ends it, and EngineCrashed itself where it comes again and again.
    """
    crashes = begun_anew = 0
    while True:
        begun = clock()
        try:
            return run(begun_anew)
        except EngineCrashed as error:
            if clock() - begun >= FORGIVEN_AFTER_S:
                crashes = 0
            if crashes == len(WAITS_S):
                raise
            _log.exception("engine_restarts", reason=str(error))
            sleep(WAITS_S[crashes])
            crashes += 1
            begun_anew += 1
