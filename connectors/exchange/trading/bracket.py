"""Leverage brackets: how much notional which leverage may hold, and what it keeps.

One table for every symbol, of the shape and size that BTCUSDT had.
"""

from dataclasses import dataclass
from decimal import Decimal
from itertools import pairwise

from connectors.exchange.trading.amount import ZERO, times


@dataclass(frozen=True, slots=True)
class Bracket:
    """One row: notional from `floor` to `cap`."""

    number: int
    leverage: int
    floor: Decimal
    cap: Decimal
    rate: Decimal
    """Maintenance margin as a part of notional."""
    cumulated: Decimal = ZERO
    """Taken off, so that the margin has no jumps between rows."""


def _table(*rows: tuple[int, int, str]) -> tuple[Bracket, ...]:
    brackets: list[Bracket] = []
    for number, (leverage, cap, rate) in enumerate(rows, 1):
        before = brackets[-1] if brackets else None
        floor = before.cap if before else ZERO
        cumulated = ZERO
        if before:
            step = Decimal(rate) - before.rate
            cumulated = before.cumulated + times(floor, step)
        bracket = Bracket(
            number, leverage, floor, Decimal(cap), Decimal(rate), cumulated
        )
        brackets.append(bracket)
    return tuple(brackets)


BRACKETS = _table(
    (125, 50_000, "0.004"),
    (100, 250_000, "0.005"),
    (50, 3_000_000, "0.01"),
    (20, 15_000_000, "0.025"),
    (10, 50_000_000, "0.05"),
    (5, 200_000_000, "0.1"),
    (4, 500_000_000, "0.125"),
)
HIGHEST_LEVERAGE = BRACKETS[0].leverage


def bracket_of(notional: Decimal) -> Bracket:
    """The row of a position worth `notional`; the last beyond all of them."""
    fits = (bracket for bracket in BRACKETS if notional <= bracket.cap)
    return next(fits, BRACKETS[-1])


def maintenance(notional: Decimal) -> Decimal:
    """Maintenance margin of a position worth `notional`."""
    bracket = bracket_of(notional)
    return times(notional, bracket.rate) - bracket.cumulated


def largest_notional(leverage: int) -> Decimal:
    """What a position may be worth at `leverage`."""
    for bracket, following in pairwise(BRACKETS):
        if following.leverage < leverage <= bracket.leverage:
            return bracket.cap
    return BRACKETS[-1].cap
