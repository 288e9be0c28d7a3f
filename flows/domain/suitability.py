"""Whether an instrument suits the strategy, by what was measured of its market."""

from collections.abc import Iterator
from decimal import Decimal
from typing import NamedTuple

from flows.domain.entry import EntryRules
from flows.domain.fact import Fact
from flows.domain.instrument import Instrument
from flows.domain.units import plain

SECONDS_TO_SYNC = 60
"""A book that was not true once in so long has something against it."""
FEWEST_SECONDS = 540
"""Watched for less, a market has shown too little; a scan of ten minutes shows enough,
with the time that its books take to become true."""
MOST_ADDED = Decimal("0.05")
"""Of target and stop together: what spread and impact may take beside the fees.

Fees are the same in every market, and alone may ask for more wins than any strategy
has. They are told as a floor; a market is judged by what it adds.
"""
LEAST_REACH = Decimal("0.05")
LEAST_SYNCED = Decimal("0.99")
LEAST_FILL = Decimal("0.99")
MOST_TICKS_SHARE = 4
"""A target of fewer ticks is decided by the queue, not by the imbalance."""

SUITABLE, DOUBTFUL, UNSUITABLE = "suitable", "doubtful", "unsuitable"


class ScanTerms(NamedTuple):
    """What the strategy asks of a market."""

    order_notional: Decimal
    max_slippage_bps: Decimal
    target_bps: Decimal
    stop_bps: Decimal
    hold_s: int
    fee_bps: Decimal
    """Of one order that takes liquidity."""
    fee_source: str = "setting taker_fee_bps"
    """Where it is from."""

    @property
    def entry_rules(self) -> EntryRules:
        """How an entry is priced and sized."""
        return EntryRules(self.order_notional, self.max_slippage_bps)


class Scanned(Fact, frozen=True, kw_only=True):
    """What was measured of one instrument; None where there was nothing to measure.

    Shares are from 0 to 1, depths in the quote asset, `_bps` in basis points: spread,
    tick and moves of the middle between the best prices, impact and cost of the entry's
    value (`flows.domain.round_trip`). What has a default is not in every journal.
    """

    seconds: int
    """How long it was watched: pauses between recordings, and holes, are left out."""
    synced_share: Decimal
    """Of the watched time: that with a true book."""
    updates_per_s: Decimal
    """Depth events."""
    mid: Decimal | None
    """The last middle between the best prices."""
    tick_bps: Decimal | None
    spread_bps: Decimal | None
    """Median; `spread_p90_bps` is exceeded in a tenth of the seconds."""
    spread_p90_bps: Decimal | None
    depth_5bps: Decimal | None
    """Median of what stands within 5 bps, on the thinner side; None of contracts."""
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
    target_move_bps: Decimal | None = None
    """Median of how far the price must move for the target: with spread and impact of
    the entry."""
    reach_share: Decimal | None
    """Of all moments: those from which it did so in time, whichever way."""
    entry_notional: Decimal | None = None
    """The least that an entry came to, at its limit and in whole steps."""
    fill_share: Decimal | None
    """Of the measured seconds: those in which an entry of either side would have filled
    whole within its limit."""
    impact_bps: Decimal | None
    """Median cost of the order's size there and back, beyond the spread."""
    exit_impact_bps: Decimal | None = None
    """Its part that leaving costs."""
    fee_bps: Decimal
    """There and back."""
    fee_source: str = ""
    """Where the fees are from."""
    cost_bps: Decimal | None
    """Median of a round trip: spread, impact and fees."""
    break_even_win_rate: Decimal | None
    """Win rate at which target and stop pay for fees and impact of the exit; the spread
    is in `target_move_bps`."""
    fee_win_rate: Decimal | None = None
    """The same for the fees alone: the floor in every market."""
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
    floor, rate = _percent(found.fee_win_rate), _percent(found.break_even_win_rate)
    why = (
        f"fees alone ask for {floor} of trades to win, and this market for {rate}; "
        f"its spread and impact cost {_told(_added_bps(found))} bps a round trip"
    )
    return SUITABLE, (why,)


def _added_bps(found: Scanned) -> Decimal | None:
    """What the market itself costs, beside the fees."""
    return None if found.cost_bps is None else found.cost_bps - found.fee_bps


def _why_not(
    found: Scanned, terms: ScanTerms, instrument: Instrument, *, is_traded: bool
) -> Iterator[str]:
    """What forbids trading it."""
    if not is_traded:
        yield "it is no USD-M future"
    if not instrument.is_trading:
        yield "the exchange has halted it"
    entry = (
        terms.order_notional if found.entry_notional is None else found.entry_notional
    )
    if instrument.min_notional > entry:
        yield (
            f"its least order is {plain(instrument.min_notional)}, and an entry of "
            f"{plain(terms.order_notional)} comes to {plain(entry)}"
        )
    if found.mid is None and found.seconds >= SECONDS_TO_SYNC:
        yield f"its book was never true in {found.seconds} s"
    if found.mid is not None and found.depth_10bps is None:
        yield "its quantities are contracts: depth and cost are not known in money"
    if found.fill_share is not None and found.fill_share < LEAST_FILL:
        yield (
            f"{_percent(1 - found.fill_share)} of the time its book has no room for "
            f"an order of {plain(terms.order_notional)} within "
            f"{plain(terms.max_slippage_bps)} bps of the best price"
        )
    yield from _why_no_gain(found, terms)


def _why_no_gain(found: Scanned, terms: ScanTerms) -> Iterator[str]:
    taken = found.fee_bps + (found.exit_impact_bps or Decimal(0))
    if taken >= terms.target_bps:
        yield (
            f"fees and the impact of leaving take {_told(taken)} bps, and the target "
            f"is {plain(terms.target_bps)}: a trade that reaches it gains nothing"
        )
    if found.target_move_bps is None:
        return
    entered = found.target_move_bps - terms.target_bps
    if entered >= terms.stop_bps:
        yield (
            f"spread and impact of an entry take {_told(entered)} bps, and the stop is "
            f"{plain(terms.stop_bps)}: a trade is stopped as soon as it is entered"
        )


def _why_doubt(found: Scanned, terms: ScanTerms) -> Iterator[str]:
    """What speaks against it."""
    if found.seconds < FEWEST_SECONDS:
        yield f"only {found.seconds} s were seen, too few to tell"
    added, at_stake = _added_bps(found), terms.target_bps + terms.stop_bps
    if added is not None and added > MOST_ADDED * at_stake:
        yield (
            f"its spread and impact cost {_told(added)} bps a round trip, "
            f"{_percent(added / at_stake)} of target and stop together; fees alone "
            f"ask for {_percent(found.fee_win_rate)} of trades to win"
        )
    if found.reach_share is not None and found.reach_share < LEAST_REACH:
        yield (
            f"its price moves the {_told(found.target_move_bps)} bps to a target "
            f"within {terms.hold_s} s from only {_percent(found.reach_share)} of all "
            "moments: the time stop would decide"
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
