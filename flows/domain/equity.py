"""Equity, its peak and its day: the numbers that trip the kill switch."""

from decimal import Decimal

from flows.domain.fact import Fact
from flows.domain.opening import Opening
from flows.domain.units import NS_PER_DAY


class EquityMarked(Fact, frozen=True, kw_only=True):
    """The account's worth at one moment, quote asset."""

    equity: Decimal
    """Capital + gross - fees + funding."""
    gross: Decimal
    """P&L before fees, open positions included."""
    fees: Decimal
    funding: Decimal
    """Funding, and whatever else the exchange booked that is no transfer."""
    day_pnl: Decimal
    """Net P&L since 00:00 UTC, open positions included."""
    drawdown: Decimal
    """Peak equity less equity, not negative."""


class EquityCurve:
    """Follows equity from a starting capital; days are UTC days of engine time."""

    def __init__(self, capital: Decimal) -> None:
        self.capital = capital
        self.equity = capital
        self.peak = capital
        self.day_start = capital
        self.max_drawdown = Decimal(0)
        self.day_fees = Decimal(0)
        """Paid since 00:00 UTC."""
        self.day_funding = Decimal(0)
        """Booked since 00:00 UTC."""
        self._day_end_ns = 0

    @property
    def day_pnl(self) -> Decimal:
        """Net P&L since 00:00 UTC: `day_gross` - `day_fees` + `day_funding`."""
        return self.equity - self.day_start

    @property
    def day_gross(self) -> Decimal:
        """P&L since 00:00 UTC before fees and funding, open positions included."""
        return self.day_pnl + self.day_fees - self.day_funding

    @property
    def drawdown(self) -> Decimal:
        """Peak less present equity."""
        return self.peak - self.equity

    def mark(self, equity: Decimal, received_ns: int) -> None:
        """Take a new equity into the day, the peak and the drawdown."""
        self.roll_day(received_ns)
        self.equity = equity
        self.peak = max(self.peak, equity)
        self.max_drawdown = max(self.max_drawdown, self.drawdown)

    def roll_day(self, received_ns: int) -> None:
        """Begin a new day from the equity last known, at its first moment seen."""
        if received_ns >= self._day_end_ns:
            self._day_end_ns = (received_ns // NS_PER_DAY + 1) * NS_PER_DAY
            self.day_start = self.equity
            self.day_fees = self.day_funding = Decimal(0)

    def count_fee(self, fee: Decimal, received_ns: int) -> None:
        """Count a fee into its day; the next mark takes it into equity."""
        self.roll_day(received_ns)
        self.day_fees += fee

    def count_funding(self, profit: Decimal, received_ns: int) -> None:
        """Count a booking beside trades into its day, as a fee."""
        self.roll_day(received_ns)
        self.day_funding += profit

    @property
    def day_end_ns(self) -> int:
        """When the present day ends."""
        return self._day_end_ns

    def restore(self, opening: Opening) -> None:
        """Go on where an earlier run ended."""
        if opening.capital is not None:
            self.capital = opening.capital
        self.equity = self.capital + opening.pnl
        self.peak = self.capital + opening.peak_pnl
        self.day_start = self.capital + opening.day_start_pnl
        self.max_drawdown = opening.max_drawdown
        self.day_fees = opening.day_fees
        self.day_funding = opening.day_funding
        self._day_end_ns = opening.day_end_ns

    def follow(self, marked: EquityMarked) -> None:
        """Stand where a mark says that equity stood, as P&L beyond the capital."""
        self.roll_day(marked.received_ns)
        self.equity = self.capital + marked.gross - marked.fees + marked.funding
        self.peak = self.equity + marked.drawdown
        self.day_start = self.equity - marked.day_pnl
        self.max_drawdown = max(self.max_drawdown, marked.drawdown)

    def rebase_peak(self) -> None:
        """Measure drawdown from the present equity on."""
        self.peak = self.equity
