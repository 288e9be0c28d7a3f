"""Whether an instrument suits the strategy, by what was measured of its market."""

from collections.abc import Iterator
from decimal import Decimal
from typing import NamedTuple

from flows.domain.fact import Fact
from flows.domain.instrument import Instrument
from flows.domain.units import plain

SECONDS_TO_SYNC = 60
"""A book that was not true once in so long has something against it."""
FEWEST_SECONDS = 600
"""Watched for less, a market has shown too little."""
MOST_BREAK_EVEN = Decimal("0.65")
"""A win rate above this is more than an imbalance strategy may hope for."""
LEAST_REACH = Decimal("0.05")
LEAST_SYNCED = Decimal("0.99")
LEAST_FILL = Decimal("0.99")
MOST_TICKS_SHARE = 4
"""A target of fewer ticks is decided by the queue, not by the imbalance."""

SUITABLE, DOUBTFUL, UNSUITABLE = "suitable", "doubtful", "unsuitable"


class ScanTerms(NamedTuple):
    """What the strategy asks of a market."""

    order_notional: Decimal
    target_bps: Decimal
    stop_bps: Decimal
    hold_s: int
    fee_bps: Decimal
    """Of one order that takes liquidity."""


class Scanned(Fact, frozen=True, kw_only=True):
    """What was measured of one instrument; None where there was nothing to measure.

    Shares are from 0 to 1, depths in the quote asset, `_bps` in basis points of the
    middle between the best prices.
    """

    seconds: int
    """How long it was watched."""
    synced_share: Decimal
    """Of the seconds: those in which its book was true."""
    updates_per_s: Decimal
    """Depth events."""
    mid: Decimal | None
    """The last middle between the best prices."""
    tick_bps: Decimal | None
    spread_bps: Decimal | None
    """Median; `spread_p90_bps` is exceeded in a tenth of the seconds."""
    spread_p90_bps: Decimal | None
    depth_5bps: Decimal | None
    """Median of what stands within 5 bps, on the thinner side."""
    depth_10bps: Decimal | None
    is_depth_cut: bool
    """Whether 10 bps reached beyond the levels that are known: depth is more."""
    imbalance_p10: Decimal | None
    """Quantiles of (B - A) / (B + A) over the top levels, -1 to 1."""
    imbalance_p50: Decimal | None
    imbalance_p90: Decimal | None
    buy_share: Decimal | None
    """Of the time with a true book: that in the BUY zone."""
    sell_share: Decimal | None
    signals_per_hour: Decimal
    volatility_bps: Decimal | None
    """Root mean square move over the longest hold."""
    reach_share: Decimal | None
    """Of all moments: those from which the price moved by the target, whichever way,
    within the longest hold."""
    fill_share: Decimal | None
    """Of the measured seconds: those in which both sides had room for the order."""
    impact_bps: Decimal | None
    """Median cost of the order's size there and back, beyond the spread."""
    fee_bps: Decimal
    """There and back."""
    cost_bps: Decimal | None
    """Of a round trip: spread, impact and fees."""
    break_even_win_rate: Decimal | None
    """Win rate at which target and stop pay for that."""
    verdict: str
    """`suitable`, `doubtful` or `unsuitable`."""
    reasons: tuple[str, ...]

    @property
    def sentence(self) -> str:
        """The verdict and why."""
        return f"{self.verdict.capitalize()}: {'; '.join(self.reasons)}."


def judge(
    found: Scanned, terms: ScanTerms, instrument: Instrument, *, is_traded: bool
) -> tuple[str, tuple[str, ...]]:
    """The verdict on what was measured, and its reasons; the gravest come first."""
    if reasons := tuple(_why_not(found, terms, instrument, is_traded=is_traded)):
        return UNSUITABLE, reasons
    if reasons := tuple(_why_doubt(found, terms)):
        return DOUBTFUL, reasons
    cost, rate = _told(found.cost_bps), _percent(found.break_even_win_rate)
    why = f"a round trip costs {cost} bps, and {rate} of trades must win to pay for it"
    return SUITABLE, (why,)


def _why_not(
    found: Scanned, terms: ScanTerms, instrument: Instrument, *, is_traded: bool
) -> Iterator[str]:
    """What forbids trading it."""
    if not is_traded:
        yield "it is no USD-M future"
    if not instrument.is_trading:
        yield "the exchange has halted it"
    if instrument.min_notional > terms.order_notional:
        yield (
            f"its least order is {plain(instrument.min_notional)}, "
            f"more than the {plain(terms.order_notional)} of an entry"
        )
    if found.fill_share is None:
        if found.seconds >= SECONDS_TO_SYNC:
            yield f"its book was never true in {found.seconds} s"
        return
    if found.fill_share < LEAST_FILL:
        yield (
            f"{_percent(1 - found.fill_share)} of the time its book has no room for "
            f"an order of {plain(terms.order_notional)}"
        )
    if found.cost_bps is not None and found.cost_bps >= terms.target_bps:
        yield (
            f"a round trip costs {_told(found.cost_bps)} bps, and the target is "
            f"{plain(terms.target_bps)}"
        )


def _why_doubt(found: Scanned, terms: ScanTerms) -> Iterator[str]:
    """What speaks against it."""
    if found.seconds < FEWEST_SECONDS:
        yield f"only {found.seconds} s were seen, too few to tell"
    rate = found.break_even_win_rate
    if rate is not None and rate > MOST_BREAK_EVEN:
        yield (
            f"a round trip costs {_told(found.cost_bps)} bps, so that {_percent(rate)} "
            "of trades must win to pay for it"
        )
    if found.reach_share is not None and found.reach_share < LEAST_REACH:
        yield (
            f"its price moves {plain(terms.target_bps)} bps within {terms.hold_s} s "
            f"from only {_percent(found.reach_share)} of all moments: the time stop "
            "would decide"
        )
    if found.tick_bps and found.tick_bps * MOST_TICKS_SHARE > terms.target_bps:
        yield f"one tick is {_told(found.tick_bps)} bps, too coarse for the target"
    if found.synced_share < LEAST_SYNCED:
        yield f"its book was true for {_percent(found.synced_share)} of the time only"
    if not found.signals_per_hour:
        yield "it gave no signal"


def _told(value: Decimal | None) -> str:
    return "?" if value is None else f"{value:.2f}"


def _percent(share: Decimal | None) -> str:
    return "?" if share is None else f"{share * 100:.1f} %"
