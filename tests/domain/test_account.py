"""The account: round trips by hand, and the frame of a run."""

from decimal import Decimal

from flows.domain.equity import EquityMarked
from flows.domain.event import Verb
from flows.domain.order import Fill, OrderType, Purpose
from flows.domain.position import Direction, TradeClosed
from flows.domain.risk import Approved
from flows.domain.run import RunEnded, RunStarted
from flows.domain.side import Side
from flows.domain.symbol_book import BookState
from flows.domain.units import NS_PER_MS
from tests.domain.scene import (
    START_NS,
    Scene,
    kinds,
    only,
    orders,
    purposes,
    reports,
)

BUY, SELL = Side.BUY, Side.SELL
A = "AAAUSDT"


def test_apply_long_round_trip_gives_the_figures_by_hand() -> None:
    scene = Scene()
    filled = scene.enter(BUY)
    assert kinds(filled) == ["Fill", "PositionChanged", "OrderReport"]
    (entry,) = only(Fill, filled)
    # 1000 / 100.05 floored to 0.001 is 9.995; 9.995 x 100.00 x 0.0005 = 0.49975
    assert (entry.price, entry.quantity) == (Decimal("100.00"), Decimal("9.995"))
    assert entry.fee == Decimal("0.49975")
    assert scene.account.ledger.curve.equity == Decimal("9999.40030")  # bid 99.99

    exit_ = orders(scene.wait(1000).tight("100.20", "100.21"))
    assert [(o.side, o.order_type, o.purpose, o.quantity) for o in exit_] == [
        (SELL, OrderType.MARKET, Purpose.TARGET, Decimal("9.995"))
    ]
    assert exit_[0].is_reduce_only
    assert exit_[0].notional == Decimal("1001.499")
    facts = scene.wait(20).tight("100.20", "100.21")
    assert kinds(facts) == ["Fill", "PositionChanged", "TradeClosed", "OrderReport"]
    assert only(TradeClosed, facts) == [
        TradeClosed(
            received_ns=scene.now_ns,
            symbol=A,
            direction=Direction.LONG,
            opened_ns=START_NS + 20 * NS_PER_MS,
            quantity=Decimal("9.995"),
            entry_notional=Decimal("999.5"),
            exit_notional=Decimal("1001.499"),
            gross=Decimal("1.999"),
            fees=Decimal("1.0004995"),  # 0.49975 + 0.5007495
            net=Decimal("0.9985005"),
            exit_purpose=Purpose.TARGET,
        )
    ]
    assert only(EquityMarked, scene.tick()) == [
        EquityMarked(
            received_ns=scene.now_ns,
            symbol="",
            equity=Decimal("10000.9985005"),
            gross=Decimal("1.999"),
            fees=Decimal("1.0004995"),
            funding=Decimal(0),
            day_pnl=Decimal("0.9985005"),
            drawdown=Decimal("0.5007495"),  # the exit's fee, below the peak before
        )
    ]


def test_apply_short_round_trip_gives_the_figures_by_hand() -> None:
    scene = Scene()
    (entry,) = only(Fill, scene.enter(SELL))
    # 1000 / 99.95 floored to 0.001 is 10.005; 10.005 x 100.00 x 0.0005 = 0.50025
    assert (entry.side, entry.quantity) == (SELL, Decimal("10.005"))
    assert (entry.price, entry.fee) == (Decimal("100.00"), Decimal("0.50025"))

    assert purposes(scene.wait(1000).tight("100.14", "100.15")) == [Purpose.STOP]
    (trade,) = only(TradeClosed, scene.wait(20).tight("100.14", "100.15"))
    assert trade.direction is Direction.SHORT
    assert trade.entry_notional == Decimal("1000.5")
    assert trade.exit_notional == Decimal("1002.00075")
    assert trade.gross == Decimal("-1.50075")
    assert trade.fees == Decimal("1.001250375")  # 0.50025 + 0.501000375
    assert trade.net == Decimal("-2.502000375")
    (marked,) = only(EquityMarked, scene.tick())
    assert marked.equity == Decimal("9997.497999625")
    assert marked.drawdown == Decimal("2.502000375")


def test_apply_thin_entry_holds_what_filled_and_the_rest_expires() -> None:
    scene = Scene()
    scene.state(BookState.SYNCED)
    scene.view([("99.99", "1000")], [("100.00", "0.5"), ("100.06", "1000")])
    scene.signal(BUY)
    facts = scene.wait(20).view(
        [("99.99", "1000")], [("100.00", "0.5"), ("100.06", "1000")]
    )
    assert reports(facts) == ["EXPIRED"]
    assert scene.positions == {A: Decimal("0.5")}
    assert scene.gate.gross_exposure({}) == 0


def test_apply_first_event_starts_the_run_with_sequence_zero() -> None:
    scene = Scene()
    scene.tight("99.99", "100.00")
    assert [entry.sequence for entry in scene.entries] == [0]
    (started,) = scene.all(RunStarted)
    assert (started.received_ns, started.run_id) == (START_NS, "0123456789abcdef")


def test_apply_orders_are_named_after_the_run_without_a_hole() -> None:
    scene = Scene()
    scene.enter()
    scene.signal(BUY)  # refused
    scene.command(Verb.KILL)
    ids = [approved.order.client_order_id for approved in scene.all(Approved)]
    assert ids == ["456789abcdef-1", "456789abcdef-2"]


def test_end_with_an_order_in_flight_reports_it_unfilled_and_ends() -> None:
    scene = Scene()
    scene.state(BookState.SYNCED)
    scene.tight("99.99", "100.00")
    scene.signal(BUY)
    facts = scene.end()
    assert kinds(facts) == ["OrderReport", "EquityMarked", "RunEnded"]
    assert reports(facts) == ["UNFILLED"]
    assert scene.gate.gross_exposure({}) == 0


def test_end_with_a_position_values_it_and_leaves_it_open() -> None:
    scene = Scene()
    scene.enter()
    (ended,) = only(RunEnded, scene.end())
    assert ended.equity == Decimal("9999.4003")
    assert ended.max_drawdown == Decimal("0.5997")
    assert scene.positions == {A: Decimal("9.995")}


def test_end_of_a_run_without_an_event_still_begins_and_ends_it() -> None:
    scene = Scene()
    assert kinds(scene.end()) == ["RunStarted", "EquityMarked", "RunEnded"]
    assert [entry.sequence for entry in scene.entries] == [0, 1, 2]
