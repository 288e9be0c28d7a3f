"""Book views to zones."""

from collections.abc import Iterator

import bytewax.operators as op
from bytewax.dataflow import Stream, operator

from flows.domain.books import PassedOn
from flows.domain.fault import Fault
from flows.domain.imbalance import Imbalance, ImbalanceRule
from flows.domain.symbol_book import BookStateChanged
from flows.domain.view import BookView
from flows.operators.books import MarketUpdate

ZonedUpdate = Imbalance | BookStateChanged | PassedOn


@operator
def imbalance(
    step_id: str, up: Stream[MarketUpdate], rule: ImbalanceRule, fault: Fault
) -> Stream[ZonedUpdate]:
    """Give each view its zone; everything else passes."""

    def judge(batch: list[MarketUpdate]) -> Iterator[ZonedUpdate]:
        for update in batch:
            yield rule.judge(update) if isinstance(update, BookView) else update

    return op.flat_map_batch("zones", up, fault.guard(judge))
