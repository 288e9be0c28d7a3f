"""A made-up run for archive tests: a journal of every kind and a small recording."""

import random
from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path
from typing import Any

import msgspec

from connectors.clickhouse import ClickHouse
from connectors.recording import RecordingWriter
from flows.domain.cash import CashMoved, CashReason
from flows.domain.equity import EquityMarked
from flows.domain.event import Verb
from flows.domain.frame import RawFrame
from flows.domain.kill import KillCompleted, KillReason, KillReset, KillTripped
from flows.domain.opening import Opening
from flows.domain.order import (
    Fill,
    Order,
    OrderReport,
    OrderStatus,
    OrderType,
    OutsideFill,
    ProtectiveStop,
    Purpose,
    StopStatus,
    Withdrawn,
)
from flows.domain.position import Direction, PositionChanged, TradeClosed
from flows.domain.risk import Approved, RefusalReason, Refused
from flows.domain.run import (
    AccountOpened,
    CommandHandled,
    JournalEntry,
    Journalled,
    Reconciled,
    RunEnded,
    RunStarted,
)
from flows.domain.side import Side
from flows.domain.signal import Signal
from flows.domain.suitability import Scanned
from flows.domain.symbol_book import BookState, BookStateChanged

RUN = "run-1"
START_NS = 1_626_998_399_000_000_001
"""2021-07-22 23:59:59 UTC: a second before midnight, and long past."""

BASE_TABLES = (
    "journal",
    "book_views",
    "market_trades",
    "signals",
    "decisions",
    "orders",
    "protective_stops",
    "order_reports",
    "fills",
    "cash_movements",
    "positions",
    "trades_closed",
    "equity",
    "book_states",
    "risk_events",
    "run_events",
    "scans",
    "unrepresentable",
)
BARS = ("book_bars_1s", "book_bars_1m", "market_trades_1m", "pnl_1m")


def order(received_ns: int, number: int, quantity: Decimal) -> Order:
    """An entry order."""
    return Order(
        received_ns=received_ns,
        symbol="BTCUSDT",
        client_order_id=f"o-{number}",
        side=Side.BUY,
        order_type=OrderType.LIMIT,
        purpose=Purpose.ENTRY,
        quantity=quantity,
        limit_price=Decimal("31000.10"),
        is_reduce_only=False,
        notional=Decimal("31000.10") * quantity,
    )


def facts_of_every_kind(received_ns: int, number: int) -> list[Journalled]:
    """One fact of each kind, all but the first and last of a run."""
    at: dict[str, Any] = {"received_ns": received_ns, "symbol": "BTCUSDT"}
    account: dict[str, Any] = {"received_ns": received_ns, "symbol": ""}
    quantity = Decimal(number % 7 + 1).scaleb(-3)
    name = f"o-{number}"
    money: dict[str, Any] = {
        "quantity": quantity,
        "entry_notional": Decimal("31.5"),
        "exit_notional": Decimal("31.25"),
        "fees": Decimal("0.031375"),
    }
    return [
        Signal(
            **at,
            side=Side.BUY,
            update_id=number,
            bid_volume=Decimal("3.5"),
            ask_volume=Decimal("1.000"),
            best_bid=Decimal("31000.0"),
            best_ask=None,
        ),
        Refused(
            **at,
            side=Side.SELL,
            reason=RefusalReason.COOLDOWN,
            value=Decimal(999),
            limit=Decimal(1000),
        ),
        Approved(**at, order=order(received_ns, number, quantity)),
        Fill(
            **at,
            client_order_id=name,
            trade_id=f"t-{number}",
            side=Side.BUY,
            price=Decimal("31000.05"),
            quantity=quantity,
            fee=Decimal("0.0155"),
            is_maker=False,
        ),
        OutsideFill(
            **at,
            client_order_id="4711",
            trade_id=f"x-{number}",
            side=Side.SELL,
            price=Decimal("30999.95"),
            quantity=quantity,
            fee=Decimal("0.0155"),
            is_maker=True,
        ),
        Withdrawn(**at, client_order_id=name),
        ProtectiveStop(
            **at,
            client_order_id=f"stop-{number}",
            side=Side.SELL,
            trigger_price=Decimal("30845.00"),
            status=StopStatus.WORKING,
        ),
        CashMoved(
            **account,
            reason=CashReason.FUNDING,
            amount=Decimal("-0.5"),
            booking_id=f"FUNDING_FEE {number}",
            detail="FUNDING_FEE",
        ),
        OrderReport(
            **at,
            client_order_id=name,
            status=OrderStatus.FILLED,
            filled_quantity=quantity,
        ),
        PositionChanged(
            **at, **money, direction=Direction.FLAT, entry_quantity=quantity
        ),
        TradeClosed(
            **at,
            **money,
            direction=Direction.LONG,
            opened_ns=received_ns - 5,
            gross=Decimal("-0.25"),
            net=Decimal("-0.281375"),
            exit_purpose=Purpose.STOP,
        ),
        EquityMarked(
            **account,
            equity=Decimal("9999.718625"),
            gross=Decimal("-0.25"),
            fees=Decimal("0.031375"),
            funding=Decimal("-0.5"),
            day_pnl=Decimal("-0.281375"),
            drawdown=Decimal("0.281375"),
        ),
        BookStateChanged(
            **at, before=BookState.SYNCED, after=BookState.GAP, update_id=None
        ),
        CommandHandled(
            **account,
            verb=Verb.PAUSE,
            operator="op",
            reason="lunch",
            is_accepted=True,
        ),
        Reconciled(**account, is_reconciled=False, reason="positions differ"),
        KillTripped(**account, reason=KillReason.DRAWDOWN, detail="1000 at limit"),
        KillCompleted(**account, after_ns=215_000_000),
        KillReset(**account, operator="op", reason="seen", is_peak_rebased=True),
        AccountOpened(**account, opening=Opening(cash=Decimal("-0.25"))),
        scanned(received_ns),
    ]


def scanned(received_ns: int) -> Scanned:
    """A scan's result, with everything that may be unknown unknown but the cost."""
    return Scanned(
        received_ns=received_ns,
        symbol="BTCUSDT",
        seconds=600,
        synced_share=Decimal("0.995"),
        updates_per_s=Decimal("9.5"),
        mid=None,
        tick_bps=None,
        spread_bps=None,
        spread_p90_bps=None,
        depth_5bps=None,
        depth_10bps=None,
        is_depth_cut=True,
        imbalance_p10=None,
        imbalance_p50=None,
        imbalance_p90=None,
        buy_share=None,
        sell_share=None,
        signals_per_hour=Decimal(0),
        volatility_bps=None,
        target_move_bps=None,
        reach_share=None,
        entry_notional=None,
        fill_share=None,
        impact_bps=None,
        exit_impact_bps=None,
        fee_bps=Decimal(10),
        fee_source="setting taker_fee_bps",
        cost_bps=Decimal("10.123"),
        break_even_win_rate=None,
        fee_win_rate=Decimal("0.71429"),
        verdict="doubtful",
        reasons=("it gave no signal", "its book was true for 99.5 % of the time only"),
    )


def run_started() -> RunStarted:
    """The first fact of the run."""
    return RunStarted(
        received_ns=START_NS,
        symbol="",
        run_id=RUN,
        mode="paper",
        inputs={"a.jsonl": "00ff"},
        settings={"capital": "10000"},
    )


def run_ended(received_ns: int) -> RunEnded:
    """The last fact of the run."""
    return RunEnded(
        received_ns=received_ns,
        symbol="",
        equity=Decimal("9999.718625"),
        max_drawdown=Decimal("0.281375"),
    )


def journal_entries(rounds: int, step_ns: int = 7_000_000) -> list[JournalEntry]:
    """A run of `rounds` times every kind, from its start to its end."""
    facts: list[Journalled] = [run_started()]
    for number in range(rounds):
        facts += facts_of_every_kind(START_NS + number * step_ns, number)
    facts.append(run_ended(START_NS + rounds * step_ns))
    return [JournalEntry(sequence, fact) for sequence, fact in enumerate(facts)]


def frames(events: int, seed: int = 7) -> Iterator[RawFrame]:
    """A snapshot, depth events that follow it, and a public trade after each third."""
    rng = random.Random(seed)
    levels = [[f"{31000 - i / 10:.1f}", "1.500"] for i in range(10)]
    snapshot: dict[str, Any] = {
        "lastUpdateId": 100,
        "bids": levels,
        "asks": [[f"{31000.5 + i / 10:.1f}", "1.250"] for i in range(10)],
    }
    yield _frame(START_NS, "btcusdt@snapshot", snapshot)
    for i in range(events):
        now_ns = START_NS + (i + 1) * 9_000_000
        yield _frame(now_ns, "btcusdt@depth@100ms", _depth(100 + i, now_ns, rng))
        if i % 3 == 0:
            yield _frame(now_ns, "btcusdt@trade", _trade(i, now_ns, rng))


def _depth(update_id: int, now_ns: int, rng: random.Random) -> dict[str, Any]:
    bid = f"{31000 - rng.randrange(10) / 10:.1f}"
    ask = f"{31000.5 + rng.randrange(10) / 10:.1f}"
    return {
        "e": "depthUpdate",
        "E": now_ns // 1_000_000,
        "T": now_ns // 1_000_000,
        "s": "BTCUSDT",
        "U": update_id + 1,
        "u": update_id + 1,
        "pu": update_id,
        "b": [[bid, f"{rng.randrange(9_000) / 1000:.3f}"]],
        "a": [[ask, f"{rng.randrange(9_000) / 1000:.3f}"]],
    }


def _trade(number: int, now_ns: int, rng: random.Random) -> dict[str, Any]:
    return {
        "e": "trade",
        "E": now_ns // 1_000_000,
        "T": now_ns // 1_000_000,
        "s": "BTCUSDT",
        "t": number,
        "p": "31000.1",
        "q": f"{rng.randrange(1, 9_000) / 1000:.3f}",
        "X": "MARKET",
        "m": bool(number % 2),
    }


def _frame(now_ns: int, stream: str, message: dict[str, Any]) -> RawFrame:
    return RawFrame(now_ns, stream, msgspec.json.encode(message))


def write_recording(path: Path, events: int) -> Path:
    """The frames as a recording."""
    with RecordingWriter.create(path) as writer:
        for frame in frames(events):
            writer.write(frame)
    return path


def dump(store: ClickHouse) -> dict[str, list[tuple[Any, ...]]]:
    """Every row of every table and bar, without block and time of its insert."""
    own = "* EXCEPT (inserted_at, block)"
    found: dict[str, list[tuple[Any, ...]]] = {}
    for names, what in ((BASE_TABLES, own), (BARS, "*")):
        for name in names:
            query = f"SELECT {what} FROM {name} ORDER BY ALL"
            found[name] = store.query(query)
    return found
