"""Positions: what is held, what it cost, and when to leave it.

A position is kept as cash flows, never as an average that would need rounding:
every test multiplies out.
"""

from decimal import Decimal
from enum import Enum

import msgspec

from flows.domain.fact import Fact
from flows.domain.order import Fill, Purpose
from flows.domain.signal import Side
from flows.domain.units import BPS, NS_PER_S


class Direction(Enum):
    """The sign of a position."""

    LONG = "LONG"
    SHORT = "SHORT"
    FLAT = "FLAT"


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
        """Add an entry fill or take off an exit fill (never beyond flat)."""
        notional = fill.price * fill.quantity
        self.fees += fill.fee
        if fill.side is self.side:
            self.quantity += fill.quantity
            self.entry_quantity += fill.quantity
            self.entry_notional += notional
        else:
            self.quantity -= fill.quantity
            self.exit_notional += notional

    def open_value(self, exit_price: Decimal) -> Decimal:
        """Signed value of the open quantity at the price one could get."""
        value = self.quantity * exit_price
        return value if self.is_long else -value

    def due_exit(
        self, exit_price: Decimal | None, now_ns: int, rules: ExitRules
    ) -> Purpose | None:
        """Why the position should be left now, if it should.

        `exit_price` is the best bid of a long, the best ask of a short, or None where
        it is not known; target and stop are measured against the average entry price,
        before fees. Time counts from the first fill.
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
        if now_ns - self.opened_ns >= rules.max_hold_s * NS_PER_S:
            return Purpose.TIME
        return None

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

    def closed(self, received_ns: int) -> TradeClosed:
        """The finished round trip; the position must be flat."""
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
            exit_purpose=self.closing or Purpose.FLATTEN,
        )
