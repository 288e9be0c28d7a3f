"""What a set of round trips proves, and what it does not.

Everything is Decimal at 28 digits; these are estimates for people, not money.
"""

from collections.abc import Sequence
from decimal import Decimal

import msgspec

from flows.domain.position import TradeClosed
from flows.domain.units import BPS

Z_95 = Decimal("1.959964")
"""Two-sided 95 % quantile of the normal distribution."""

FEWEST_TRADES = 30
"""Below this many trades no band is worth reading."""

Band = tuple[Decimal, Decimal]
"""Lower and upper end of a 95 % confidence band."""


class TradeSums(msgspec.Struct, frozen=True):
    """What round trips add up to, in the quote asset."""

    trades: int
    wins: int
    """Trades with a net gain."""
    gains: Decimal
    """Of the trades with a net gain, net."""
    losses: Decimal
    """Of the trades with a net loss, net and positive."""
    net_squares: Decimal
    """Each trade's net, squared."""
    fees: Decimal
    entry_notional: Decimal

    @property
    def net(self) -> Decimal:
        """P&L after fees."""
        return self.gains - self.losses


class Evidence(msgspec.Struct, frozen=True):
    """Round trips judged after fees; None where a number is not defined."""

    trades: int
    wins: int
    """Trades with a net gain."""
    win_rate: Decimal | None
    win_rate_band: Band | None
    """Wilson score band."""
    break_even_win_rate: Decimal
    """Win rate at which target and stop pay for the fees."""
    profit_factor: Decimal | None
    """Net gains over net losses; None without a loss."""
    mean_net: Decimal | None
    """Mean net P&L a trade, quote asset."""
    mean_net_band: Band | None
    """Normal band from the sample's own spread."""
    verdict: str


def estimate(value: Decimal) -> str:
    """A figure as it is told to people: to eight decimals, of whatever size."""
    return f"{value:.8f}"


def sum_trades(trades: Sequence[TradeClosed]) -> TradeSums:
    """What closed trades add up to."""
    nets = [trade.net for trade in trades]
    return TradeSums(
        trades=len(nets),
        wins=sum(net > 0 for net in nets),
        gains=sum((net for net in nets if net > 0), Decimal(0)),
        losses=-sum((net for net in nets if net < 0), Decimal(0)),
        net_squares=sum((net * net for net in nets), Decimal(0)),
        fees=sum((trade.fees for trade in trades), Decimal(0)),
        entry_notional=sum((trade.entry_notional for trade in trades), Decimal(0)),
    )


def weigh(
    sums: TradeSums,
    *,
    target_bps: Decimal,
    stop_bps: Decimal,
    round_trip_fee_bps: Decimal,
) -> Evidence:
    """Weigh closed trades.

    `round_trip_fee_bps` is assumed for the break-even where no trade has paid any.
    """
    count, mean_band = sums.trades, mean_band_95(sums)
    return Evidence(
        trades=count,
        wins=sums.wins,
        win_rate=Decimal(sums.wins) / count if count else None,
        win_rate_band=wilson_band_95(sums.wins, count),
        break_even_win_rate=break_even_win_rate(
            target_bps, stop_bps, _fees_paid_bps(sums) or round_trip_fee_bps
        ),
        profit_factor=sums.gains / sums.losses if sums.losses else None,
        mean_net=sums.net / count if count else None,
        mean_net_band=mean_band,
        verdict=_verdict(count, mean_band),
    )


def wilson_band_95(wins: int, trials: int) -> Band | None:
    """The Wilson score band of a proportion; None without a trial."""
    if not trials:
        return None
    n, z2 = Decimal(trials), Z_95 * Z_95
    rate = wins / n
    centre = rate + z2 / (2 * n)
    spread = Z_95 * (rate * (1 - rate) / n + z2 / (4 * n * n)).sqrt()
    scale = 1 + z2 / n
    low, high = (centre - spread) / scale, (centre + spread) / scale
    return max(low, Decimal(0)), min(high, Decimal(1))


def mean_band_95(sums: TradeSums) -> Band | None:
    """Mean net +- z x s / sqrt(n), the sample deviation s; None below 2 trades."""
    if sums.trades < 2:  # noqa: PLR2004 - one value has no spread
        return None
    n = Decimal(sums.trades)
    mean = sums.net / n
    spread = max(sums.net_squares - sums.net * mean, Decimal(0))  # rounding may cross 0
    half = Z_95 * (spread / (n - 1) / n).sqrt()
    return mean - half, mean + half


def break_even_win_rate(
    target_bps: Decimal, stop_bps: Decimal, fee_bps: Decimal
) -> Decimal:
    """(stop + fees) / (target + stop), fees of both legs together, at most 1."""
    return min((stop_bps + fee_bps) / (target_bps + stop_bps), Decimal(1))


def _fees_paid_bps(sums: TradeSums) -> Decimal:
    notional = sums.entry_notional
    return sums.fees * BPS / notional if notional else Decimal(0)


def _verdict(trades: int, mean_band: Band | None) -> str:
    if trades < FEWEST_TRADES or mean_band is None:
        return (
            f"Too few trades to tell: {trades} of the {FEWEST_TRADES} that a judgement "
            "needs."
        )
    low, high = mean_band
    if high <= 0:
        return (
            "There is no evidence of an edge after fees: even the upper end of the "
            "95 % band of the mean net per trade is not above zero."
        )
    if low <= 0:
        return (
            "No edge is proven after fees: the 95 % band of the mean net per trade "
            "includes zero."
        )
    return (
        "The mean net per trade is above zero over its whole 95 % band, on this input."
    )
