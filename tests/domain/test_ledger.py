"""The ledger: fills to positions, cash and worth."""

import decimal
from decimal import Decimal

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from flows.domain.errors import OrderError
from flows.domain.ledger import Ledger
from flows.domain.order import Fill, Purpose
from flows.domain.position import Direction
from flows.domain.side import Side
from flows.domain.units import EXACT, NS_PER_DAY, NS_PER_S
from tests.domain.scene import START_NS, entry_order, fill_of, repeatable, view_of

BUY, SELL = Side.BUY, Side.SELL


def _fill(
    side: Side, price: str, quantity: str, fee: str = "0", symbol: str = "AAAUSDT"
) -> Fill:
    return fill_of(entry_order(side=side, symbol=symbol), price, quantity, fee)


def _ledger(*fills: Fill) -> Ledger:
    ledger = Ledger(Decimal(10_000))
    for fill in fills:
        ledger.apply(fill, Purpose.ENTRY)
    return ledger


def _equity(ledger: Ledger, received_ns: int) -> Decimal:
    ledger.revalue(received_ns)
    return ledger.marked(received_ns).equity


def test_apply_first_fill_opens_a_position_marked_at_its_price() -> None:
    ledger = _ledger()
    changed, closed = ledger.apply(_fill(BUY, "100", "2", "0.1"), Purpose.ENTRY)
    assert (changed.direction, changed.quantity) == (Direction.LONG, Decimal(2))
    assert closed is None
    assert ledger.mark("AAAUSDT") == Decimal(100)
    assert ledger.exposures() == {"AAAUSDT": Decimal(200)}


def test_apply_closing_fill_ends_the_trip_and_starts_the_cooldown() -> None:
    ledger = _ledger(_fill(SELL, "100", "2", "0.1"))
    fill = msgspec.structs.replace(
        _fill(BUY, "98", "2", "0.098"), received_ns=START_NS + 7
    )
    changed, closed = ledger.apply(fill, Purpose.TARGET)
    assert changed.direction is Direction.FLAT
    assert closed is not None
    assert (closed.gross, closed.fees) == (Decimal(4), Decimal("0.198"))
    assert (closed.net, closed.exit_purpose) == (Decimal("3.802"), Purpose.TARGET)
    assert ledger.positions == {}
    assert ledger.closed_ns == {"AAAUSDT": START_NS + 7}
    assert _equity(ledger, START_NS + 8) == Decimal("10003.802")


def test_apply_exit_while_flat_raises_and_books_nothing() -> None:
    ledger = _ledger()
    with pytest.raises(OrderError, match="Expected a position to leave, was flat"):
        ledger.apply(_fill(SELL, "100", "1", "1"), Purpose.STOP)
    assert ledger.positions == {}
    assert _equity(ledger, START_NS) == Decimal(10_000)


def test_apply_exit_beyond_flat_raises_and_books_nothing() -> None:
    ledger = _ledger(_fill(BUY, "100", "1"))
    with pytest.raises(OrderError, match="Expected at most 1 to close, was 2"):
        ledger.apply(_fill(SELL, "200", "2", "1"), Purpose.STOP)
    assert ledger.positions["AAAUSDT"].quantity == Decimal(1)
    assert _equity(ledger, START_NS) == Decimal(10_000)


def test_take_mark_of_a_view_values_at_the_exit_side() -> None:
    ledger = _ledger(_fill(BUY, "100", "1"), _fill(SELL, "100", "1", symbol="BBBUSDT"))
    for symbol, position in ledger.positions.items():
        view = view_of(symbol, START_NS + 1, [("99.00", "1")], [("103.00", "1")])
        ledger.take_mark(position, view)
    assert ledger.mark("AAAUSDT") == Decimal(99)
    assert ledger.mark("BBBUSDT") == Decimal(103)
    assert ledger.exposures() == {"AAAUSDT": Decimal(99), "BBBUSDT": Decimal(103)}
    assert _equity(ledger, START_NS + 1) == Decimal(9_996)


def test_take_mark_of_an_empty_side_keeps_price_and_age() -> None:
    ledger = _ledger(_fill(BUY, "100", "1"))
    position = ledger.positions["AAAUSDT"]
    ledger.take_mark(position, view_of("AAAUSDT", START_NS + 9, [], [("101", "1")]))
    assert ledger.mark("AAAUSDT") == Decimal(100)
    assert ledger.is_mark_older("AAAUSDT", START_NS + 9, 9)


@pytest.mark.parametrize(
    ("age_ns", "is_older"), [(NS_PER_S - 1, False), (NS_PER_S, True)]
)
def test_is_mark_older_at_the_age_is_true(age_ns: int, is_older: bool) -> None:
    ledger = _ledger(_fill(BUY, "100", "1"))
    now_ns = START_NS + age_ns
    assert ledger.is_mark_older("AAAUSDT", now_ns, NS_PER_S) is is_older


def test_revalue_open_position_tells_gross_fees_and_net_apart() -> None:
    ledger = _ledger(_fill(BUY, "100", "2", "0.1"))
    view = view_of("AAAUSDT", START_NS, [("110.00", "1")], [("111.00", "1")])
    ledger.take_mark(ledger.positions["AAAUSDT"], view)
    ledger.revalue(START_NS)
    marked = ledger.marked(START_NS)
    assert (marked.gross, marked.fees) == (Decimal(20), Decimal("0.1"))
    assert marked.equity == Decimal("10019.9")
    assert (marked.day_pnl, marked.drawdown) == (Decimal("19.9"), Decimal(0))


def test_revalue_same_price_written_otherwise_is_written_as_the_last() -> None:
    ledger = _ledger(_fill(BUY, "100", "1"))
    view = view_of("AAAUSDT", START_NS, [("110.00", "1")], [("111.00", "1")])
    coarse = msgspec.structs.replace(view, bids=((1_100, 1),), price_decimals=1)
    for seen, gross in ((coarse, "10.0"), (coarse, "10.0"), (view, "10.00")):
        ledger.take_mark(ledger.positions["AAAUSDT"], seen)
        ledger.revalue(START_NS)
        assert str(ledger.marked(START_NS).gross) == gross


def test_revalue_nothing_changed_still_begins_the_next_day() -> None:
    ledger = _ledger(_fill(BUY, "100", "1", "3"))
    ledger.revalue(START_NS)
    assert ledger.marked(START_NS).day_pnl == Decimal(-3)
    ledger.revalue(START_NS + NS_PER_DAY)
    assert ledger.marked(START_NS).day_pnl == Decimal(0)


trades = st.tuples(
    st.sampled_from(Side),
    st.integers(1, 10**9),
    st.integers(1, 10**9),
    st.integers(0, 10**6),
)


@repeatable
@given(fills=st.lists(trades, max_size=12))
def test_apply_any_fills_conserve_cash_and_quantity(
    fills: list[tuple[Side, int, int, int]],
) -> None:
    ledger, cash, held = _ledger(), Decimal(10_000), Decimal(0)
    with decimal.localcontext(EXACT):
        for side, cents, thousandths, fee_cents in fills:
            sign = 1 if side is BUY else -1
            price, fee = Decimal(cents).scaleb(-2), Decimal(fee_cents).scaleb(-2)
            quantity = Decimal(thousandths).scaleb(-3)
            if sign * held < 0:
                quantity = min(quantity, abs(held))  # never beyond flat
            fill = _fill(side, str(price), str(quantity), str(fee))
            ledger.apply(fill, Purpose.ENTRY)
            held += sign * quantity
            cash -= sign * price * quantity + fee
        open_value = held * ledger.mark("AAAUSDT") if held else Decimal(0)
        assert _equity(ledger, START_NS) == cash + open_value
        position = ledger.positions.get("AAAUSDT")
        assert (position.quantity if position else Decimal(0)) == abs(held)
