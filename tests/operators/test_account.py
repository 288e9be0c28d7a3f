"""The account takes whole batches and closes the run at the end of input."""

from flows.domain.account import Account, AccountEvent
from flows.domain.errors import MalformedFrame
from flows.domain.event import ClockTick, Command, Verb
from flows.domain.fault import Fault
from flows.domain.instrument import Instruments
from flows.domain.run import CommandHandled, RunEnded, RunStarted
from flows.operators.account import ACCOUNT_KEY, account
from flows.settings import Settings
from flows.trading import build_engine
from tests.operators.steps import ran

STARTED = RunStarted(
    received_ns=0, symbol="", run_id="run-1", mode="replay", inputs={}, settings={}
)
EVENTS: list[AccountEvent] = [ClockTick(1), Command(2, Verb.PAUSE), ClockTick(3)]


def new_account() -> Account:
    return build_engine(Settings(), STARTED, Instruments({})).account


def kinds(fault: Fault, batch_size: int) -> list[type]:
    state = new_account()
    out = ran(
        EVENTS, lambda up: account("account", up, state, fault), batch_size=batch_size
    )
    assert {key for key, _ in out} <= {ACCOUNT_KEY}
    assert [entry.sequence for _, entry in out] == list(range(len(out)))
    return [type(entry.fact) for _, entry in out]


def test_account_end_of_input_closes_the_run_once() -> None:
    found = kinds(Fault(), 1)
    assert found[0] is RunStarted
    assert CommandHandled in found
    assert found.count(RunEnded) == 1
    assert found[-1] is RunEnded
    assert kinds(Fault(), 100) == found


def test_account_end_of_input_after_a_fault_does_not_close_the_run() -> None:
    fault = Fault()
    fault.report(MalformedFrame("file:3: malformed"))
    found = kinds(fault, 1)
    assert CommandHandled in found
    assert RunEnded not in found
