"""Views as CSV rows."""

import io
from decimal import Decimal

from connectors.views_csv import HEADER, ViewsCsvSink, to_row
from flows.domain.event import ClockTick
from flows.domain.fault import Fault
from flows.domain.imbalance import Imbalance, Zone
from flows.domain.view import BookView, TickLevel

BIDS = ((6180020, 2909), (6180010, 696))
ASKS = ((6180030, 2500),)


def _imbalance(
    bids: tuple[TickLevel, ...] = BIDS, asks: tuple[TickLevel, ...] = ASKS
) -> Imbalance:
    view = BookView(
        symbol="BTCUSDT",
        received_ns=1,
        update_id=77,
        bids=bids,
        asks=asks,
        bid_lots=sum(lots for _, lots in bids),
        ask_lots=sum(lots for _, lots in asks),
        price_decimals=2,
        quantity_decimals=3,
        is_beyond_horizon=False,
        is_traded=True,
    )
    return Imbalance(view, Zone.NEUTRAL)


class FullDisk(io.StringIO):
    """A file that takes its header and no more."""

    def write(self, text: str) -> int:
        if self.tell():
            raise OSError(28, "No space left on device")
        return super().write(text)


def test_to_row_both_sides_keeps_the_decimals() -> None:
    assert to_row(_imbalance()) == (
        "BTCUSDT",
        77,
        "61800.20",
        "2.909",
        "61800.30",
        "2.500",
        "3.605",
        "2.500",
        "NEUTRAL",
    )
    assert len(HEADER) == 9


def test_to_row_empty_side_is_blank() -> None:
    row = to_row(_imbalance(asks=()))
    assert row[4:6] == ("", "")
    assert Decimal(str(row[7])) == 0


def test_views_csv_sink_other_events_are_passed_over() -> None:
    file, fault = io.StringIO(), Fault()
    sink = ViewsCsvSink(file, fault).build("views", 0, 1)
    sink.write_batch([ClockTick(1), _imbalance(), ClockTick(2)])
    assert [line.split(",")[0] for line in file.getvalue().splitlines()] == [
        "symbol",
        "BTCUSDT",
    ]


def test_views_csv_sink_full_disk_is_reported_as_fault() -> None:
    fault = Fault()
    sink = ViewsCsvSink(FullDisk(), fault).build("views", 0, 1)
    sink.write_batch([_imbalance()])
    assert "views.csv: cannot be written" in str(fault.error)
