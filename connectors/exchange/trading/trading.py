"""The trading side as a whole: one account that trades against the market played.

Pure, like the venue that owns it: it reads no clock, and what it sends goes to a
callback.
"""

from dataclasses import dataclass, field
from decimal import Decimal

from connectors.exchange.tape import TapeEvent
from connectors.exchange.trading.account import Account
from connectors.exchange.trading.algo_desk import AlgoDesk
from connectors.exchange.trading.amend import Amending
from connectors.exchange.trading.amount import settled
from connectors.exchange.trading.dead_man import DeadMansSwitch
from connectors.exchange.trading.execution import Clock, Execution
from connectors.exchange.trading.forced import Forced
from connectors.exchange.trading.ledger import Ledger
from connectors.exchange.trading.order_count import OrderCount
from connectors.exchange.trading.order_desk import OrderDesk
from connectors.exchange.trading.own_order import OwnOrder, Side
from connectors.exchange.trading.signature import Credentials
from connectors.exchange.trading.user_event import account_update
from connectors.exchange.trading.user_stream import Send, UserStream
from flows.domain.event import MarketTrade

DEFAULT_BALANCE = Decimal(10_000)


@dataclass(frozen=True, slots=True)
class TradingSettings:
    """Who may trade, with how much, and how the exchange is set up."""

    credentials: Credentials = field(default_factory=Credentials)
    balance: Decimal = DEFAULT_BALANCE
    countdown_cancels_algos: bool = False
    """Whether countdownCancelAll withdraws conditional orders, too."""


class Trading:
    """The account with its desks."""

    def __init__(
        self, venue: Clock, settings: TradingSettings, *, seed: int, send: Send
    ) -> None:
        self.venue = venue
        self.credentials = settings.credentials
        self.ledger = Ledger()
        self.account = Account(Decimal(0), self.ledger, self.mark)
        self.stream = UserStream(seed, send)
        self.count = OrderCount()
        self.execution = Execution(venue, self.account, self.stream)
        self.orders = OrderDesk(self.execution)
        self.amending = Amending(self.orders)
        self.algos = AlgoDesk(self.orders)
        self.switch = DeadMansSwitch(
            self.orders, self.algos, cancels_algos=settings.countdown_cancels_algos
        )
        self.forced = Forced(self.execution)
        self.account.book("TRANSFER", settings.balance, self.now_ms)

    @property
    def now_ms(self) -> int:
        """The venue's time in milliseconds."""
        return self.execution.now_ms

    def mark(self, symbol: str) -> Decimal:
        """The mark price of a symbol."""
        return Decimal(self.venue.symbols[symbol].mark_price())

    def on_event(self, event: TapeEvent) -> None:
        """The market has moved: fill, fire and liquidate what that brings about."""
        symbol = event.symbol
        if isinstance(event, MarketTrade):
            price, quantity = Decimal(event.price), Decimal(event.quantity)
            met = Side.BUY if event.buyer_is_maker else Side.SELL
            self.execution.on_trade(symbol, met, price, quantity)
            self.algos.on_contract(symbol, price)
        else:
            self.execution.on_change(symbol)
            self.algos.on_mark(symbol)
            self.forced.on_mark(symbol)

    def fill_part(self, symbol: str) -> bool:
        """Fill half of what is left of a resting order; whether there was one."""
        for order in self._resting(symbol):
            listed = self.venue.symbols[order.terms.symbol].listed
            step = Decimal(listed.step_size)
            half = order.remaining / 2 // step * step
            self.execution.make(order, max(step, half))
            return True
        return False

    def fill_before_cancel(self, symbol: str, order_id: int, client_id: str) -> bool:
        """Fill what is about to be cancelled; whether there was anything."""
        orders = self._resting(symbol)
        if order_id or client_id:
            names = (order_id, client_id)
            orders = [
                order
                for order in orders
                if names[0] == order.order_id or names[1] == order.terms.client_order_id
            ]
        for order in orders:
            self.execution.make(order, order.remaining)
        return bool(orders)

    def close_by_force(self, symbol: str, *, share: Decimal | None) -> bool:
        """Liquidate positions, or deleverage a share; whether there were any."""
        found = [each for each in self.account.held if symbol in {"", each.symbol}]
        for position in found:
            if share is None:
                self.forced.liquidate(position)
            else:
                self.forced.deleverage(position, share)
        return bool(found)

    def transfer(self, amount: Decimal) -> bool:
        """Move money in or out, but no more than there is; whether any was moved."""
        moved = max(settled(amount), -self.account.wallet)
        self.account.book("TRANSFER", moved, self.now_ms)
        reason = "DEPOSIT" if moved > 0 else "WITHDRAW"
        event = account_update(
            self.account, reason, [], change=moved, now_ms=self.now_ms
        )
        self.stream.tell(event)
        return bool(moved)

    def _resting(self, symbol: str) -> list[OwnOrder]:
        return [order for order in self.ledger.open_of(symbol) if order.place]
