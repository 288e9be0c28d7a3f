"""The report of a replay: the pieces that a run does not show every day."""

from decimal import Decimal

import pytest

from flows.domain.event import DepthDelta, DepthSnapshot
from flows.domain.instrument import Instruments
from flows.domain.kill import KillReason, KillTripped
from flows.domain.market import Market
from flows.domain.order import Order, OrderReport, OrderStatus, Purpose
from flows.domain.position import Direction, PositionChanged, TradeClosed
from flows.domain.run import JournalEntry, Journalled, RunStarted
from flows.domain.symbol_book import SymbolBook
from flows.report import CSV_FILES, Tally, build_report
from flows.report.summary import explain, utc_text
from flows.settings import Settings
from flows.trading import build_engine
from tests.domain.scene import approved, entry_order, fill_of

SETTINGS = Settings()


def _tally(*facts: Journalled) -> Tally:
    tally = Tally()
    for sequence, fact in enumerate(facts):
        tally.add(JournalEntry(sequence, fact))
    return tally


def _report(*facts: Journalled) -> dict[str, object]:
    started = RunStarted(
        received_ns=0, symbol="", run_id="r", mode="replay", inputs={}, settings={}
    )
    engine = build_engine(SETTINGS, started, Instruments())
    report = build_report("r", SETTINGS, engine, _tally(*facts), 0.0)
    totals = report["totals"]
    assert isinstance(totals, dict)
    return dict(totals)


def _trade(net: str) -> TradeClosed:
    return TradeClosed(
        received_ns=2,
        symbol="XUSDT",
        direction=Direction.LONG,
        opened_ns=1,
        quantity=Decimal(1),
        entry_notional=Decimal(1000),
        exit_notional=1000 + Decimal(net),
        gross=Decimal(net),
        fees=Decimal(0),
        net=Decimal(net),
        exit_purpose=Purpose.TIME,
    )


def _report_of(order: Order, status: OrderStatus) -> OrderReport:
    return OrderReport(
        received_ns=3,
        symbol=order.symbol,
        client_order_id=order.client_order_id,
        status=status,
        filled_quantity=Decimal(0),
    )


def test_build_report_nothing_journalled_is_capital_and_nulls() -> None:
    totals = _report()
    assert totals["equity"] == "10000"
    assert totals["pnl"] == {"gross": "0", "fees": "0", "net": "0"}
    for name in ("win_rate", "profit_factor", "mean_net", "kill", "messages_per_s"):
        assert totals[name] is None


def test_build_report_order_in_flight_at_the_end_is_unfilled() -> None:
    order = entry_order()
    totals = _report(approved(order), _report_of(order, OrderStatus.UNFILLED))
    assert (totals["orders"], totals["unfilled"], totals["fills"]) == (1, 1, 0)


def test_build_report_open_position_is_named_until_flat() -> None:
    held = PositionChanged(
        received_ns=1,
        symbol="XUSDT",
        direction=Direction.SHORT,
        quantity=Decimal("0.10"),
        entry_quantity=Decimal("0.10"),
        entry_notional=Decimal(1),
        exit_notional=Decimal(0),
        fees=Decimal(0),
    )
    flat = PositionChanged(
        received_ns=2,
        symbol="XUSDT",
        direction=Direction.FLAT,
        quantity=Decimal(0),
        entry_quantity=Decimal("0.10"),
        entry_notional=Decimal(1),
        exit_notional=Decimal(1),
        fees=Decimal(0),
    )
    assert _report(held)["open_positions"] == {"XUSDT": ["SHORT", "0.10"]}
    assert _report(held, flat)["open_positions"] == {}


def test_build_report_first_kill_is_the_one_told() -> None:
    first = KillTripped(
        received_ns=1, symbol="", reason=KillReason.DRAWDOWN, detail="one"
    )
    later = KillTripped(
        received_ns=2, symbol="", reason=KillReason.COMMAND, detail="two"
    )
    assert _report(first, later)["kill"] == {
        "reason": "drawdown",
        "at": "1970-01-01T00:00:00.000000001Z",
        "detail": "one",
    }


@pytest.mark.parametrize("loss", ["-1E-60", "-1E-300"])
def test_build_report_estimates_of_any_size_are_numbers(loss: str) -> None:
    totals = _report(_trade("1000"), _trade(loss))
    factor = totals["profit_factor"]
    assert isinstance(factor, float)
    assert factor > 1e60
    assert totals["mean_net"] == "500.00000000"


def test_utc_text_keeps_every_nanosecond() -> None:
    assert utc_text(1_767_225_600_123_456_789) == "2026-01-01T00:00:00.123456789Z"
    assert utc_text(2**63 - 1) == "2262-04-11T23:47:16.854775807Z"


def test_csv_files_rows_have_the_width_of_their_header() -> None:
    order = entry_order()
    tally = _tally(
        approved(order), fill_of(order, "100.10", "0.1", "0.05"), _trade("-1.50")
    )
    found = {name: (header, list(rows(tally))) for name, header, rows in CSV_FILES}
    assert list(found) == ["signals.csv", "orders.csv", "fills.csv", "trades.csv"]
    for name in ("orders.csv", "fills.csv", "trades.csv"):
        header, rows = found[name]
        assert [len(row) for row in rows] == [len(header)]
    header, rows = found["fills.csv"]
    assert dict(zip(header, rows[0], strict=True))["price"] == "100.10"


def test_explain_book_by_what_it_lacks_says_why() -> None:
    book = SymbolBook("XUSDT", depth=5, stale_after_ms=3000)
    assert explain(book) == "No depth events: there is no book."
    delta = DepthDelta(
        "XUSDT", 1, Market.SPOT, 5, 6, None, [("1", "1")], [("2", "1")], "x@depth"
    )
    book.on_delta(delta)
    assert "never became valid: no snapshot joins its 1 depth" in str(explain(book))
    book.on_snapshot(DepthSnapshot("XUSDT", 2, 5, [("1", "1")], [("2", "1")]))
    assert explain(book) == "Trading is off: spot builds books and signals only."
