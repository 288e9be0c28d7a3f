"""What a raw frame says, parsed once at the edge.

Prices and quantities keep the exchange's own decimal text until a book counts them
in ticks and lots: the scale is the book's, and it may still grow.
"""

from enum import Enum

import msgspec

from flows.domain.cash import CashMoved
from flows.domain.instrument import Instrument
from flows.domain.market import Market
from flows.domain.opening import Opening
from flows.domain.order import Fill, OrderReport, OutsideFill, ProtectiveStop

Levels = list[tuple[str, str]]
"""(price, quantity) as sent by the exchange; quantity 0 removes the level."""


class DepthDelta(msgspec.Struct, frozen=True, gc=False):
    """Changed levels of one book, with absolute quantities (`depthUpdate`)."""

    symbol: str
    received_ns: int
    market: Market
    first_id: int
    """`U`: first update id in the event."""
    last_id: int
    """`u`: last update id in the event."""
    previous_id: int | None
    """`pu`: `u` of the symbol's previous event; None on Spot."""
    bids: Levels
    asks: Levels
    stream: str
    """Each speed is a chain of ids of its own; a book follows one stream."""


class DepthSnapshot(msgspec.Struct, frozen=True, gc=False):
    """A REST order book (`GET /depth`), best levels first."""

    symbol: str
    received_ns: int
    last_update_id: int
    bids: Levels
    asks: Levels


class BookTicker(msgspec.Struct, frozen=True, gc=False):
    """The exchange's own best prices at one update id (`bookTicker`)."""

    symbol: str
    received_ns: int
    update_id: int
    bid_price: str
    bid_quantity: str
    ask_price: str
    ask_quantity: str


class MarketTrade(msgspec.Struct, frozen=True, gc=False):
    """A public trade (`trade`) or an aggregate of them (`aggTrade`)."""

    symbol: str
    received_ns: int
    exchange_ms: int
    trade_id: int
    price: str
    quantity: str
    buyer_is_maker: bool
    is_aggregate: bool


class ClockTick(msgspec.Struct, frozen=True, gc=False):
    """The engine's clock, once a second (`@clock`)."""

    received_ns: int
    skew_ms: int | None = None
    """Exchange clock minus ours, where it has been measured."""


class DepthAlarm(msgspec.Struct, frozen=True, gc=False):
    """What the source knows of depth streams beside their frames (`@alarm`)."""

    received_ns: int
    symbols: tuple[str, ...]
    must_bridge: bool = False
    """Whether the books are wrong; otherwise nothing is heard of them any more."""


class VenueStatus(msgspec.Struct, frozen=True, gc=False):
    """What the execution side knows of the venue (`@report`)."""

    received_ns: int
    is_reconciled: bool
    rate_limited_until_ns: int = 0
    is_lost: bool = False
    """Whether what the venue holds could not be reconciled with what we know."""
    reason: str = ""
    """What is not reconciled, in words."""


class Verb(Enum):
    """What an operator may ask of the engine."""

    PAUSE = "pause"
    RESUME = "resume"
    FLATTEN = "flatten"
    STOP = "stop"
    KILL = "kill"
    RESET = "reset"


class Command(msgspec.Struct, frozen=True, gc=False):
    """An operator's order to the engine (`@command`)."""

    received_ns: int
    verb: Verb
    reason: str = ""
    operator: str = ""
    rebase_peak: bool = False
    """Reset only: start the drawdown anew from the present equity."""


class InstrumentsTold(msgspec.Struct, frozen=True, gc=False):
    """What the exchange accepts of some symbols from now on (`@instruments`)."""

    received_ns: int
    instruments: dict[str, Instrument]


class AccountOpening(msgspec.Struct, frozen=True, gc=False):
    """Where the account stands as a run begins (`@account`)."""

    received_ns: int
    opening: Opening


Outcome = OutsideFill | Fill | OrderReport | ProtectiveStop | CashMoved
"""Everything that an exchange may tell of orders and account."""


class ExecutionTold(msgspec.Struct, frozen=True, gc=False):
    """What an exchange has done with an order, or on the account (`@execution`)."""

    received_ns: int
    outcome: Outcome


class OtherFrame(msgspec.Struct, frozen=True, gc=False):
    """A frame of a stream that is not used; counted by kind."""

    symbol: str
    received_ns: int
    stream_kind: str
    is_known: bool


MarketEvent = DepthDelta | DepthSnapshot | BookTicker | MarketTrade | OtherFrame
Event = (
    MarketEvent
    | DepthAlarm
    | ClockTick
    | VenueStatus
    | Command
    | InstrumentsTold
    | AccountOpening
    | ExecutionTold
)
