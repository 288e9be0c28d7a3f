"""Positions: what is held, what it cost, and when to leave it.

A position is kept as cash flows, never as an average that would need rounding:
every test multiplies out.
"""

from decimal import Decimal
from enum import Enum

import msgspec

from flows.domain.errors import OrderError
from flows.domain.fact import Fact
from flows.domain.opening import HeldPosition
from flows.domain.order import Fill, Purpose
from flows.domain.side import Side
from flows.domain.units import BPS, NS_PER_MS, NS_PER_S
from flows.domain.view import BookView

EXIT_AGAIN_NS = 100 * NS_PER_MS
LONGEST_AGAIN_NS = 5 * NS_PER_S


class Direction(Enum):
    """The sign of a position."""

    LONG = "LONG"
    SHORT = "SHORT"
    FLAT = "FLAT"


_AT_VIEWS_ONLY = frozenset({None, Purpose.TARGET, Purpose.STOP})


class ExitRules(msgspec.Struct, frozen=True):
    """When a position is left."""

    target_bps: Decimal
    stop_bps: Decimal
    max_hold_s: int


class PositionChanged(Fact, frozen=True, kw_only=True):
    """A position after a fill."""

    direction: Direction
    quantity: Decimal
    """Open quantity, unsigned, in the base asset."""
    entry_quantity: Decimal
    entry_notional: Decimal
    exit_notional: Decimal
    fees: Decimal


class TradeClosed(Fact, frozen=True, kw_only=True):
    """A round trip from flat to flat."""

    direction: Direction
    opened_ns: int
    """Time of the first fill; `received_ns` is that of the last."""
    quantity: Decimal
    entry_notional: Decimal
    exit_notional: Decimal
    gross: Decimal
    """Before fees, quote asset."""
    fees: Decimal
    net: Decimal
    exit_purpose: Purpose


class Position:
    """One symbol's open position, from its first fill until it is flat."""

    def __init__(self, symbol: str, side: Side, opened_ns: int) -> None:
        self.symbol = symbol
        self.side = side
        """The side of the entry."""
        self.opened_ns = opened_ns
        self.quantity = Decimal(0)
        self.entry_quantity = Decimal(0)
        self.entry_notional = Decimal(0)
        self.exit_notional = Decimal(0)
        self.fees = Decimal(0)
        self.closing: Purpose | None = None
        """Why it is being left, once that is decided; it then goes on until flat."""
        self.is_exit_expired = False
        """Whether an exit came to nothing at the last view; the next one repeats it."""
        self.exits_rejected = 0
        """Exits in a row that the venue refused."""
        self.exit_due_ns = 0
        """When the next exit may be sent, after one was refused."""

    @classmethod
    def held(cls, held: HeldPosition) -> "Position":
        """A position that an earlier run left open."""
        position = cls(held.symbol, held.side, held.opened_ns)
        position.quantity = held.quantity
        position.entry_quantity = held.entry_quantity
        position.entry_notional = held.entry_notional
        position.exit_notional = held.exit_notional
        position.fees = held.fees
        position.closing = held.closing
        return position

    def as_held(self, mark: Decimal) -> HeldPosition:
        """The position as a later run will find it."""
        return HeldPosition(
            self.symbol,
            self.side,
            self.opened_ns,
            self.quantity,
            self.entry_quantity,
            self.entry_notional,
            self.exit_notional,
            self.fees,
            mark,
            self.closing,
        )

    @property
    def is_long(self) -> bool:
        """Whether it was entered by buying."""
        return self.side is Side.BUY

    @property
    def direction(self) -> Direction:
        """LONG or SHORT, FLAT once nothing is open."""
        if not self.quantity:
            return Direction.FLAT
        return Direction.LONG if self.is_long else Direction.SHORT

    def apply(self, fill: Fill) -> None:
        """Add an entry fill or take off an exit fill.

        Raises OrderError, and changes nothing, where an exit would pass beyond flat.
        """
        is_entry = fill.side is self.side
        if not is_entry and fill.quantity > self.quantity:
            msg = f"Expected at most {self.quantity} to close, was {fill.quantity}"
            raise OrderError(msg)
        notional = fill.price * fill.quantity
        self.fees += fill.fee
        self.exits_rejected = 0
        if is_entry:
            self.quantity += fill.quantity
            self.entry_quantity += fill.quantity
            self.entry_notional += notional
        else:
            self.quantity -= fill.quantity
            self.exit_notional += notional

    def put_off(self, now_ns: int) -> None:
        """Wait with the next exit, longer each time that the venue refuses one."""
        wait_ns = min(EXIT_AGAIN_NS << min(self.exits_rejected, 8), LONGEST_AGAIN_NS)
        self.exits_rejected += 1
        self.exit_due_ns = now_ns + wait_ns

    def exit_price(self, view: BookView) -> Decimal | None:
        """What one could get: the best bid of a long, the best ask of a short."""
        return view.best_bid if self.is_long else view.best_ask

    def open_value(self, exit_price: Decimal) -> Decimal:
        """Signed value of the open quantity at the price one could get."""
        value = self.quantity * exit_price
        return value if self.is_long else -value

    def gross_at(self, exit_price: Decimal) -> Decimal:
        """P&L of the round trip before fees, with what is open at `exit_price`."""
        booked = self.exit_notional - self.entry_notional
        booked = booked if self.is_long else -booked
        return booked + self.open_value(exit_price)

    def due_exit(
        self, exit_price: Decimal | None, now_ns: int, rules: ExitRules
    ) -> Purpose | None:
        """Why the position should be left at a view, if it should.

        `exit_price` is None on an empty side. Target and stop are measured against the
        average entry price, before fees; time counts from the first fill.
        """
        if self.closing is not None:
            return self.closing
        if exit_price is not None:
            gain = (exit_price * self.entry_quantity - self.entry_notional) * BPS
            gain = gain if self.is_long else -gain
            if gain >= rules.target_bps * self.entry_notional:
                return Purpose.TARGET
            if gain <= -rules.stop_bps * self.entry_notional:
                return Purpose.STOP
        return self._time_stop(now_ns, rules)

    def due_exit_unseen(self, now_ns: int, rules: ExitRules) -> Purpose | None:
        """Why the position should be left without a view, if it should.

        Target and stop are decided and repeated at views only.
        """
        if self.closing not in _AT_VIEWS_ONLY:
            return self.closing
        return self._time_stop(now_ns, rules)

    def _time_stop(self, now_ns: int, rules: ExitRules) -> Purpose | None:
        is_over = now_ns - self.opened_ns >= rules.max_hold_s * NS_PER_S
        return Purpose.TIME if is_over else None

    def changed(self, received_ns: int) -> PositionChanged:
        """The position as a fact."""
        return PositionChanged(
            received_ns=received_ns,
            symbol=self.symbol,
            direction=self.direction,
            quantity=self.quantity,
            entry_quantity=self.entry_quantity,
            entry_notional=self.entry_notional,
            exit_notional=self.exit_notional,
            fees=self.fees,
        )

    def closed(self, received_ns: int, purpose: Purpose) -> TradeClosed:
        """The finished round trip; `purpose` where no reason to leave was on record."""
        gross = self.exit_notional - self.entry_notional
        gross = gross if self.is_long else -gross
        return TradeClosed(
            received_ns=received_ns,
            symbol=self.symbol,
            direction=Direction.LONG if self.is_long else Direction.SHORT,
            opened_ns=self.opened_ns,
            quantity=self.entry_quantity,
            entry_notional=self.entry_notional,
            exit_notional=self.exit_notional,
            gross=gross,
            fees=self.fees,
            net=gross - self.fees,
            exit_purpose=self.closing or purpose,
        )
