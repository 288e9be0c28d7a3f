"""Round trips: the scanner's figures beside the paper venue's own fills."""

from decimal import Decimal
from typing import NamedTuple

from hypothesis import given
from hypothesis import strategies as st

from flows.domain.entry import EntryRules, plan_entry
from flows.domain.instrument import Instrument
from flows.domain.order import Fill, Order, OrderType, Purpose
from flows.domain.paper import PaperRules, PaperVenue
from flows.domain.position import ExitRules, Position
from flows.domain.side import Side
from flows.domain.suitability import ScanTerms
from flows.domain.units import BPS, NS_PER_MS
from flows.domain.view import BookView, TickLevel
from tests.domain.scene import START_NS, approved, repeatable, signal_of
from tests.domain.test_scan import Watch

DECIMALS = 8
"""Of prices: so fine that a target is reached almost exactly."""
QUANTITIES = 3
INSTRUMENT = Instrument(Decimal("0.01"), Decimal("0.001"), Decimal(5))
FEE_BPS = Decimal(5)
PAPER = PaperRules(order_latency_ms=0, taker_fee_bps=FEE_BPS)
TERMS = ScanTerms(
    order_notional=Decimal(1_000),
    max_slippage_bps=Decimal(50),
    target_bps=Decimal(20),
    stop_bps=Decimal(15),
    hold_s=60,
    fee_bps=FEE_BPS,
)
EXITS = ExitRules(TERMS.target_bps, TERMS.stop_bps, TERMS.hold_s)
CENT = 1_000_000


class Depths(NamedTuple):
    """A book: the best bid in cents, and each side as (cents further, lots)."""

    best: int
    spread: int
    bids: list[tuple[int, int]]
    asks: list[tuple[int, int]]


_SIDE = st.lists(
    st.tuples(st.integers(1, 30), st.integers(100, 3_000)), min_size=1, max_size=4
)
_DEPTHS = st.builds(
    Depths, st.integers(9_000, 40_000), st.integers(1, 40), _SIDE, _SIDE
)


def levels(best: int, steps: list[tuple[int, int]], sign: int) -> list[TickLevel]:
    """Levels away from the best price; the last one holds whatever comes."""
    found = []
    for further, lots in [*steps, (1, 1_000_000)][:5]:
        found.append((best * CENT, lots))
        best += sign * further
    return [*found[:-1], (found[-1][0], 1_000_000)]


def view_of(depths: Depths, shift: int = 0) -> BookView:
    """The book, all of it `shift` ticks higher."""
    bids = levels(depths.best, depths.bids, -1)
    asks = levels(depths.best + depths.spread, depths.asks, 1)
    return BookView(
        symbol="AAAUSDT",
        received_ns=START_NS,
        update_id=1,
        bids=tuple((price + shift, lots) for price, lots in bids),
        asks=tuple((price + shift, lots) for price, lots in asks),
        bid_lots=sum(lots for _, lots in bids),
        ask_lots=sum(lots for _, lots in asks),
        price_decimals=DECIMALS,
        quantity_decimals=QUANTITIES,
        is_beyond_horizon=False,
        is_traded=True,
    )


def as_text(view: BookView, side: tuple[TickLevel, ...]) -> list[tuple[str, str]]:
    return [
        (f"{view.price(price):f}", f"{view.quantity(lots):f}") for price, lots in side
    ]


def execute(order: Order, view: BookView, position: Position) -> None:
    """Let the paper venue fill an order, and the position take its fills."""
    venue = PaperVenue(PAPER)
    venue.submit(approved(order))
    for outcome in venue.meet(view):
        if isinstance(outcome, Fill):
            position.apply(outcome)


def entered(view: BookView, side: Side) -> Position:
    rules = EntryRules(TERMS.order_notional, TERMS.max_slippage_bps)
    order = plan_entry(signal_of(view, side), INSTRUMENT, rules, "entry")
    assert isinstance(order, Order)
    position = Position(view.symbol, side, view.received_ns)
    execute(order, view, position)
    return position


def left_bps(position: Position, view: BookView) -> Decimal:
    """Net of the trade that is left at `view`, in bps of its entry."""
    order = Order(
        received_ns=view.received_ns,
        symbol=view.symbol,
        client_order_id="exit",
        side=Side.SELL if position.is_long else Side.BUY,
        order_type=OrderType.MARKET,
        purpose=Purpose.FLATTEN,
        quantity=position.quantity,
        limit_price=None,
        is_reduce_only=True,
        notional=Decimal(0),
    )
    execute(order, view, position)
    closed = position.closed(view.received_ns + NS_PER_MS, Purpose.FLATTEN)
    assert position.quantity == 0
    return closed.net * BPS / closed.entry_notional


def shift_until(purpose: Purpose, depths: Depths, side: Side) -> int:
    """The least shift of the whole book at which a position is left for `purpose`."""
    position = entered(view_of(depths), side)
    is_up = (purpose is Purpose.TARGET) == position.is_long
    near, far = 0, depths.best * CENT // 4
    while far - near > 1:
        middle = (near + far) // 2
        view = view_of(depths, middle if is_up else -middle)
        price = position.exit_price(view)
        is_due = position.due_exit(price, view.received_ns, EXITS) is purpose
        near, far = (near, middle) if is_due else (middle, far)
    return far if is_up else -far


def can_wait(depths: Depths, side: Side) -> bool:
    """Whether a trade is not stopped as soon as it is entered."""
    view = view_of(depths)
    position = entered(view, side)
    price = position.exit_price(view)
    return position.due_exit(price, view.received_ns, EXITS) is None


def outcome_bps(purpose: Purpose, depths: Depths, side: Side) -> Decimal:
    position = entered(view_of(depths), side)
    return left_bps(position, view_of(depths, shift_until(purpose, depths, side)))


@repeatable
@given(depths=_DEPTHS)
def test_scanner_cost_and_break_even_are_those_of_the_paper_venue(
    depths: Depths,
) -> None:
    view = view_of(depths)
    watch = Watch(terms=TERMS, instrument=INSTRUMENT)
    watch.begin(as_text(view, view.bids), as_text(view, view.asks))
    watch.pass_seconds(2)
    found = watch.result()
    both = (Side.BUY, Side.SELL)
    costs = [-left_bps(entered(view, side), view) for side in both]
    rates = []
    for side in both:
        won = outcome_bps(Purpose.TARGET, depths, side)
        lost = -outcome_bps(Purpose.STOP, depths, side)
        rates.append(lost / (won + lost))
    assert found.cost_bps is not None
    assert found.break_even_win_rate is not None
    crossing = found.cost_bps - found.fee_bps
    # The exit's fee is on what it brings, and the scanner takes it on the entry.
    assert abs(
        sum(costs, Decimal(0)) / 2 - found.cost_bps
    ) <= crossing * FEE_BPS / BPS + Decimal("1e-4")
    if all(can_wait(depths, side) for side in both) and max(rates) < 1:
        assert abs(sum(rates, Decimal(0)) / 2 - found.break_even_win_rate) < Decimal(
            "2e-4"
        )


def test_scanner_fixed_book_of_one_level_costs_its_spread_and_the_fees_once() -> None:
    depths = Depths(10_000, 10, [(1, 1_000_000)], [(1, 1_000_000)])
    won = outcome_bps(Purpose.TARGET, depths, Side.BUY)
    lost = outcome_bps(Purpose.STOP, depths, Side.BUY)
    assert abs(won - 10) < Decimal("0.02")  # 20, and 5 a side: no spread comes off
    assert abs(lost + 25) < Decimal("0.02")
    stays = left_bps(entered(view_of(depths), Side.BUY), view_of(depths))
    assert abs(stays + 20) < Decimal("0.02")  # 10 of spread


def test_market_that_costs_little_is_suitable_and_one_that_costs_much_is_not() -> None:
    verdicts = []
    for spread in (1, 40):
        depths = Depths(40_000, spread, [(1, 1_000_000)], [(1, 1_000_000)])
        view = view_of(depths)
        quick = TERMS._replace(hold_s=3)
        watch = Watch(terms=quick, instrument=INSTRUMENT)
        watch.begin(as_text(view, view.bids), as_text(view, view.asks))
        for turn in range(200):
            swing(watch, depths, 200 * CENT * (turn % 2))
            watch.pass_seconds(4)
        verdicts.append(watch.result().verdict)
    assert verdicts == ["suitable", "doubtful"]


def swing(watch: Watch, depths: Depths, shift: int) -> None:
    """The whole book jumps; up there, bids outweigh asks."""
    heavy = depths._replace(bids=[(1, 9_000_000)])
    low, high = view_of(depths), view_of(heavy, 200 * CENT)
    before, after = (low, high) if shift else (high, low)
    bids = [(price, "0") for price, _ in as_text(before, before.bids)]
    asks = [(price, "0") for price, _ in as_text(before, before.asks)]
    watch.feed(
        watch.delta(
            bids + as_text(after, after.bids), asks + as_text(after, after.asks)
        )
    )
