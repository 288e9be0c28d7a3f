"""Running a flow: its end, its fault, and the signals that stop it."""

import signal
import threading

import bytewax.operators as op
import pytest
from bytewax.dataflow import Dataflow
from bytewax.testing import TestingSink

from connectors.replay import ReplaySource
from flows.domain.errors import Interrupted, MarketDataError
from flows.domain.fault import Fault
from flows.domain.frame import RawFrame
from flows.run import run

FRAMES = [RawFrame(time, "x@trade", b"{}") for time in range(1, 101)]


def _flow(fault: Fault, seen: list[int], on_frame: object = None) -> Dataflow:
    def look(frame: RawFrame) -> int:
        if callable(on_frame):
            on_frame(frame)
        return frame.received_ns

    flow = Dataflow("looking")
    source = ReplaySource(iter(FRAMES), batch_size=10, fault=fault)
    times = op.map("times", op.input("frames", flow, source), look)
    op.output("seen", times, TestingSink(seen))
    return flow


def test_run_to_the_end_takes_every_frame() -> None:
    fault, seen = Fault(), list[int]()
    run(_flow(fault, seen), fault)
    assert seen == [frame.received_ns for frame in FRAMES]


def test_run_with_a_fault_raises_it() -> None:
    fault, seen = Fault(), list[int]()
    fault.report(MarketDataError("a.jsonl:1: broken"))
    with pytest.raises(MarketDataError, match=r"^a\.jsonl:1: broken$"):
        run(_flow(fault, seen), fault)
    assert seen == []


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_run_signal_ends_the_flow_after_its_batch(number: signal.Signals) -> None:
    fault, seen = Fault(), list[int]()

    def on_frame(frame: RawFrame) -> None:
        if frame.received_ns == 15:
            signal.raise_signal(number)

    before = signal.getsignal(number)
    with pytest.raises(Interrupted) as stopped:
        run(_flow(fault, seen, on_frame), fault)
    assert stopped.value.signal == number
    assert seen == list(range(1, 21))
    assert signal.getsignal(number) is before


def test_run_outside_the_main_thread_leaves_signals_alone() -> None:
    fault, seen = Fault(), list[int]()
    thread = threading.Thread(target=run, args=(_flow(fault, seen), fault))
    thread.start()
    thread.join()
    assert len(seen) == len(FRAMES)
