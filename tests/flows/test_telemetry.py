"""The state of an engine as it is told: exact, plain, and looked at without a trace."""

from decimal import Decimal

import msgspec
import pytest

from flows.domain.books import Books
from flows.domain.event import (
    ClockTick,
    DepthDelta,
    DepthSnapshot,
    VenueStatus,
    Verb,
)
from flows.domain.kill import KillReason
from flows.domain.market import Market
from flows.domain.order import OrderStatus, WorkingOrder
from flows.domain.position import Position
from flows.domain.side import Side
from flows.domain.units import NS_PER_DAY, NS_PER_MS, NS_PER_S
from flows.telemetry import (
    BookTold,
    CountsTold,
    HistogramTold,
    KillTold,
    LatencyTold,
    LimitTold,
    OrderLatencyTold,
    PnlTold,
    PositionTold,
    Telemetry,
    VenueTold,
)
from tests.domain.scene import START_NS, Scene, entry_order
from tests.flows.telemetry_samples import observer_of

STAGES = ("decision", "placed", "sent", "acked")


def look(scene: Scene) -> Telemetry:
    return observer_of(scene).look(scene.now_ns)


def test_look_at_a_fresh_account_tells_its_capital_and_free_limits() -> None:
    told = look(Scene())
    assert told == Telemetry(
        run_id="run-1",
        begun_anew=0,
        mode="paper",
        now_ns=START_NS,
        data_age_ms=None,
        books={},
        messages={"depth": 0, "bookTicker": 0, "trade": 0},
        positions=[],
        orders=[],
        equity="10000",
        gross="0",
        day_pnl="0",
        day=PnlTold("0", "0", "0", "0"),
        drawdown="0",
        fees="0",
        funding="0",
        net="0",
        limits={
            "gross_exposure": LimitTold("0", "10000"),
            "daily_loss": LimitTold("0", "500"),
            "drawdown": LimitTold("0", "1000"),
            "orders_per_minute": LimitTold("0", "60"),
        },
        killed=None,
        alarm="",
        is_paused=False,
        is_flattening=False,
        venue=VenueTold(
            is_reconciled=True,
            reason="",
            rate_limited_ms=0,
            skew_ms=0,
            max_skew_ms=1_000,
        ),
        latency=LatencyTold(0, 0, 0, 0),
        order_latency=OrderLatencyTold(0, 0, 0, 0, 0, 0, 0),
        histograms=dict.fromkeys(STAGES, HistogramTold(0, 0, [0] * 18)),
        counts=CountsTold(0, 0, {}, 0, 0, {}, 0),
        recorder_waiting_bytes=None,
    )


def test_look_at_a_venue_that_refuses_entries_tells_each_ground() -> None:
    scene = Scene()
    scene.tick(skew_ms=-1_700)
    until_ns = scene.now_ns + 1_500 * NS_PER_MS + 1
    why = "an order of unknown fate"
    scene.feed(VenueStatus(scene.now_ns, False, until_ns, reason=why))
    told = look(scene).venue
    assert told == VenueTold(
        is_reconciled=False,
        reason=why,
        rate_limited_ms=1_501,
        skew_ms=-1_700,
        max_skew_ms=1_000,
    )
    scene.wait(1_600)
    assert look(scene).venue.rate_limited_ms == 0


def position_told(**facts: str) -> PositionTold:
    """A position entered at 100.00, 1.5 s ago."""
    return PositionTold(
        symbol="AAAUSDT",
        entry_price="100.00",
        entry_quantity=facts["quantity"],
        held_s=1,
        left_s=59,
        closing=None,
        **facts,
    )


LONG = position_told(
    direction="LONG",
    quantity="9.995",
    entry_notional="999.50000",
    mark="100.50",
    target_price="105.00",
    stop_price="95.00",
    gross="4.99750",  # 9.995 x 0.50
    fees="0.49975",  # 5 bps of 999.50
    closing_fee="0.50224875",  # 5 bps of 9.995 x 100.50
    net="3.99550125",
)
SHORT = position_told(
    direction="SHORT",
    quantity="10.005",
    entry_notional="1000.50000",
    mark="100.51",
    target_price="95.00",
    stop_price="105.00",
    gross="-5.10255",  # 10.005 x -0.51
    fees="0.50025",  # 5 bps of 1000.50
    closing_fee="0.502801275",  # 5 bps of 10.005 x 100.51
    net="-6.105601275",
)


@pytest.mark.parametrize(
    ("side", "position", "fees", "equity", "exposure"),
    [
        (Side.BUY, LONG, "0.49975", "10004.49775", "1004.49750"),
        (Side.SELL, SHORT, "0.50025", "9994.39720", "1005.60255"),
    ],
)
def test_look_at_a_position_tells_its_average_mark_and_net(
    side: Side, position: PositionTold, fees: str, equity: str, exposure: str
) -> None:
    scene = Scene(stop_bps=Decimal(500), target_bps=Decimal(500))
    scene.enter(side)
    scene.wait(1_500).tight("100.50", "100.51")
    told = look(scene)
    assert told.positions == [position]
    assert Decimal(told.fees) == Decimal(fees)
    assert Decimal(told.equity) == Decimal(equity)
    assert told.limits["exposure.AAAUSDT"] == LimitTold(exposure, "2500.00")


def test_look_at_an_average_without_an_end_keeps_the_exact_parts() -> None:
    scene = Scene()
    position = Position("AAAUSDT", Side.BUY, START_NS)
    position.quantity = position.entry_quantity = Decimal(3)
    position.entry_notional = Decimal(100)
    ledger = scene.account.ledger
    ledger.positions["AAAUSDT"] = position
    ledger._marks["AAAUSDT"] = Decimal(1), START_NS
    [told] = look(scene).positions
    assert told.entry_price == "33.33333333333333333333333333"
    assert (told.entry_notional, told.entry_quantity) == ("100", "3")
    position.quantity = position.entry_quantity = Decimal(0)
    [told] = look(scene).positions
    assert told.entry_price == "0"


def test_look_at_an_order_in_flight_tells_its_age_and_reservation() -> None:
    scene = Scene()
    scene.enter()
    scene.command(Verb.FLATTEN)
    scene.wait(7)
    told = look(scene)
    [order] = told.orders
    assert (order.limit_price, order.status) == (None, "NEW")
    assert (order.symbol, order.side, order.purpose) == ("AAAUSDT", "SELL", "flatten")
    assert (order.filled, order.age_ms) == ("0", 7)
    assert told.positions[0].closing == "flatten"
    assert told.is_paused
    assert told.is_flattening
    assert told.limits["orders_per_minute"] == LimitTold("2", "60")


def test_look_at_an_unknown_order_tells_its_limit_and_that_it_is_unknown() -> None:
    scene = Scene()
    order = entry_order(limit_price=Decimal("100.05"))
    unknown = WorkingOrder(order, OrderStatus.UNKNOWN)
    scene.account._execution.working[order.symbol] = unknown
    [told] = look(scene).orders
    assert (told.limit_price, told.status) == ("100.05", "UNKNOWN")


def test_look_tells_parts_of_day_and_all_time_that_add_up_to_net() -> None:
    scene = Scene()
    scene.enter()
    scene.wait(1_000).tight("100.10", "100.11")
    scene.wait(1_000).tick()
    yesterday = look(scene)
    scene.now_ns += NS_PER_DAY
    scene.tick()
    scene.command(Verb.FLATTEN)
    scene.wait(20).tight("100.00", "100.01")
    told = look(scene)
    assert yesterday.day.fees == yesterday.fees == "0.49975"
    assert told.day == PnlTold("-0.99950", "0.49975", "0", "-1.49925")
    assert told.day_pnl == told.day.net
    assert told.fees == "0.99950"
    for gross, fees, funding, net in (
        (told.day.gross, told.day.fees, told.day.funding, told.day.net),
        (told.gross, told.fees, told.funding, told.net),
    ):
        assert Decimal(gross) - Decimal(fees) + Decimal(funding) == Decimal(net)


def test_look_at_a_killed_account_tells_why_and_since_when() -> None:
    scene = Scene()
    scene.command(Verb.KILL)
    since_ns = scene.now_ns
    scene.wait(10)
    told = observer_of(scene).look(scene.now_ns, "no latch")
    assert told.killed == KillTold("command", "because", since_ns, 0)
    assert told.alarm == "no latch"


def test_look_between_two_events_changes_no_decision() -> None:
    """An onlooker's clock may be ahead of the event that comes next."""
    seen, unseen = Scene(max_orders_per_minute=2), Scene(max_orders_per_minute=2)
    for scene in (seen, unseen):
        scene.enter()
    told = observer_of(seen).look(seen.now_ns + 61 * NS_PER_S)
    assert told.limits["orders_per_minute"].used == "0"
    for scene in (seen, unseen):
        scene.command(Verb.FLATTEN)
        scene.wait(20).tight("99.99", "100.00")
        scene.wait(1_000).tight("99.99", "100.00")
        scene.command(Verb.RESUME)
        scene.signal(Side.BUY)
    assert seen.entries == unseen.entries
    assert seen.kill_reasons == [KillReason.ORDER_RATE]


@pytest.mark.parametrize(
    ("bids", "asks", "zone", "ratio"),
    [
        ([("1.0", "10")], [("1.1", "3")], "BUY", "3.3333"),
        ([("1.0", "2")], [("1.1", "7")], "SELL", "0.2857"),
        ([("1.0", "2")], [], "BUY", None),
    ],
)
def test_look_at_a_book_tells_its_imbalance(
    bids: list[tuple[str, str]],
    asks: list[tuple[str, str]],
    zone: str,
    ratio: str | None,
) -> None:
    books = Books(depth=5, stale_after_ms=3_000)
    books.apply(DepthSnapshot("AAAUSDT", START_NS, 10, bids, asks))
    stream, ids = "aaausdt@depth", (10, 12, 9)
    books.apply(DepthDelta("AAAUSDT", START_NS, Market.USD_M, *ids, bids, asks, stream))
    book = observer_of(Scene(), books).look(START_NS).books["AAAUSDT"]
    assert (book.zone, book.ratio, book.bids, book.asks) == (zone, ratio, bids, asks)


def test_look_at_books_tells_state_and_age_of_each() -> None:
    books = Books(depth=5, stale_after_ms=3_000)
    levels = [("1.0", "1")], [("1.1", "1")]
    for symbol in ("AAAUSDT", "BBBUSDT"):
        books.apply(DepthSnapshot(symbol, START_NS, 10, *levels))
    books.apply(
        DepthDelta(
            "AAAUSDT", START_NS, Market.USD_M, 10, 12, 9, *levels, "aaausdt@depth"
        )
    )
    told = observer_of(Scene(), books).look(START_NS + 250 * NS_PER_MS)
    assert told.data_age_ms == 250
    assert told.books["AAAUSDT"] == BookTold(
        state="SYNCED",
        view_age_ms=250,
        depth_events=1,
        gaps=0,
        zone="NEUTRAL",
        ratio="1.0000",
        bids=[("1.0", "1")],
        asks=[("1.1", "1")],
    )
    assert told.books["BBBUSDT"].view_age_ms is None
    assert told.messages == {"depth": 1, "bookTicker": 0, "trade": 0}
    early = observer_of(Scene(), books).look(START_NS - 1)
    assert early.data_age_ms == 0


def test_look_symbol_that_nothing_has_come_of_is_told_as_empty() -> None:
    scene = Scene()
    books = Books(depth=5, stale_after_ms=3_000)
    observer = observer_of(scene, books, ("AAAUSDT", "BBBUSDT"))
    levels = [("1.0", "1")], [("1.1", "1")]
    books.apply(DepthSnapshot("BBBUSDT", START_NS, 10, *levels))
    told = observer.look(START_NS).books
    assert list(told) == ["AAAUSDT", "BBBUSDT"]
    assert told["AAAUSDT"] == BookTold("EMPTY", None, 0, 0)
    assert told["BBBUSDT"].state == "BRIDGING"


def test_count_of_a_batch_counts_signals_orders_and_refusals() -> None:
    scene = Scene()
    scene.enter()
    scene.signal(Side.BUY)
    scene.feed(ClockTick(scene.now_ns))
    observer = observer_of(scene)
    observer.counts.count(entry.fact for entry in scene.entries)
    told = observer.look(scene.now_ns)
    assert told.counts == CountsTold(
        signals=2,
        orders=1,
        refused={"position_open": 1},
        fills=1,
        trades=0,
        book_states={"AAAUSDT": {"SYNCED": 1}},
        entries=len(scene.entries),
    )


def test_look_money_travels_as_plain_text() -> None:
    scene = Scene()
    scene.enter()
    body = msgspec.json.encode(look(scene))
    assert msgspec.json.decode(body, type=Telemetry) == look(scene)
    told = msgspec.json.decode(body)
    money = [told["equity"], told["fees"], *told["limits"]["drawdown"].values()]
    assert all(isinstance(text, str) and "E" not in text for text in money)
