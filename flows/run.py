"""Running a flow to its end, or to the signal that ends it."""

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager

from bytewax.dataflow import Dataflow
from bytewax.testing import run_main

from flows.domain.errors import Interrupted
from flows.domain.fault import Fault

_SIGNALS = (signal.SIGINT, signal.SIGTERM)


def run(flow: Dataflow, fault: Fault) -> None:
    """Run `flow` on one worker. Raises the TradingError that ended it, if one did.

    SIGINT and SIGTERM end it as `Interrupted`, after the batch at hand.
    """
    with _interrupts(fault):
        run_main(flow)  # type: ignore[no-untyped-call]  # Rust, untyped
    if fault.error is not None:
        raise fault.error


@contextmanager
def _interrupts(fault: Fault) -> Iterator[None]:
    """Signals as faults: an exception inside a step would end as a panic."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = {number: signal.getsignal(number) for number in _SIGNALS}
    for number, handler in before.items():
        if handler is not signal.SIG_IGN:
            signal.signal(number, lambda n, _frame: fault.report(Interrupted(n)))
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
