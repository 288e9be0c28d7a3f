"""`mft` with a bug: a method that raises from the COUNT-th call on, or once only.

`python -m tests.flows.failure_points POINT COUNT once|always trade ...`
"""

import sys
from typing import Any

from api.cli.main import main
from connectors.binance.transport import Transport
from flows.domain.books import Books
from flows.telemetry import Observer

POINTS: dict[str, tuple[type, str]] = {
    "source": (Transport, "poll"),
    "books": (Books, "apply"),
    "telemetry": (Observer, "look"),
}


def arm(name: str, count: int, *, is_once: bool) -> None:
    """Let a method fail from its `count`-th call on."""
    owner, method = POINTS[name]
    original = getattr(owner, method)
    calls = 0

    def failing(*arguments: Any, **options: Any) -> Any:
        nonlocal calls
        calls += 1
        if calls == count or (calls > count and not is_once):
            msg = f"a bug in {name}"
            raise RuntimeError(msg)
        return original(*arguments, **options)

    setattr(owner, method, failing)


if __name__ == "__main__":
    _, point, number, how, *rest = sys.argv
    arm(point, int(number), is_once=how == "once")
    sys.argv = ["mft", *rest]
    main()
