"""The ledger: positions, cash and what they are worth."""

from decimal import Decimal

from flows.domain.cash import CashMoved
from flows.domain.equity import EquityCurve, EquityMarked
from flows.domain.errors import OrderError
from flows.domain.opening import Opening
from flows.domain.order import Fill, Purpose
from flows.domain.position import Direction, Position, PositionChanged, TradeClosed
from flows.domain.side import Side
from flows.domain.view import BookView


class Ledger:
    """Books every fill, values what is open at the exit side of the last view."""

    def __init__(self, capital: Decimal) -> None:
        self.curve = EquityCurve(capital)
        self.positions: dict[str, Position] = {}
        self.closed_ns: dict[str, int] = {}
        """Time of each symbol's last closing fill."""
        self._cash = Decimal(0)
        self._fees = Decimal(0)
        self._funding = Decimal(0)
        self._gross = Decimal(0)
        self._marks: dict[str, tuple[Decimal, int]] = {}
        self._is_valued = False
        """Whether nothing has changed the worth since it was last worked out."""

    @property
    def fees(self) -> Decimal:
        """Fees paid since the account began."""
        return self._fees

    @property
    def funding(self) -> Decimal:
        """What the exchange gave beside trades since the account began."""
        return self._funding

    def apply(
        self, fill: Fill, purpose: Purpose
    ) -> tuple[PositionChanged, TradeClosed | None]:
        """Book a fill; a round trip is closed where it leaves the position flat.

        Raises OrderError, and books nothing, where an exit would pass beyond flat.
        """
        symbol, now_ns = fill.symbol, fill.received_ns
        self._is_valued = False
        position = self.positions.get(symbol) or self._open(fill, purpose)
        position.apply(fill)
        notional = fill.price * fill.quantity
        self._cash += -notional if fill.side is Side.BUY else notional
        self._fees += fill.fee
        self.curve.count_fee(fill.fee, now_ns)
        changed = position.changed(now_ns)
        if changed.direction is not Direction.FLAT:
            return changed, None
        del self.positions[symbol], self._marks[symbol]
        self.closed_ns[symbol] = now_ns
        return changed, position.closed(now_ns, purpose)

    def move(self, moved: CashMoved) -> None:
        """Book what the exchange took or gave beside trades."""
        self._is_valued = False
        self._funding += moved.profit
        self.curve.count_funding(moved.profit, moved.received_ns)

    def restore(self, opening: Opening, received_ns: int) -> None:
        """Go on where an earlier run ended; what is held counts as seen now."""
        self.positions.clear()
        self._marks.clear()
        for held in opening.positions:
            self.positions[held.symbol] = Position.held(held)
            self._marks[held.symbol] = held.mark, received_ns
        self.closed_ns.clear()
        self.closed_ns.update(opening.closed_ns)
        self._cash, self._fees = opening.cash, opening.fees
        self._funding = opening.funding
        self._is_valued = False
        self.curve.restore(opening)

    def opening(self) -> Opening:
        """Where a later run would begin, as far as the ledger knows."""
        curve = self.curve
        capital = curve.capital
        return Opening(
            cash=self._cash,
            fees=self._fees,
            funding=self._funding,
            positions=tuple(
                position.as_held(self.mark(symbol))
                for symbol, position in self.positions.items()
            ),
            closed_ns=dict(self.closed_ns),
            pnl=curve.equity - capital,
            peak_pnl=curve.peak - capital,
            max_drawdown=curve.max_drawdown,
            day_start_pnl=curve.day_start - capital,
            day_fees=curve.day_fees,
            day_funding=curve.day_funding,
            day_end_ns=curve.day_end_ns,
        )

    def _open(self, fill: Fill, purpose: Purpose) -> Position:
        if purpose is not Purpose.ENTRY:
            msg = f"Expected a position to leave, was flat: {fill.client_order_id}"
            raise OrderError(msg)
        position = Position(fill.symbol, fill.side, fill.received_ns)
        self.positions[fill.symbol] = position
        self._marks[fill.symbol] = fill.price, fill.received_ns
        return position

    def take_mark(self, position: Position, view: BookView) -> Decimal | None:
        """Remember what the position could be sold or bought back for.

        None, and nothing new to remember, where that side of the view is empty.
        """
        price = position.exit_price(view)
        if price is not None:
            if price.compare_total(self.mark(position.symbol)):
                self._is_valued = False
            self._marks[position.symbol] = price, view.received_ns
        return price

    def mark(self, symbol: str) -> Decimal:
        """The exit-side price last seen of a held symbol, else its first fill's."""
        return self._marks[symbol][0]

    def is_mark_older(self, symbol: str, now_ns: int, age_ns: int) -> bool:
        """Whether a held symbol has had no usable view for `age_ns`."""
        return now_ns - self._marks[symbol][1] >= age_ns

    @property
    def gross(self) -> Decimal:
        """P&L before fees and funding, as last valued."""
        return self._gross

    def exposures(self) -> dict[str, Decimal]:
        """Absolute notional of each open position at its mark."""
        return {
            symbol: abs(position.open_value(self.mark(symbol)))
            for symbol, position in self.positions.items()
        }

    def revalue(self, received_ns: int) -> None:
        """Take the present worth into the equity curve."""
        curve = self.curve
        if self._is_valued:  # most views leave the best prices where they were
            curve.roll_day(received_ns)
            return
        open_value = Decimal(0)
        for symbol, position in self.positions.items():
            open_value += position.open_value(self.mark(symbol))
        self._gross = self._cash + open_value
        net = self._gross - self._fees + self._funding
        curve.mark(curve.capital + net, received_ns)
        self._is_valued = True

    def marked(self, received_ns: int) -> EquityMarked:
        """The worth last taken into the equity curve, as a fact."""
        curve = self.curve
        return EquityMarked(
            received_ns=received_ns,
            symbol="",
            equity=curve.equity,
            gross=self._gross,
            fees=self._fees,
            funding=self._funding,
            day_pnl=curve.day_pnl,
            drawdown=curve.drawdown,
        )
