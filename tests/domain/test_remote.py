"""An account whose orders an exchange executes: it is told what became of them."""

from collections.abc import Sequence
from decimal import Decimal
from itertools import pairwise

import msgspec
import pytest

from flows.domain.cash import CashMoved, CashReason
from flows.domain.equity import EquityMarked
from flows.domain.event import AccountOpening, ExecutionTold, Outcome, VenueStatus, Verb
from flows.domain.kill import KillCompleted, KillReason
from flows.domain.opening import LostOrder, Opening
from flows.domain.order import (
    Fill,
    Order,
    OrderReport,
    OrderStatus,
    OutsideFill,
    ProtectiveStop,
    Purpose,
    StopStatus,
    Withdrawn,
)
from flows.domain.position import TradeClosed
from flows.domain.rebuild import opening_after
from flows.domain.risk import Approved, RefusalReason
from flows.domain.run import Journalled, Reconciled
from flows.domain.side import Side
from flows.domain.symbol_book import BookState
from flows.domain.units import NS_PER_S
from tests.domain.scene import (
    Scene,
    entry_order,
    fill_of,
    kinds,
    only,
    orders,
    purposes,
    refusals,
    reports,
)

A = "AAAUSDT"
REMOTE = Opening(is_remote=True, order_prefix="r")


class Remote(Scene):
    """A scene on an exchange, whose word the test says."""

    def __init__(self, opening: Opening = REMOTE, **changes: object) -> None:
        super().__init__(**changes)
        self.trades = 100
        self.feed(AccountOpening(self.now_ns, opening))
        self.venue_status()
        self.state(BookState.SYNCED)
        self.tight("99.99", "100.00")

    def tell(self, outcome: Outcome) -> list[object]:
        return self.feed(ExecutionTold(self.now_ns, outcome))

    def fill(self, order: Order, price: str, quantity: str) -> list[object]:
        self.trades += 1
        fill = fill_of(order, price, quantity, fee="0.5")
        return self.tell(msgspec.structs.replace(fill, trade_id=str(self.trades)))

    def report(
        self, order: Order, status: OrderStatus, filled: str, reason: str = ""
    ) -> list[object]:
        return self.tell(
            OrderReport(
                received_ns=0,
                symbol=order.symbol,
                client_order_id=order.client_order_id,
                status=status,
                filled_quantity=Decimal(filled),
                reason=reason,
            )
        )

    def outside(self, side: Side, quantity: str, price: str = "100") -> list[object]:
        self.trades += 1
        return self.tell(
            OutsideFill(
                received_ns=0,
                symbol=A,
                client_order_id="autoclose-1",
                trade_id=str(self.trades),
                side=side,
                price=Decimal(price),
                quantity=Decimal(quantity),
                fee=Decimal("0.25"),
                is_maker=False,
            )
        )

    def move(self, reason: CashReason, amount: str, number: int = 1) -> list[object]:
        """The exchange books something beside trades."""
        return self.tell(
            CashMoved(
                received_ns=0,
                symbol="",
                reason=reason,
                amount=Decimal(amount),
                booking_id=f"{reason.value} {number}",
                detail=reason.value,
            )
        )

    def sent(self) -> Order:
        """A signal to buy becomes an order that leaves."""
        [order] = orders(self.signal(Side.BUY))
        return order

    def held(self) -> Order:
        """An order to buy that filled whole."""
        order = self.sent()
        self.fill(order, "100", str(order.quantity))
        self.report(order, OrderStatus.FILLED, str(order.quantity))
        return order

    @property
    def facts(self) -> list[Journalled]:
        return [entry.fact for entry in self.entries]


def rebuilt(facts: Sequence[Journalled]) -> Opening:
    opening = opening_after(facts)
    assert opening is not None
    return opening


def test_apply_signal_sends_an_order_of_the_prefix_and_waits_for_the_exchange() -> None:
    scene = Remote()
    order = scene.sent()
    assert order.client_order_id == "r-1"
    assert kinds(scene.wait(1_000).tight("99.99", "100.00")) == []
    told = scene.fill(order, "100.01", str(order.quantity))
    assert kinds(told) == ["Fill", "PositionChanged"]
    assert only(Fill, told)[0].received_ns == scene.now_ns
    assert reports(scene.report(order, OrderStatus.FILLED, str(order.quantity))) == [
        "FILLED"
    ]
    assert scene.positions == {A: order.quantity}


def test_apply_unknown_order_holds_exposure_and_symbol_until_it_is_known() -> None:
    scene = Remote()
    order = scene.sent()
    scene.report(order, OrderStatus.UNKNOWN, "0", "timeout")
    assert scene.gate.exposure_of(A, {}) == order.notional
    scene.wait(5_000).tight("99.99", "100.00")
    assert refusals(scene.signal(Side.BUY)) == [RefusalReason.ORDER_IN_FLIGHT]
    scene.report(order, OrderStatus.REJECTED, "0", "it never arrived")
    assert scene.gate.exposure_of(A, {}) == 0
    assert orders(scene.signal(Side.BUY))


def test_kill_asks_an_entry_back_once_and_closes_what_filled_of_it() -> None:
    scene = Remote()
    order = scene.sent()
    told = scene.command(Verb.KILL)
    assert [fact.client_order_id for fact in only(Withdrawn, told)] == ["r-1"]
    assert only(Withdrawn, scene.wait(100).tick()) == []
    scene.fill(order, "100", "1")
    told = scene.report(order, OrderStatus.CANCELED, "1")
    assert purposes(told) == [Purpose.KILL]
    assert orders(told)[0].quantity == 1
    assert not scene.account.is_flat


def test_end_leaves_orders_to_the_exchange() -> None:
    scene = Remote()
    order = scene.sent()
    assert only(OrderReport, scene.end()) == []
    [lost] = rebuilt(scene.facts).lost_orders
    assert lost == LostOrder(order, Decimal(0), ())


def test_apply_opening_with_an_order_in_flight_counts_it_until_it_is_told() -> None:
    before = Remote()
    order = before.sent()
    before.fill(order, "100", "1")
    opening = rebuilt(before.facts)
    assert opening.is_remote
    assert opening.lost_orders == (LostOrder(order, Decimal(1), ("101",)),)
    after = Remote(msgspec.structs.replace(opening, order_prefix="s"))
    assert reports(after.facts) == ["UNKNOWN"]
    assert after.gate.exposure_of(A, {}) == order.notional - 100 * Decimal("1.0005")
    assert refusals(after.signal(Side.BUY)) == [RefusalReason.POSITION_OPEN]
    rest = order.quantity - 1
    after.trades = 200
    after.fill(order, "100", str(rest))
    after.report(order, OrderStatus.FILLED, str(order.quantity))
    assert after.positions == {A: order.quantity}
    assert after.gate.exposure_of(A, {}) == 0
    assert rebuilt(after.facts).lost_orders == ()


def test_apply_opening_with_an_exit_in_flight_sends_no_second_one() -> None:
    before = Remote()
    before.held()
    [leaving] = orders(before.command(Verb.FLATTEN))
    after = Remote(rebuilt(before.facts))
    assert after.account.is_flat is False
    assert orders(after.command(Verb.FLATTEN)) == []
    after.fill(leaving, "99", str(leaving.quantity))
    after.report(leaving, OrderStatus.FILLED, str(leaving.quantity))
    assert after.account.is_flat


def test_leave_exit_rejected_again_and_again_waits_longer_each_time() -> None:
    scene = Remote(max_orders_per_minute=1_000)
    scene.held()
    told = orders(scene.command(Verb.FLATTEN))
    sent_ms = []
    for _ in range(9_000 // 50):
        for leaving in told:
            scene.report(leaving, OrderStatus.REJECTED, "0", "-1008")
        scene.wait(50)
        told = orders(scene.tight("99.99", "100.00"))
        sent_ms += [scene.now_ns // 1_000_000 for _ in told]
    waits = [later - sooner for sooner, later in pairwise(sent_ms)]
    assert waits == [200, 400, 800, 1_600, 3_200]


def test_apply_outside_fill_of_nothing_held_opens_a_position() -> None:
    scene = Remote()
    told = scene.outside(Side.SELL, "2")
    assert kinds(told) == ["OutsideFill", "PositionChanged"]
    assert scene.positions == {A: Decimal(2)}
    assert scene.account.ledger.positions[A].side is Side.SELL


def test_apply_outside_fill_of_the_same_side_adds_to_the_position() -> None:
    scene = Remote()
    order = scene.held()
    scene.outside(Side.BUY, "1")
    assert scene.positions == {A: order.quantity + 1}


def test_apply_outside_fill_that_closes_ends_the_trade_as_such() -> None:
    scene = Remote()
    order = scene.held()
    told = scene.outside(Side.SELL, str(order.quantity), "90")
    assert kinds(told) == ["OutsideFill", "PositionChanged", "TradeClosed"]
    [closed] = only(TradeClosed, told)
    assert closed.exit_purpose is Purpose.OUTSIDE
    assert closed.net == -10 * order.quantity - Decimal("0.75")
    assert scene.positions == {}


def test_apply_outside_fill_beyond_flat_turns_the_position() -> None:
    scene = Remote()
    order = scene.held()
    told = scene.outside(Side.SELL, str(order.quantity + 3))
    parts = only(OutsideFill, told)
    assert [part.quantity for part in parts] == [order.quantity, Decimal(3)]
    assert [part.fee for part in parts] == [Decimal("0.25"), Decimal(0)]
    assert scene.positions == {A: Decimal(3)}
    assert scene.account.ledger.positions[A].side is Side.SELL


@pytest.mark.parametrize("reason", [CashReason.FUNDING, CashReason.OTHER])
def test_apply_booking_is_profit_or_loss_of_the_day(reason: CashReason) -> None:
    scene = Remote()
    told = scene.move(reason, "-12.5")
    assert kinds(told) == ["CashMoved"]
    [moved] = only(CashMoved, told)
    assert moved.received_ns == scene.now_ns
    [marked] = only(EquityMarked, scene.wait(1_000).tick())
    assert [marked.funding, marked.gross, marked.fees] == [Decimal("-12.5"), 0, 0]
    assert marked.day_pnl == Decimal("-12.5")
    assert marked.drawdown == Decimal("12.5")


def test_apply_transfer_is_neither_profit_nor_loss() -> None:
    scene = Remote()
    assert kinds(scene.move(CashReason.TRANSFER, "-5000")) == ["CashMoved"]
    assert scene.account.ledger.curve.day_pnl == 0
    assert not scene.account.kill_switch.is_latched


def test_apply_booking_that_reaches_the_daily_loss_kills_at_once() -> None:
    scene = Remote()
    assert kinds(scene.move(CashReason.OTHER, "-499.99")) == ["CashMoved"]
    told = scene.move(CashReason.OTHER, "-0.01", 2)
    assert kinds(told)[:2] == ["CashMoved", "KillTripped"]
    assert scene.account.kill_switch.is_latched


def test_opening_after_bookings_stands_where_the_account_does() -> None:
    scene = Remote()
    scene.move(CashReason.FUNDING, "-12.5", 1)
    scene.move(CashReason.TRANSFER, "100", 2)
    scene.wait(1_000).tick()
    opening = rebuilt(scene.facts)
    assert opening.funding == Decimal("-12.5")
    assert opening.pnl == Decimal("-12.5")
    assert opening.booking_ids == ("funding 1", "transfer 2")
    after = Remote(opening)
    curve = after.account.ledger.curve
    assert [curve.day_pnl, curve.day_funding] == [Decimal("-12.5"), Decimal("-12.5")]
    assert [curve.day_gross, curve.day_fees] == [0, 0]
    again = rebuilt(after.facts)
    assert (again.funding, again.booking_ids) == (opening.funding, opening.booking_ids)


def test_opening_after_a_late_comparison_forgets_old_bookings() -> None:
    scene = Remote()
    scene.move(CashReason.FUNDING, "-1", 1)
    scene.venue_status(is_reconciled=False)
    scene.wait(119_000)
    scene.move(CashReason.FUNDING, "-1", 2)
    scene.wait(2_000)
    scene.venue_status()
    assert rebuilt(scene.facts).booking_ids == ("funding 2",)


def test_opening_after_outside_fills_stands_where_the_account_does() -> None:
    scene = Remote()
    order = scene.held()
    scene.outside(Side.SELL, "1")
    scene.outside(Side.SELL, str(order.quantity + 3))
    scene.outside(Side.SELL, "1")
    opening = rebuilt(scene.facts)
    [held] = opening.positions
    assert (held.side, held.quantity) == (Side.SELL, Decimal(5))
    mine = scene.account.ledger.opening()
    assert (opening.cash, opening.fees) == (mine.cash, mine.fees)


def test_venue_status_changes_are_journalled_once() -> None:
    scene = Remote()
    told = scene.feed(VenueStatus(scene.now_ns, False, reason="positions differ: x"))
    assert only(Reconciled, told)[0].reason == "positions differ: x"
    again = scene.feed(
        VenueStatus(scene.now_ns, False, 7, reason="positions differ: x")
    )
    assert again == []
    assert refusals(scene.signal(Side.BUY)) == [RefusalReason.UNRECONCILED]
    assert only(Reconciled, scene.venue_status())[0].is_reconciled


def test_venue_status_lost_kills() -> None:
    scene = Remote()
    status = VenueStatus(scene.now_ns, False, is_lost=True, reason="positions differ")
    scene.feed(status)
    assert scene.kill_reasons == [KillReason.RECONCILIATION]


def test_opening_after_reconciliation_remembers_the_trades_about_it() -> None:
    scene = Remote()
    scene.held()
    old, *_ = scene.trades, None
    scene.wait(200_000)
    scene.feed(VenueStatus(scene.now_ns, False, reason="doubt"))
    scene.outside(Side.BUY, "1")
    scene.venue_status()
    opening = rebuilt(scene.facts)
    assert opening.reconciled_ns == scene.now_ns
    assert opening.trade_ids == {A: (old + 1,)}
    after = Remote(opening)
    assert rebuilt(after.facts).trade_ids == {A: (old + 1,)}


@pytest.mark.parametrize("capital", [None, Decimal(4_000)])
def test_apply_opening_capital_of_a_small_wallet_limits_exposure(
    capital: Decimal | None,
) -> None:
    scene = Remote(msgspec.structs.replace(REMOTE, capital=capital))
    begun = capital or Decimal(10_000)
    assert scene.account.ledger.curve.equity == begun
    assert scene.gate.limits.max_instrument_exposure == begun / 4
    assert rebuilt(scene.facts).capital == capital


def test_approved_orders_of_an_earlier_run_are_not_sent_again() -> None:
    lost = LostOrder(entry_order(client_order_id="old-1"), Decimal(0))
    scene = Remote(msgspec.structs.replace(REMOTE, lost_orders=(lost,)))
    assert only(Approved, scene.facts) == []
    scene.wait(int(70 * NS_PER_S // 1_000_000)).tick()
    assert only(Approved, scene.facts) == []


# Protective stops and the end of a kill ----------------------------------------------


def test_apply_protective_stop_is_journalled_at_the_time_it_was_told() -> None:
    scene = Remote()
    stop = ProtectiveStop(
        received_ns=0,
        symbol=A,
        client_order_id="mftstop-r-1",
        side=Side.SELL,
        trigger_price=Decimal("99.5"),
        status=StopStatus.WORKING,
    )
    told = scene.tell(stop)
    assert told == [msgspec.structs.replace(stop, received_ns=scene.now_ns)]


def test_entering_names_symbols_whose_order_may_still_open_something() -> None:
    scene = Remote()
    assert scene.account.entering() == []
    order = scene.sent()
    assert scene.account.entering() == [A]
    scene.fill(order, "100", str(order.quantity))
    scene.report(order, OrderStatus.FILLED, str(order.quantity))
    scene.command(Verb.FLATTEN)
    assert scene.account.working
    assert scene.account.entering() == []


def test_kill_is_completed_once_the_exchange_agrees_that_nothing_is_held() -> None:
    scene = Remote()
    order = scene.held()
    [exit_order] = orders(scene.wait(1).command(Verb.KILL))
    killed_ns = scene.now_ns
    scene.venue_status(is_reconciled=False)
    scene.wait(30)
    scene.fill(exit_order, "99.9", str(order.quantity))
    told = scene.report(exit_order, OrderStatus.FILLED, str(order.quantity))
    assert only(KillCompleted, told) == []
    [completed] = only(KillCompleted, scene.wait(5).venue_status())
    assert completed.after_ns == scene.now_ns - killed_ns
    assert only(KillCompleted, scene.wait(1_000).tick()) == []


def test_kill_of_an_earlier_run_is_completed_only_where_something_was_left() -> None:
    scene = Remote()
    scene.held()
    scene.command(Verb.KILL)
    later = Remote(rebuilt(scene.facts))
    assert later.account.controls.flat_after_ns is None
    flat = Remote(msgspec.structs.replace(rebuilt(scene.facts), positions=()))
    assert flat.all(KillCompleted) == []
