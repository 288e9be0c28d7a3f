"""The tally of a run that began with what an earlier run left behind."""

from decimal import Decimal

from flows.domain.opening import Opening
from flows.domain.order import OrderReport, OrderStatus
from flows.domain.run import AccountOpened, JournalEntry, Journalled
from flows.report import Tally
from tests.domain.scene import START_NS, approved, entry_order


def tally_of(*facts: Journalled) -> Tally:
    tally = Tally()
    for sequence, fact in enumerate(facts):
        tally.add(JournalEntry(sequence, fact))
    return tally


def report(client_order_id: str) -> OrderReport:
    return OrderReport(
        received_ns=START_NS,
        symbol="AAAUSDT",
        client_order_id=client_order_id,
        status=OrderStatus.UNFILLED,
        filled_quantity=Decimal("0.5"),
    )


def test_add_report_of_an_earlier_run_s_order_counts_no_order() -> None:
    opened = AccountOpened(received_ns=START_NS, symbol="", opening=Opening())
    tally = tally_of(opened, report("earlier-1"))
    assert tally.orders == {}
    assert tally.open == {}


def test_add_report_of_the_run_s_own_order_ends_it() -> None:
    tally = tally_of(approved(entry_order()), report("earlier-1"), report("order-1"))
    assert list(tally.orders) == ["order-1"]
    line = tally.orders["order-1"]
    assert (line.status, line.filled) == (OrderStatus.UNFILLED, Decimal("0.5"))
