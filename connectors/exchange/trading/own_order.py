"""One order of the account and where it stands."""

from dataclasses import dataclass, field
from decimal import Decimal
from enum import StrEnum

from connectors.exchange.trading.amount import ZERO, ratio, times


class Side(StrEnum):
    """Which way an order trades."""

    BUY = "BUY"
    SELL = "SELL"

    @property
    def opposite(self) -> "Side":
        """The other side."""
        return Side.SELL if self is Side.BUY else Side.BUY

    @property
    def sign(self) -> int:
        """+1 for a buy, -1 for a sell."""
        return 1 if self is Side.BUY else -1

    def reaches(self, limit: Decimal, price: Decimal) -> bool:
        """Whether an order of this side with `limit` accepts `price`."""
        return price <= limit if self is Side.BUY else price >= limit


class PositionSide(StrEnum):
    """The position an order is for; BOTH in one-way mode."""

    BOTH = "BOTH"
    LONG = "LONG"
    SHORT = "SHORT"


class TimeInForce(StrEnum):
    """How long an order lives, and whether it may take or make."""

    GTC = "GTC"
    IOC = "IOC"
    FOK = "FOK"
    GTX = "GTX"
    GTD = "GTD"


class Status(StrEnum):
    """Where an order stands."""

    NEW = "NEW"
    PARTIALLY_FILLED = "PARTIALLY_FILLED"
    FILLED = "FILLED"
    CANCELED = "CANCELED"
    EXPIRED = "EXPIRED"
    EXPIRED_IN_MATCH = "EXPIRED_IN_MATCH"


class SelfTrade(StrEnum):
    """Which order gives way where an account meets itself."""

    EXPIRE_TAKER = "EXPIRE_TAKER"
    EXPIRE_MAKER = "EXPIRE_MAKER"
    EXPIRE_BOTH = "EXPIRE_BOTH"


class ExpireReason(StrEnum):
    """`er` of ORDER_TRADE_UPDATE."""

    NONE = "0"
    SELF_TRADE = "1"
    IOC_REST = "2"
    IOC_SELF_TRADE = "3"
    NOTHING_TO_REDUCE = "4"
    LIQUIDATION = "5"
    MARKET_REST = "9"


_DAY_MS = 86_400_000
_UNFILLED_DAYS = 3
_FILLED_DAYS = 90
OPEN_STATUSES = frozenset({Status.NEW, Status.PARTIALLY_FILLED})


@dataclass(frozen=True, slots=True)
class OrderTerms:
    """What was asked for; a quantity may be amended, and is replaced whole."""

    symbol: str
    side: Side
    order_type: str
    """LIMIT or MARKET; LIQUIDATION of the exchange's own."""
    time_in_force: TimeInForce
    quantity: Decimal
    price: Decimal
    """0 for a market order."""
    client_order_id: str
    position_side: PositionSide = PositionSide.BOTH
    is_reduce_only: bool = False
    closes_position: bool = False
    self_trade: SelfTrade = SelfTrade.EXPIRE_MAKER
    price_match: str = "NONE"
    good_till_ms: int = 0
    stop_price: Decimal = ZERO
    original_type: str = ""
    """The conditional type this order came from, if any."""
    working_type: str = "CONTRACT_PRICE"
    is_price_protected: bool = False

    @property
    def is_market(self) -> bool:
        """Whether it takes any price."""
        return self.order_type != "LIMIT"

    @property
    def takes_only(self) -> bool:
        """Whether it never rests."""
        at_once = {TimeInForce.IOC, TimeInForce.FOK}
        return self.is_market or self.time_in_force in at_once

    @property
    def only_reduces(self) -> bool:
        """Whether it may only make a position smaller; in hedge mode by its side."""
        closing = (PositionSide.LONG, Side.SELL), (PositionSide.SHORT, Side.BUY)
        return self.is_reduce_only or (self.position_side, self.side) in closing


@dataclass(slots=True)
class QueuePlace:
    """Where a resting order stands behind the quantity of the market being played."""

    ahead: Decimal
    """Quantity of the tape at the same price that trades first."""
    offered: dict[Decimal, Decimal] = field(default_factory=dict)
    """Opposite levels within the limit, with what has been offered of each."""
    explained: Decimal = ZERO
    """What of `ahead` went by shrinking levels, which trades told late explain."""
    explained_until_ns: int = 0


@dataclass(slots=True, eq=False)
class OwnOrder:
    """An order with its record; it stays here after it has closed."""

    order_id: int
    terms: OrderTerms
    created_ms: int
    updated_ms: int
    status: Status = Status.NEW
    executed: Decimal = ZERO
    quote: Decimal = ZERO
    """Price times quantity over all fills."""
    place: QueuePlace | None = None
    """While it rests."""
    amendments: int = 0
    reason: ExpireReason = ExpireReason.NONE
    is_forced: bool = False
    """Whether the exchange made it: a liquidation or a deleveraging."""

    @property
    def remaining(self) -> Decimal:
        """Quantity not yet filled."""
        return self.terms.quantity - self.executed

    @property
    def is_open(self) -> bool:
        """Whether anything can still come of it."""
        return self.status in OPEN_STATUSES

    @property
    def average(self) -> Decimal:
        """The average fill price; 0 before the first."""
        return ratio(self.quote, self.executed)

    def is_forgotten(self, now_ms: int) -> bool:
        """Whether queries know it no more: ended unfilled three days ago, or any in 90.

        Source: Binance USD-M "Query Order (USER_DATA)".
        """
        if self.is_open:
            return False
        days = (now_ms - self.updated_ms) // _DAY_MS
        return days >= (_FILLED_DAYS if self.executed else _UNFILLED_DAYS)

    def add_fill(self, price: Decimal, quantity: Decimal, time_ms: int) -> None:
        """Book a fill."""
        self.executed += quantity
        self.quote += times(price, quantity)
        is_whole = self.executed == self.terms.quantity
        self.status = Status.FILLED if is_whole else Status.PARTIALLY_FILLED
        self.updated_ms = time_ms

    def end(self, status: Status, reason: ExpireReason, time_ms: int) -> None:
        """Close it without another fill."""
        self.status, self.reason, self.updated_ms = status, reason, time_ms
        self.place = None
