"""Items of each source, numbered, as rows: journal entries, book views, public trades.

The decimals of a view stay integers with their number of decimals.
"""

from collections.abc import Callable, Iterator, Sequence
from decimal import Decimal
from typing import NamedTuple, Protocol

import msgspec

from connectors.clickhouse.facts import TableRow, fact_rows
from flows.domain.errors import MalformedFrame, StoreError
from flows.domain.event import Event, MarketTrade
from flows.domain.frame import RawFrame
from flows.domain.imbalance import Imbalance
from flows.domain.run import Journalled
from flows.domain.units import decimals_of, plain, scaled, unscaled
from flows.domain.view import TickLevel

_decode = msgspec.json.Decoder(Journalled).decode
_TRADE_STREAMS = frozenset({"trade", "aggtrade"})
_KINDS = frozenset(str(c.__struct_config__.tag) for c in Journalled.__args__)


class Numbered(NamedTuple):
    """The rows of one item of a source, with its number there."""

    source: str
    number: int
    """Counts from 0 without a hole."""
    received_ns: int
    rows: tuple[TableRow, ...]


class JournalRow(Protocol):
    """A journal entry as stored."""

    @property
    def sequence(self) -> int:
        """Its place in the run."""

    @property
    def received_ns(self) -> int:
        """Its time."""

    @property
    def kind(self) -> str:
        """The kind of its fact."""

    @property
    def symbol(self) -> str:
        """Its symbol."""

    @property
    def body(self) -> bytes:
        """Its fact as JSON."""


class JournalRows:
    """Journal entries to rows: verbatim and, where their kind is known, typed."""

    def __init__(self, run_id: str) -> None:
        self._run_id = run_id

    def __call__(self, entry: JournalRow) -> Numbered:
        """Raises StoreError where the body of a known kind cannot be read."""
        place = (self._run_id, entry.sequence, entry.symbol, entry.received_ns)
        verbatim = (*place, entry.kind, entry.body.decode())
        rows = [TableRow("journal", verbatim)]
        if entry.kind in _KINDS:
            try:
                typed = fact_rows(_decode(entry.body))
            except msgspec.DecodeError as error:
                msg = (
                    f"run {self._run_id}: journal entry {entry.sequence} "
                    f"({entry.kind}) cannot be read: {error}"
                )
                raise StoreError(msg) from error
            rows += [TableRow(table, place + rest) for table, rest in typed]
        return Numbered("journal", entry.sequence, entry.received_ns, tuple(rows))


class ViewRows:
    """Book views to rows; counts the views of the run."""

    def __init__(self, run_id: str) -> None:
        self._run_id = run_id
        self._count = 0

    def __call__(self, updates: Sequence[object]) -> Iterator[Numbered]:
        """Rows of the views among `updates`."""
        for update in updates:
            if isinstance(update, Imbalance):
                row = view_row(self._run_id, self._count, update)
                received_ns = update.view.received_ns
                yield Numbered("views", self._count, received_ns, (row,))
                self._count += 1


class TradeRows:
    """Frames to rows of public trades; counts the trades of the run."""

    def __init__(self, run_id: str, decode: Callable[[RawFrame], Event]) -> None:
        self._run_id = run_id
        self._decode = decode
        self._count = 0

    def __call__(self, frames: Sequence[RawFrame]) -> Iterator[Numbered]:
        """Rows of the trades among `frames`. Raises MalformedFrame."""
        for frame in frames:
            row = trade_row(self._run_id, self._count, frame, self._decode)
            if row is not None:
                yield Numbered("trades", self._count, frame.received_ns, (row,))
                self._count += 1


def view_row(run_id: str, sequence: int, imbalance: Imbalance) -> TableRow:
    """A book view and its zone as a row."""
    view = imbalance.view
    prices, quantities = view.price_decimals, view.quantity_decimals
    row = (
        run_id,
        sequence,
        view.symbol,
        view.received_ns,
        view.update_id,
        (tuple(price for price, _ in view.bids), prices),
        (tuple(quantity for _, quantity in view.bids), quantities),
        (tuple(price for price, _ in view.asks), prices),
        (tuple(quantity for _, quantity in view.asks), quantities),
        _best(view.bids, prices),
        _best(view.asks, prices),
        (view.bid_lots, quantities),
        (view.ask_lots, quantities),
        imbalance.zone.value,
        view.is_beyond_horizon,
    )
    return TableRow("book_views", row)


def _best(levels: Sequence[TickLevel], decimals: int) -> tuple[int, int] | None:
    return (levels[0][0], decimals) if levels else None


def trade_row(
    run_id: str, sequence: int, frame: RawFrame, decode: Callable[[RawFrame], Event]
) -> TableRow | None:
    """The public trade in a frame as a row; None where it holds none.

    Raises MalformedFrame.
    """
    if frame.stream.partition("@")[2].lower() not in _TRADE_STREAMS:
        return None
    trade = decode(frame)
    if not isinstance(trade, MarketTrade):
        return None
    try:
        price, quantity = _number(trade.price), _number(trade.quantity)
    except ValueError as error:
        msg = f"{frame.place}: malformed {frame.stream} frame: {error}"
        raise MalformedFrame(msg) from error
    row = (
        run_id,
        sequence,
        trade.symbol,
        trade.received_ns,
        trade.exchange_ms,
        trade.trade_id,
        price,
        quantity,
        trade.buyer_is_maker,
        trade.is_aggregate,
    )
    return TableRow("market_trades", row)


def _number(text: str) -> tuple[int, int]:
    decimals = decimals_of(text)
    return scaled(text, decimals), decimals


def verbatim(columns: Sequence[str], values: Sequence[object]) -> str:
    """A row as JSON in which every number is its own exact text."""
    row = {name: _text(v) for name, v in zip(columns, values, strict=True)}
    return msgspec.json.encode(row).decode()


def _text(value: object) -> object:
    match value:
        case Decimal():
            return plain(value) if value.is_finite() else str(value)
        case (int() as integer, int() as decimals):
            return plain(unscaled(integer, decimals))
        case (tuple() as integers, int() as decimals):
            return [plain(unscaled(integer, decimals)) for integer in integers]
        case bool() | None | dict():
            return value
        case _:
            return str(value)
