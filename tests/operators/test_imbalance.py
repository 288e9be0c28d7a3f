"""Views get their zone; everything else passes."""

from decimal import Decimal

from flows.domain.event import ClockTick
from flows.domain.fault import Fault
from flows.domain.imbalance import Imbalance, ImbalanceRule, Zone
from flows.operators.books import MarketUpdate
from flows.operators.imbalance import imbalance
from tests.operators.samples import change, view
from tests.operators.steps import ran


def test_imbalance_updates_in_a_batch_keep_their_order() -> None:
    rule = ImbalanceRule(buy_above=Decimal(3), sell_below=Decimal("0.33"))
    updates: list[MarketUpdate] = [view(1, 4, 1), change(), ClockTick(2), view(3, 1, 9)]
    out = ran(updates, lambda up: imbalance("zones", up, rule, Fault()), batch_size=10)
    assert out == [
        Imbalance(view(1, 4, 1), Zone.BUY),
        change(),
        ClockTick(2),
        Imbalance(view(3, 1, 9), Zone.SELL),
    ]
