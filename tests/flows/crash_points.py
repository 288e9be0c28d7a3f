"""`mft` that kills itself at a named point, as a power cut would: no last word.

`python -m tests.flows.crash_points POINT COUNT trade ...` dies by SIGKILL the COUNT-th
time that it passes the point. The watchdog is not started: power cuts take it along.
"""

import os
import signal
import sys
from collections.abc import Callable
from typing import Any

from api.cli.main import main
from connectors.binance.execution_feed import ExecutionFeed
from connectors.binance.order_desk import OrderDesk
from connectors.binance.reconciliation import Reconciliation
from connectors.binance.stop_desk import StopDesk
from connectors.binance.transport import Transport
from connectors.journal import Journal
from flows.domain.order import Fill, OrderReport
from flows.domain.risk import Approved
from flows.domain.run import AccountOpened
from flows.guard import Guard
from flows.sending import SendingJournal

Passes = Callable[..., bool]


def _holds(*kinds: type) -> Passes:
    """Whether what is appended to the journal has a fact of a kind."""
    return lambda _journal, entries: any(isinstance(e.fact, kinds) for e in entries)


def _always(*_arguments: object) -> bool:
    return True


def _is_order(_transport: object, action: Any) -> bool:
    return bool(action.method == "POST" and action.path.endswith("/order"))


POINTS: dict[str, tuple[type, str, bool, Passes]] = {
    "opening not journalled": (Journal, "append", False, _holds(AccountOpened)),
    "opening journalled": (Journal, "append", True, _holds(AccountOpened)),
    "order not journalled": (Journal, "append", False, _holds(Approved)),
    "order journalled, not sent": (Journal, "append", True, _holds(Approved)),
    "order at the socket": (Transport, "_call", False, _is_order),
    "order sent": (SendingJournal, "append", True, _holds(Approved)),
    "answer not read": (OrderDesk, "on_reply", False, _always),
    "answer read, not told": (OrderDesk, "on_reply", True, _always),
    "event not read": (ExecutionFeed, "on_text", False, _always),
    "event read, not told": (ExecutionFeed, "on_text", True, _always),
    "fill not journalled": (Journal, "append", False, _holds(Fill)),
    "fill journalled": (Journal, "append", True, _holds(Fill)),
    "end not journalled": (Journal, "append", False, _holds(OrderReport)),
    "end journalled": (Journal, "append", True, _holds(OrderReport)),
    "positions not compared": (Reconciliation, "_compare", False, _always),
    "positions compared": (Reconciliation, "_compare", True, _always),
    "stop sent": (StopDesk, "_place", True, _always),
    "stop answered": (StopDesk, "on_reply", False, _always),
}
"""Where to die: a method, whether at its end, and which of its calls count."""


def arm(name: str, count: int) -> None:
    """Let this process die the `count`-th time that it passes a point."""
    owner, method, is_at_end, passes = POINTS[name]
    original = getattr(owner, method)
    left = count

    def dying(*arguments: Any, **options: Any) -> Any:
        nonlocal left
        if not passes(*arguments):
            return original(*arguments, **options)
        left -= 1
        if is_at_end:
            original(*arguments, **options)
        if left <= 0:
            os.kill(os.getpid(), signal.SIGKILL)
        return None if is_at_end else original(*arguments, **options)

    setattr(owner, method, dying)


def _nobody(self: Guard, now_ns: int) -> None:
    """Start no watchdog."""


if __name__ == "__main__":
    _, point, passing, *rest = sys.argv
    arm(point, int(passing))
    Guard.watch = _nobody  # type: ignore[method-assign]  # on purpose
    sys.argv = ["mft", *rest]
    main()
