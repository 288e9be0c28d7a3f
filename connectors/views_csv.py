"""Every book view with its zone, as CSV, for comparison with other software."""

import csv
from typing import IO

from bytewax.outputs import DynamicSink, StatelessSinkPartition

from flows.domain.errors import StoreError
from flows.domain.fault import Fault
from flows.domain.imbalance import Imbalance
from flows.domain.units import plain
from flows.domain.view import BookView, TickLevel

HEADER = (
    "symbol",
    "update_id",
    "bid_price",
    "bid_quantity",
    "ask_price",
    "ask_quantity",
    "bid_volume",
    "ask_volume",
    "zone",
)


class _Partition(StatelessSinkPartition[object]):
    def __init__(self, file: IO[str], fault: Fault) -> None:
        self._writer = csv.writer(file, lineterminator="\n")
        self._writer.writerow(HEADER)
        self._fault = fault

    def write_batch(self, items: list[object]) -> None:
        rows = [to_row(item) for item in items if isinstance(item, Imbalance)]
        try:
            self._writer.writerows(rows)
        except OSError as error:
            self._fault.report(StoreError(f"views.csv: cannot be written: {error}"))


class ViewsCsvSink(DynamicSink[object]):
    """Writes views to an open text file; everything else is passed over.

    One worker only. Delivery: the file is written anew by every run.
    """

    def __init__(self, file: IO[str], fault: Fault) -> None:
        self._file = file
        self._fault = fault

    def build(
        self, step_id: str, worker_index: int, worker_count: int
    ) -> StatelessSinkPartition[object]:
        """Begin with the header."""
        return _Partition(self._file, self._fault)


def to_row(imbalance: Imbalance) -> tuple[str | int, ...]:
    """The columns of `HEADER`; blank price and quantity on an empty side."""
    view = imbalance.view
    return (
        view.symbol,
        view.update_id,
        *_best(view, view.bids),
        *_best(view, view.asks),
        plain(view.bid_volume),
        plain(view.ask_volume),
        imbalance.zone.value,
    )


def _best(view: BookView, levels: tuple[TickLevel, ...]) -> tuple[str, str]:
    if not levels:
        return "", ""
    ticks, lots = levels[0]
    return plain(view.price(ticks)), plain(view.quantity(lots))
