"""Signals to orders, fills and everything else that the journal holds."""

from collections.abc import Iterable

import bytewax.operators as op
from bytewax.dataflow import Stream, operator
from bytewax.operators import KeyedStream, StatefulBatchLogic

from flows.domain.account import Account, AccountEvent
from flows.domain.fault import Fault
from flows.domain.run import JournalEntry

ACCOUNT_KEY = "account"


class _AccountLogic(StatefulBatchLogic[AccountEvent, JournalEntry, None]):
    """Hands whole batches to the account; its state is rebuilt from the journal."""

    def __init__(self, state: Account, fault: Fault) -> None:
        self._account = state
        self._fault = fault

    def on_batch(
        self, values: list[AccountEvent]
    ) -> tuple[Iterable[JournalEntry], bool]:
        return self._account.apply(values), StatefulBatchLogic.RETAIN

    def on_eof(self) -> tuple[Iterable[JournalEntry], bool]:
        if self._fault.error is not None:
            return (), StatefulBatchLogic.RETAIN
        return self._account.end(), StatefulBatchLogic.RETAIN

    def snapshot(self) -> None:
        return None


@operator
def account(
    step_id: str, up: Stream[AccountEvent], state: Account, fault: Fault
) -> KeyedStream[JournalEntry]:
    """Run the account over everything, in order, under its one key."""
    keyed = op.key_on("keyed", up, lambda _event: ACCOUNT_KEY)
    return op.stateful_batch("entries", keyed, lambda _: _AccountLogic(state, fault))
