"""What an account begins with binds it; what contradicts itself begins nothing."""

from collections.abc import Sequence
from decimal import Decimal

import msgspec
import pytest

from flows.domain.errors import StoreError
from flows.domain.event import AccountOpening
from flows.domain.instrument import Instrument, Instruments
from flows.domain.kill import KillReason, killed_before
from flows.domain.opening import HeldPosition, LostOrder, Opening
from flows.domain.order import OrderReport, OrderStatus, OrderType, Purpose
from flows.domain.position import Direction, Position, TradeClosed
from flows.domain.rebuild import opening_after
from flows.domain.risk import Refused
from flows.domain.run import AccountOpened, Journalled
from flows.domain.side import Side
from flows.domain.symbol_book import BookState
from tests.domain.scene import (
    START_NS,
    Scene,
    approved,
    entry_order,
    exit_order,
    fill_of,
    only,
    orders,
    refusals,
    reports,
)

A = "AAAUSDT"
SHORT = HeldPosition(
    symbol=A,
    side=Side.SELL,
    opened_ns=START_NS - 5,
    quantity=Decimal(4),
    entry_quantity=Decimal(10),
    entry_notional=Decimal(1000),
    exit_notional=Decimal(594),
    fees=Decimal("0.8"),
    mark=Decimal("100.00"),
)
BEGUN = AccountOpened(received_ns=START_NS, symbol="", opening=Opening())


def opened(opening: Opening, **changes: object) -> Scene:
    scene = Scene(**changes)
    scene.feed(AccountOpening(scene.now_ns, opening))
    return scene


def changed(held: HeldPosition, **changes: object) -> HeldPosition:
    return msgspec.structs.replace(held, **changes)


# What binds ------------------------------------------------------------------------


def test_held_position_and_back_loses_nothing() -> None:
    held = changed(SHORT, closing=Purpose.STOP)
    position = Position.held(held)
    assert position.direction is Direction.SHORT
    assert position.as_held(held.mark) == held
    assert not position.is_exit_expired


def test_apply_opening_short_half_left_counts_the_whole_trade() -> None:
    scene = opened(Opening(cash=Decimal(406), fees=Decimal("0.8"), positions=(SHORT,)))
    assert scene.account.ledger.curve.equity == Decimal("10005.2")
    scene.state(BookState.SYNCED)
    scene.tight("98.99", "99.00")
    scene.wait(20).tight("98.99", "99.00")
    (trade,) = scene.all(TradeClosed)
    assert trade.exit_purpose is Purpose.TARGET
    assert (trade.quantity, trade.gross) == (Decimal(10), Decimal(10))
    assert trade.opened_ns == START_NS - 5
    assert scene.account.ledger.curve.equity == 10_010 - trade.fees


@pytest.mark.parametrize("closing", [Purpose.FLATTEN, Purpose.KILL, Purpose.MARK_LOST])
def test_apply_opening_exit_that_needs_no_view_is_sent_at_the_tick(
    closing: Purpose,
) -> None:
    scene = opened(Opening(positions=(changed(SHORT, closing=closing),)))
    (order,) = orders(scene.tick())
    assert (order.purpose, order.quantity) == (closing, Decimal(4))


@pytest.mark.parametrize("closing", [Purpose.TARGET, Purpose.STOP])
def test_apply_opening_exit_that_needs_a_view_is_sent_there_at_any_price(
    closing: Purpose,
) -> None:
    scene = opened(Opening(positions=(changed(SHORT, closing=closing),)))
    assert orders(scene.tick()) == []
    scene.state(BookState.SYNCED)
    (order,) = orders(scene.tight("99.99", "100.00"))
    assert order.purpose is closing


def test_apply_opening_killed_leaves_at_once_what_is_held() -> None:
    opening = Opening(
        positions=(SHORT,),
        killed_ns=5,
        kill_reason="drawdown",
        kill_detail="1000 at limit",
    )
    scene = opened(opening)
    assert [order.purpose for order in orders(_facts(scene))] == [Purpose.KILL]
    tripped = scene.account.kill_switch.tripped
    assert tripped == killed_before(opening)
    assert tripped is not None
    assert (tripped.received_ns, tripped.reason) == (5, KillReason.DRAWDOWN)
    assert scene.kill_reasons == []


def test_killed_before_opening_not_killed_is_none() -> None:
    assert killed_before(Opening(kill_reason="drawdown")) is None


def test_apply_opening_at_the_drawdown_limit_kills() -> None:
    scene = opened(
        Opening(pnl=Decimal(-400), cash=Decimal(-400), peak_pnl=Decimal(600))
    )
    assert scene.kill_reasons == [KillReason.DRAWDOWN]
    below = Opening(pnl=Decimal(-400), cash=Decimal(-400), peak_pnl=Decimal(599))
    assert opened(below).kill_reasons == []


def test_apply_opening_at_the_day_s_loss_limit_kills_until_midnight() -> None:
    lost = Opening(
        pnl=Decimal(-100),
        cash=Decimal(-100),
        day_start_pnl=Decimal(400),
        day_end_ns=START_NS + 1,
    )
    assert opened(lost).kill_reasons == [KillReason.DAILY_LOSS]
    yesterday = msgspec.structs.replace(lost, day_end_ns=START_NS)
    assert opened(yesterday).kill_reasons == []


def test_apply_opening_lost_orders_are_reported_and_bar_nothing() -> None:
    lost = LostOrder(entry_order(client_order_id="earlier-1"), Decimal("0.5"))
    scene = opened(Opening(lost_orders=(lost,)))
    (report,) = scene.all(OrderReport)
    assert (report.client_order_id, report.symbol) == ("earlier-1", A)
    assert report.status is OrderStatus.UNFILLED
    assert report.filled_quantity == Decimal("0.5")
    assert reports(scene.enter()) == ["FILLED"]


@pytest.mark.parametrize(
    "opening",
    [
        Opening(killed_ns=1, kill_reason="bad temper"),
        Opening(cash=Decimal("NaN")),
        Opening(peak_pnl=Decimal("NaN")),
    ],
)
def test_apply_opening_that_cannot_be_stops_trading(opening: Opening) -> None:
    scene = opened(opening)
    assert scene.kill_reasons == [KillReason.ACCOUNT_ERROR]
    scene.state(BookState.SYNCED)
    scene.tight("99.99", "100.00")
    (refused,) = only(Refused, scene.signal(Side.BUY))
    assert refusals([refused]) == [refused.reason]
    assert refused.reason.value == "killed"


def _facts(scene: Scene) -> list[Journalled]:
    return [entry.fact for entry in scene.entries]


# Instruments -----------------------------------------------------------------------


def test_is_trading_instrument_unknown_or_trading_is_true() -> None:
    instruments = Instruments()
    assert instruments.is_trading("ZZZUSDT")
    assert instruments.is_trading("BTCUSDT")


def test_update_instrument_takes_the_latest_word() -> None:
    first = Instrument(Decimal("0.1"), Decimal(1), Decimal(5))
    halted = msgspec.structs.replace(first, is_trading=False)
    instruments = Instruments({A: first})
    instruments.update({A: halted})
    assert not instruments.is_trading(A)
    assert instruments.find(A, 2, 3) == halted
    assert instruments.is_trading("BTCUSDT")
    instruments.update({A: first})
    assert instruments.is_trading(A)


# Journals that contradict themselves -------------------------------------------------

ENTRY = entry_order()
EXIT = exit_order()
SENT = approved(ENTRY)
FULL = fill_of(ENTRY, "100", "2")


def ended(status: OrderStatus, filled: str) -> OrderReport:
    return OrderReport(
        received_ns=START_NS,
        symbol=A,
        client_order_id=ENTRY.client_order_id,
        status=status,
        filled_quantity=Decimal(filled),
    )


@pytest.mark.parametrize(
    ("facts", "complaint"),
    [
        ([FULL], "order-1, which was never sent"),
        ([SENT, FULL, ended(OrderStatus.FILLED, "2"), FULL], "or had ended"),
        ([SENT, FULL, FULL], "a fill after FILLED"),
        ([SENT, fill_of(ENTRY, "100", "2.5")], "a fill of 2.5 of 2 remaining"),
        ([SENT, fill_of(ENTRY, "100", "0")], "a fill of 0 of 2 remaining"),
        ([SENT, msgspec.structs.replace(FULL, side=Side.SELL)], "a SELL fill"),
        ([approved(EXIT), fill_of(EXIT, "100", "2")], "position to leave, was flat"),
        (
            [
                SENT,
                fill_of(ENTRY, "100", "1"),
                approved(EXIT),
                fill_of(EXIT, "100", "2"),
            ],
            "Expected at most 1 to close, was 2",
        ),
        ([SENT, fill_of(ENTRY, "0", "1")], "a fill at 0"),
        ([SENT, fill_of(ENTRY, "NaN", "1")], "InvalidOperation"),
        ([SENT, BEGUN, FULL], "order-1, which was never sent"),
        (
            [
                msgspec.structs.replace(
                    BEGUN, opening=Opening(killed_ns=1, kill_reason="bad temper")
                )
            ],
            "bad temper",
        ),
    ],
)
def test_opening_after_contradiction_raises_store_error(
    facts: Sequence[Journalled], complaint: str
) -> None:
    with pytest.raises(StoreError, match=complaint) as caught:
        opening_after([BEGUN, *facts])
    assert f"A {type(facts[-1]).__name__} at " in str(caught.value)


def test_opening_after_second_beginning_forgets_the_orders_before_it() -> None:
    other = Opening(cash=Decimal(3))
    begun = msgspec.structs.replace(BEGUN, opening=other)
    opening = opening_after([BEGUN, SENT, begun])
    assert opening == msgspec.structs.replace(other)


def test_opening_after_partial_fill_tells_what_of_the_order_is_lost() -> None:
    part = fill_of(ENTRY, "100", "0.5", fee="0.1")
    opening = opening_after([BEGUN, SENT, part])
    assert opening is not None
    assert opening.lost_orders == (LostOrder(ENTRY, Decimal("0.5"), ("trade-1",)),)
    (held,) = opening.positions
    assert (held.quantity, held.mark) == (Decimal("0.5"), Decimal(100))
    assert (opening.cash, opening.fees) == (Decimal(-50), Decimal("0.1"))


def test_opening_after_limit_exit_remembers_why_it_was_sent() -> None:
    leaving = exit_order(order_type=OrderType.LIMIT, limit_price=Decimal(99))
    opening = opening_after([BEGUN, SENT, FULL, approved(leaving)])
    assert opening is not None
    assert [held.closing for held in opening.positions] == [Purpose.TIME]
