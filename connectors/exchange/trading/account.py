"""The one account: wallet, positions, settings, and the margin they need.

Margin is crossed: the whole wallet stands behind every position. A symbol may be set
to ISOLATED and shows it, and is crossed nevertheless.
"""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from decimal import Decimal

from connectors.exchange.trading.amount import ZERO, ratio, times
from connectors.exchange.trading.bracket import bracket_of, maintenance
from connectors.exchange.trading.ledger import Booking, Ledger
from connectors.exchange.trading.own_order import (
    OrderTerms,
    PositionSide,
    Side,
)
from connectors.exchange.trading.position import Position

ASSET = "USDT"
START_LEVERAGE = 20
MAKER_FEE = Decimal("0.000200")
TAKER_FEE = Decimal("0.000500")
_FIRST_TRANSACTION = 9_689_322_392


@dataclass(slots=True)
class SymbolSettings:
    """What the account has chosen for a symbol."""

    leverage: int = START_LEVERAGE
    margin_type: str = "CROSSED"


@dataclass(frozen=True, slots=True)
class Exposure:
    """What one symbol binds: positions, and open orders on top."""

    position: Decimal
    """Notional of positions at the mark price."""
    bids: Decimal
    """Notional of buy orders that may open something."""
    asks: Decimal
    whole: Decimal
    """The larger of what the symbol may come to."""


@dataclass(slots=True)
class Account:
    """Everything the account owns; `mark` tells the mark price of a symbol."""

    wallet: Decimal
    ledger: Ledger
    mark: Callable[[str], Decimal]
    positions: dict[tuple[str, PositionSide], Position] = field(default_factory=dict)
    settings: dict[str, SymbolSettings] = field(default_factory=dict)
    is_hedged: bool = False
    is_multi_assets: bool = False
    updated_ms: int = 0

    def position(self, symbol: str, side: PositionSide) -> Position:
        """A position, flat where there was none."""
        return self.positions.setdefault((symbol, side), Position(symbol, side))

    def positions_of(self, symbol: str) -> list[Position]:
        """The positions of a symbol that the present mode has, flat ones included."""
        sides: tuple[PositionSide, ...] = (PositionSide.BOTH,)
        if self.is_hedged:
            sides = (PositionSide.LONG, PositionSide.SHORT)
        return [self.position(symbol, side) for side in sides]

    @property
    def held(self) -> Iterator[Position]:
        """Positions that are not flat."""
        return (position for position in self.positions.values() if position.amount)

    def setting(self, symbol: str) -> SymbolSettings:
        """What is chosen for a symbol."""
        return self.settings.setdefault(symbol, SymbolSettings())

    def book(
        self, kind: str, amount: Decimal, time_ms: int, symbol: str = "", trade: int = 0
    ) -> None:
        """Change the wallet, and keep why."""
        number = _FIRST_TRANSACTION + len(self.ledger.bookings)
        booking = Booking(number, kind, amount, time_ms, symbol, trade)
        self.ledger.bookings.append(booking)
        self.wallet += amount
        self.updated_ms = time_ms

    # -- margin -------------------------------------------------------------------

    @property
    def unrealised(self) -> Decimal:
        """Profit of all positions at their marks."""
        gains = (each.unrealised(self.mark(each.symbol)) for each in self.held)
        return sum(gains, ZERO)

    @property
    def equity(self) -> Decimal:
        """Wallet and unrealised profit: the margin balance."""
        return self.wallet + self.unrealised

    @property
    def maintenance(self) -> Decimal:
        """Margin below which the account is liquidated."""
        return sum((self.maintenance_of(each) for each in self.held), ZERO)

    def maintenance_of(self, position: Position) -> Decimal:
        """Maintenance margin of one position."""
        return maintenance(abs(times(position.amount, self.mark(position.symbol))))

    @property
    def available(self) -> Decimal:
        """What new orders may bind."""
        return max(ZERO, self.equity - self.initial_margin)

    @property
    def initial_margin(self) -> Decimal:
        """What positions and open orders bind."""
        return sum((self.margin_of(symbol) for symbol in self.symbols), ZERO)

    @property
    def position_margin(self) -> Decimal:
        """What positions alone bind."""
        return sum((self.position_margin_of(symbol) for symbol in self.symbols), ZERO)

    @property
    def symbols(self) -> list[str]:
        """Symbols with a position or an open order, each once."""
        names = [position.symbol for position in self.held]
        names += [order.terms.symbol for order in self.ledger.open.values()]
        return list(dict.fromkeys(names))

    def margin_of(self, symbol: str) -> Decimal:
        """Initial margin of a symbol's positions and open orders."""
        return ratio(self.exposure(symbol).whole, self._leverage(symbol))

    def position_margin_of(self, symbol: str) -> Decimal:
        """Initial margin of a symbol's positions alone."""
        return ratio(self.exposure(symbol).position, self._leverage(symbol))

    def _leverage(self, symbol: str) -> Decimal:
        return Decimal(self.setting(symbol).leverage)

    def exposure(
        self, symbol: str, extra: Iterable[tuple[OrderTerms, Decimal]] = ()
    ) -> Exposure:
        """What a symbol binds, with `extra` orders at prices assumed for them."""
        orders = [
            (order.terms, times(order.remaining, order.terms.price))
            for order in self.ledger.open_of(symbol)
        ]
        orders += [(terms, times(terms.quantity, price)) for terms, price in extra]
        opening = [each for each in orders if not each[0].only_reduces]
        bids = sum((worth for terms, worth in opening if terms.side is Side.BUY), ZERO)
        asks = sum((worth for _, worth in opening), ZERO) - bids
        long, short = self._notionals(symbol)
        if self.is_hedged:
            whole = long + bids + short + asks
        else:
            net = long - short
            whole = max(abs(net + bids), abs(net - asks), long + short)
        return Exposure(long + short, bids, asks, whole)

    def _notionals(self, symbol: str) -> tuple[Decimal, Decimal]:
        long = short = ZERO
        for position in self.positions_of(symbol):
            worth = times(position.amount, self.mark(symbol)) if position.amount else 0
            if worth > 0:
                long += worth
            else:
                short -= worth
        return long, short

    def can_bear(self, terms: OrderTerms, price: Decimal) -> bool:
        """Whether the margin suffices for one more order at an assumed price."""
        before = self.exposure(terms.symbol).whole
        after = self.exposure(terms.symbol, [(terms, price)]).whole
        if terms.only_reduces or after <= before:
            return True
        more = ratio(after - before, self._leverage(terms.symbol))
        return self.initial_margin + more <= self.equity

    def liquidation_price(self, position: Position) -> Decimal:
        """The mark at which the account would be liquidated, other marks equal; or 0.

        Exact as long as the position stays in its bracket.
        """
        if not position.amount:
            return ZERO
        mark = self.mark(position.symbol)
        size = abs(position.amount)
        rate = bracket_of(times(size, mark)).rate
        spare = self.equity - self.maintenance
        return max(ZERO, mark - ratio(spare, position.amount - times(size, rate)))
