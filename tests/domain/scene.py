"""A scene for the account: a clock, books by hand, and the journal so far."""

from collections.abc import Sequence
from decimal import Decimal
from typing import TypeVar

import msgspec
from hypothesis import settings

from flows.domain.account import Account, AccountEvent, TradingRules
from flows.domain.entry import EntryRules
from flows.domain.event import ClockTick, Command, VenueStatus, Verb
from flows.domain.imbalance import Imbalance, Zone
from flows.domain.instrument import Instrument, Instruments
from flows.domain.kill import KillReason, KillTripped
from flows.domain.order import Fill, Order, OrderReport, OrderType, Purpose
from flows.domain.paper import PaperRules, PaperVenue
from flows.domain.position import ExitRules
from flows.domain.risk import Approved, RefusalReason, Refused, RiskGate, RiskLimits
from flows.domain.run import JournalEntry, RunStarted
from flows.domain.side import Side
from flows.domain.signal import Signal
from flows.domain.symbol_book import BookState, BookStateChanged
from flows.domain.units import NS_PER_DAY, NS_PER_MS, scaled
from flows.domain.view import BookView, TickLevel

START_NS = 20_000 * NS_PER_DAY + NS_PER_DAY // 2
"""Noon of some day."""

RULES = TradingRules(
    entry=EntryRules(order_notional=Decimal(1000), max_slippage_bps=Decimal(5)),
    exit=ExitRules(target_bps=Decimal(20), stop_bps=Decimal(15), max_hold_s=60),
    cooldown_ms=1000,
)
LIMITS = RiskLimits(
    capital=Decimal(10_000),
    max_position_notional=Decimal(10_000),
    max_instrument_share=Decimal("0.25"),
    max_daily_loss=Decimal(500),
    max_drawdown=Decimal(1000),
    max_orders_per_minute=60,
    max_clock_skew_ms=1000,
    mark_max_age_ms=5000,
)
PAPER = PaperRules(order_latency_ms=20, taker_fee_bps=Decimal(5))
INSTRUMENT = Instrument(Decimal("0.01"), Decimal("0.001"), Decimal(5))
STARTED = RunStarted(
    received_ns=0,
    symbol="",
    run_id="0123456789abcdef",
    mode="replay",
    inputs={},
    settings={},
)

Levels = Sequence[tuple[str, str]]
"""Levels as text, best first: (price, quantity)."""

repeatable = settings(deadline=None, derandomize=True)
"""For properties: the same examples every time, however slow the machine."""

F = TypeVar("F")
S = TypeVar("S", bound=msgspec.Struct)


def view_of(
    symbol: str,
    received_ns: int,
    bids: Levels,
    asks: Levels,
    *,
    is_beyond_horizon: bool = False,
    is_traded: bool = True,
) -> BookView:
    """A view with prices to the cent and quantities to the thousandth."""
    bid_levels, ask_levels = _levels(bids), _levels(asks)
    return BookView(
        symbol=symbol,
        received_ns=received_ns,
        update_id=received_ns // NS_PER_MS,
        bids=bid_levels,
        asks=ask_levels,
        bid_lots=sum(lots for _, lots in bid_levels),
        ask_lots=sum(lots for _, lots in ask_levels),
        price_decimals=2,
        quantity_decimals=3,
        is_beyond_horizon=is_beyond_horizon,
        is_traded=is_traded,
    )


def _levels(side: Levels) -> tuple[TickLevel, ...]:
    return tuple((scaled(price, 2), scaled(lots, 3)) for price, lots in side)


def signal_of(view: BookView, side: Side) -> Signal:
    """The signal that `view` would give."""
    return Signal(
        received_ns=view.received_ns,
        symbol=view.symbol,
        side=side,
        update_id=view.update_id,
        bid_volume=view.bid_volume,
        ask_volume=view.ask_volume,
        best_bid=view.best_bid,
        best_ask=view.best_ask,
    )


def entry_order(**changes: object) -> Order:
    """A limit order to buy 2 at 100, with `changes`."""
    order = Order(
        received_ns=START_NS,
        symbol="AAAUSDT",
        client_order_id="order-1",
        side=Side.BUY,
        order_type=OrderType.LIMIT,
        purpose=Purpose.ENTRY,
        quantity=Decimal(2),
        limit_price=Decimal(100),
        is_reduce_only=False,
        notional=Decimal(200),
    )
    return msgspec.structs.replace(order, **changes)


def exit_order(**changes: object) -> Order:
    """A reduce-only market order to sell 2, with `changes`."""
    order = entry_order(
        client_order_id="order-2",
        side=Side.SELL,
        order_type=OrderType.MARKET,
        purpose=Purpose.TIME,
        limit_price=None,
        is_reduce_only=True,
    )
    return msgspec.structs.replace(order, **changes)


def approved(order: Order) -> Approved:
    """`order` as a gate would have approved it."""
    return Approved(received_ns=order.received_ns, symbol=order.symbol, order=order)


def fill_of(order: Order, price: str, quantity: str, fee: str = "0") -> Fill:
    """A fill of `order` at the moment of its decision."""
    return Fill(
        received_ns=order.received_ns,
        symbol=order.symbol,
        client_order_id=order.client_order_id,
        trade_id="trade-1",
        side=order.side,
        price=Decimal(price),
        quantity=Decimal(quantity),
        fee=Decimal(fee),
        is_maker=False,
    )


class Scene:
    """Feeds an account event by event; every method answers with what it caused.

    Keywords change rules, limits and paper rules by field name. `tight` is a book with
    plenty on both sides, one cent apart.
    """

    def __init__(self, venue: PaperVenue | None = None, /, **changes: object) -> None:
        self.now_ns = START_NS
        self.gate = RiskGate(_changed(LIMITS, changes))
        self.venue = venue or PaperVenue(_changed(PAPER, changes))
        parts = {
            "entry": _changed(RULES.entry, changes),
            "exit": _changed(RULES.exit, changes),
        }
        rules = _changed(RULES, {**changes, **parts})
        instruments = Instruments({"AAAUSDT": INSTRUMENT, "BBBUSDT": INSTRUMENT})
        self.account = Account(STARTED, rules, self.gate, self.venue, instruments)
        self.entries: list[JournalEntry] = []
        self.last_view: dict[str, BookView] = {}

    def feed(self, *events: AccountEvent) -> list[object]:
        """Apply events as one batch."""
        entries = self.account.apply(events)
        self.entries += entries
        return [entry.fact for entry in entries]

    def end(self) -> list[object]:
        """End the input."""
        entries = self.account.end()
        self.entries += entries
        return [entry.fact for entry in entries]

    def wait(self, milliseconds: int) -> "Scene":
        """Let time pass."""
        self.now_ns += milliseconds * NS_PER_MS
        return self

    def state(self, after: BookState, symbol: str = "AAAUSDT") -> list[object]:
        """The book enters another state."""
        return self.feed(
            BookStateChanged(
                received_ns=self.now_ns,
                symbol=symbol,
                before=BookState.BRIDGING,
                after=after,
                update_id=None,
            )
        )

    def view(
        self,
        bids: Levels,
        asks: Levels,
        symbol: str = "AAAUSDT",
        *,
        is_beyond_horizon: bool = False,
        is_traded: bool = True,
    ) -> list[object]:
        """The book shows these levels."""
        view = view_of(
            symbol,
            self.now_ns,
            bids,
            asks,
            is_beyond_horizon=is_beyond_horizon,
            is_traded=is_traded,
        )
        self.last_view[symbol] = view
        return self.feed(Imbalance(view, Zone.NEUTRAL))

    def tight(self, bid: str, ask: str, symbol: str = "AAAUSDT") -> list[object]:
        """The book shows one large level a side."""
        return self.view([(bid, "1000")], [(ask, "1000")], symbol)

    def signal(self, side: Side, symbol: str = "AAAUSDT") -> list[object]:
        """The last view of the symbol gives a signal, now."""
        signal = signal_of(self.last_view[symbol], side)
        return self.feed(msgspec.structs.replace(signal, received_ns=self.now_ns))

    def tick(self, skew_ms: int | None = None) -> list[object]:
        """The clock ticks."""
        return self.feed(ClockTick(self.now_ns, skew_ms))

    def command(
        self, verb: Verb, reason: str = "because", *, rebase_peak: bool = False
    ) -> list[object]:
        """An operator says something."""
        return self.feed(
            Command(self.now_ns, verb, reason, "ann", rebase_peak=rebase_peak)
        )

    def venue_status(
        self, *, is_reconciled: bool = True, rate_limited_ms: int = 0
    ) -> list[object]:
        """The execution side tells what it knows."""
        until_ns = self.now_ns + rate_limited_ms * NS_PER_MS
        return self.feed(VenueStatus(self.now_ns, is_reconciled, until_ns))

    def enter(self, side: Side = Side.BUY, symbol: str = "AAAUSDT") -> list[object]:
        """From a SYNCED book at 99.99 / 100.00 (100.00 / 100.01 to sell), hold 1,000.

        Answers with the facts of the filling view.
        """
        bid, ask = ("99.99", "100.00") if side is Side.BUY else ("100.00", "100.01")
        self.state(BookState.SYNCED, symbol)
        self.tight(bid, ask, symbol)
        self.signal(side, symbol)
        self.wait(20)
        return self.tight(bid, ask, symbol)

    @property
    def positions(self) -> dict[str, Decimal]:
        """Open quantities by symbol."""
        held = self.account.ledger.positions
        return {symbol: position.quantity for symbol, position in held.items()}

    @property
    def kill_reasons(self) -> list[KillReason]:
        """Why the kill switch tripped, each time."""
        return [tripped.reason for tripped in self.all(KillTripped)]

    def all(self, kind: type[F]) -> list[F]:
        """Every fact of a kind journalled so far."""
        return only(kind, [entry.fact for entry in self.entries])


def _changed(base: S, changes: dict[str, object]) -> S:
    fields = set(base.__struct_fields__)
    known = {name: value for name, value in changes.items() if name in fields}
    return msgspec.structs.replace(base, **known)


def only(kind: type[F], facts: Sequence[object]) -> list[F]:
    """The facts of one kind."""
    return [fact for fact in facts if isinstance(fact, kind)]


def kinds(facts: Sequence[object]) -> list[str]:
    """The names of the facts' classes."""
    return [type(fact).__name__ for fact in facts]


def orders(facts: Sequence[object]) -> list[Order]:
    """The orders that were approved."""
    return [fact.order for fact in only(Approved, facts)]


def purposes(facts: Sequence[object]) -> list[Purpose]:
    """Why the approved orders were sent."""
    return [order.purpose for order in orders(facts)]


def refusals(facts: Sequence[object]) -> list[RefusalReason]:
    """Why signals were refused."""
    return [fact.reason for fact in only(Refused, facts)]


def reports(facts: Sequence[object]) -> list[str]:
    """The statuses that the venue reported."""
    return [fact.status.value for fact in only(OrderReport, facts)]
