"""Running a flow to its end, or to the signal that ends it."""

import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from bytewax.dataflow import Dataflow
from bytewax.testing import run_main

from flows.domain.errors import Interrupted
from flows.domain.fault import Fault

_SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


def run(
    flow: Dataflow, fault: Fault, on_signal: Callable[[int], None] | None = None
) -> None:
    """Run `flow` on one worker. Raises the TradingError that ended it, if one did.

    SIGINT, SIGTERM and SIGHUP go to `on_signal`; without one they end the flow as
    `Interrupted`, after the batch at hand.
    """
    handler = on_signal or (lambda number: fault.report(Interrupted(number)))
    with stop_signals(handler):
        run_main(flow)  # type: ignore[no-untyped-call]  # Rust, untyped
    if fault.error is not None:
        raise fault.error


@contextmanager
def stop_signals(handle: Callable[[int], None]) -> Iterator[None]:
    """Hand over what asks for the end: raised inside a step it would be a panic."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = {number: signal.getsignal(number) for number in _SIGNALS}
    for number, handler in before.items():
        if handler is not signal.SIG_IGN:
            signal.signal(number, lambda n, _frame: handle(n))
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
