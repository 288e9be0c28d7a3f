"""Running a flow to its end."""

from bytewax.dataflow import Dataflow
from bytewax.testing import run_main

from flows.domain.fault import Fault


def run(flow: Dataflow, fault: Fault) -> None:
    """Run `flow` on one worker. Raises the TradingError that ended it, if one did."""
    run_main(flow)  # type: ignore[no-untyped-call]  # Rust, untyped
    if fault.error is not None:
        raise fault.error
