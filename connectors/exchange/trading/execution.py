"""What becomes of an order once it is accepted: fills, rests and ends, all told.

A fill is told as TRADE_LITE, ACCOUNT_UPDATE and ORDER_TRADE_UPDATE, in this order.
"""

from collections.abc import Callable, Mapping
from decimal import Decimal
from itertools import count
from typing import Protocol

from connectors.exchange.symbol_market import SymbolMarket
from connectors.exchange.trading.account import MAKER_FEE, TAKER_FEE, Account
from connectors.exchange.trading.amount import ZERO, settled, times
from connectors.exchange.trading.ledger import Fill
from connectors.exchange.trading.own_book import OwnBook
from connectors.exchange.trading.own_order import (
    ExpireReason,
    OrderTerms,
    OwnOrder,
    PositionSide,
    SelfTrade,
    Side,
    Status,
    TimeInForce,
)
from connectors.exchange.trading.scale import Scale
from connectors.exchange.trading.user_event import (
    account_update,
    order_update,
    trade_lite,
)
from connectors.exchange.trading.user_stream import UserStream
from flows.domain.units import NS_PER_MS

TAKE_BOUND = Decimal("0.05")
"""A market order goes no further from the mark, as a part of it (`marketTakeBound`)."""

_FIRST_ORDER_ID = 8_389_765_900_000_001
_FIRST_TRADE_ID = 7_300_000_001


class Clock(Protocol):
    """What trading needs of the exchange."""

    @property
    def now_ns(self) -> int:
        """The venue's time."""

    @property
    def symbols(self) -> Mapping[str, SymbolMarket]:
        """Every symbol played."""

    def plan(self, due_ns: int, action: Callable[[], None]) -> None:
        """Do `action` when it is due."""


class Execution:
    """Matches the account's orders, and books what comes of it."""

    def __init__(self, venue: Clock, account: Account, stream: UserStream) -> None:
        self.venue = venue
        self.account = account
        self.stream = stream
        self.scales = {name: Scale.of(m.listed) for name, m in venue.symbols.items()}
        self.books = {name: OwnBook(market) for name, market in venue.symbols.items()}
        self.on_end: list[Callable[[OwnOrder], None]] = []
        """Told of each order that has closed."""
        self.on_flat: list[Callable[[str, PositionSide], None]] = []
        """Told of each position that has been closed."""
        self._order_ids = count(_FIRST_ORDER_ID)
        self._trade_ids = count(_FIRST_TRADE_ID)

    @property
    def now_ms(self) -> int:
        """The venue's time in milliseconds."""
        return self.venue.now_ns // NS_PER_MS

    def accept(self, terms: OrderTerms, *, is_forced: bool = False) -> OwnOrder:
        """Record an order and tell that it is there; nothing is matched yet."""
        now_ms = self.now_ms
        order = OwnOrder(next(self._order_ids), terms, now_ms, now_ms)
        order.is_forced = is_forced
        self.account.ledger.add(order)
        self.tell(order, "NEW")
        return order

    def run(self, order: OwnOrder, *, bound: Decimal | None = None) -> None:
        """Take what the order reaches, then rest or end it.

        `bound` limits a market order instead of the ordinary TAKE_BOUND.
        """
        limit = order.terms.price
        if order.terms.is_market:
            limit = bound if bound is not None else self._take_bound(order.terms)
        self._take(order, limit)
        if order.is_open:
            self._settle_rest(order)
        self._drop_idle_reducers(order.terms.symbol)

    def fill(
        self, order: OwnOrder, price: Decimal, quantity: Decimal, *, is_maker: bool
    ) -> None:
        """Book one trade and tell it, with what ends by it."""
        fill = self._book(order, price, quantity, is_maker=is_maker)
        if not order.is_open:
            self._retire(order)
        self._tell_fill(order, fill)
        if not order.is_open:
            self._ended(order)
        symbol, side = order.terms.symbol, order.terms.position_side
        if not self.account.position(symbol, side).amount:
            for told in self.on_flat:
                told(symbol, side)

    def end(
        self, order: OwnOrder, status: Status, reason: ExpireReason = ExpireReason.NONE
    ) -> None:
        """Close an open order and tell it."""
        order.end(status, reason, self.now_ms)
        self._retire(order)
        self.tell(order, "CANCELED" if status is Status.CANCELED else "EXPIRED")
        self._ended(order)

    def tell(self, order: OwnOrder, execution: str, fill: Fill | None = None) -> None:
        """Send an ORDER_TRADE_UPDATE."""
        scale = self.scales[order.terms.symbol]
        event = order_update(
            order,
            scale,
            self.account,
            execution=execution,
            now_ms=self.now_ms,
            fill=fill,
        )
        self.stream.tell(event)

    def reducible(self, terms: OrderTerms) -> Decimal:
        """What an order may still trade for its position's sake; without bound, all."""
        if not terms.only_reduces:
            return terms.quantity
        position = self.account.position(terms.symbol, terms.position_side)
        is_against = position.amount * terms.side.sign < 0
        return abs(position.amount) if is_against else ZERO

    def take_out(self, order: OwnOrder) -> None:
        """Take a resting order out of its queue, to be run again."""
        self.books[order.terms.symbol].remove(order)

    # -- the market moves ---------------------------------------------------------

    def on_change(self, symbol: str) -> None:
        """The tape's book has changed."""
        book = self.books[symbol]
        if book.resting:
            for order, quantity in book.on_change(self.venue.now_ns):
                self.make(order, quantity)

    def on_trade(
        self, symbol: str, side: Side, price: Decimal, quantity: Decimal
    ) -> None:
        """The tape has traded against `side`."""
        book = self.books[symbol]
        if book.resting:
            now_ns = self.venue.now_ns
            for order, met in book.on_trade(side, price, quantity, now_ns):
                self.make(order, met)

    def make(self, order: OwnOrder, quantity: Decimal) -> None:
        """Fill a resting order at its price, as far as it may be."""
        if not order.is_open:
            return
        quantity = min(quantity, self.reducible(order.terms), order.remaining)
        if quantity:
            self.fill(order, order.terms.price, quantity, is_maker=True)
        self._drop_idle_reducers(order.terms.symbol)

    # -- inside -------------------------------------------------------------------

    def _book(
        self, order: OwnOrder, price: Decimal, quantity: Decimal, *, is_maker: bool
    ) -> Fill:
        """Change order, position, ledger and wallet by one trade."""
        terms, now_ms = order.terms, self.now_ms
        fee = settled(times(price, quantity, MAKER_FEE if is_maker else TAKER_FEE))
        position = self.account.position(terms.symbol, terms.position_side)
        realised = position.trade(quantity * terms.side.sign, price, fee)
        position.updated_ms = now_ms
        order.add_fill(price, quantity, now_ms)
        fill = Fill(
            next(self._trade_ids),
            order.order_id,
            terms.symbol,
            terms.side,
            terms.position_side,
            price,
            quantity,
            fee,
            realised,
            is_maker,
            now_ms,
        )
        self.account.ledger.fills.append(fill)
        names = (terms.symbol, fill.trade_id)
        if realised:
            self.account.book("REALIZED_PNL", realised, now_ms, *names)
        self.account.book("COMMISSION", -fee, now_ms, *names)
        return fill

    def _take_bound(self, terms: OrderTerms) -> Decimal:
        mark = self.account.mark(terms.symbol)
        return times(mark, 1 + terms.side.sign * TAKE_BOUND)

    def _take(self, order: OwnOrder, limit: Decimal) -> None:
        terms = order.terms
        for offer in self.books[terms.symbol].offers(terms.side, limit):
            if offer.own is not None:
                self._prevent_self_trade(order, offer.own)
                if not order.is_open:
                    return
                continue
            quantity = min(order.remaining, offer.quantity, self.reducible(terms))
            if not quantity:
                return
            self.fill(order, offer.price, quantity, is_maker=False)
            if not order.is_open:
                return

    def _prevent_self_trade(self, taker: OwnOrder, maker: OwnOrder) -> None:
        mode = taker.terms.self_trade
        expired = Status.EXPIRED_IN_MATCH
        if mode is not SelfTrade.EXPIRE_TAKER and maker.is_open:
            self.end(maker, expired, ExpireReason.SELF_TRADE)
        if mode is not SelfTrade.EXPIRE_MAKER:
            is_ioc = taker.terms.time_in_force is TimeInForce.IOC
            reason = ExpireReason.SELF_TRADE
            self.end(taker, expired, ExpireReason.IOC_SELF_TRADE if is_ioc else reason)

    def _settle_rest(self, order: OwnOrder) -> None:
        terms = order.terms
        if not self.reducible(terms):
            self.end(order, Status.EXPIRED, ExpireReason.NOTHING_TO_REDUCE)
        elif terms.is_market:
            self.end(order, Status.EXPIRED, ExpireReason.MARKET_REST)
        elif terms.time_in_force in {TimeInForce.IOC, TimeInForce.FOK}:
            self.end(order, Status.EXPIRED, ExpireReason.IOC_REST)
        else:
            self.books[terms.symbol].rest(order)

    def _drop_idle_reducers(self, symbol: str) -> None:
        """End resting orders that have nothing left to reduce."""
        for order in list(self.books[symbol].resting):
            if order.is_open and not self.reducible(order.terms):
                self.end(order, Status.EXPIRED, ExpireReason.NOTHING_TO_REDUCE)

    def _retire(self, order: OwnOrder) -> None:
        self.account.ledger.close(order)
        self.take_out(order)

    def _ended(self, order: OwnOrder) -> None:
        for told in self.on_end:
            told(order)

    def _tell_fill(self, order: OwnOrder, fill: Fill) -> None:
        terms = order.terms
        self.stream.tell(trade_lite(order, fill, self.scales[terms.symbol]))
        position = self.account.position(terms.symbol, terms.position_side)
        event = account_update(
            self.account, "ORDER", [position], change=ZERO, now_ms=fill.time_ms
        )
        self.stream.tell(event)
        is_liquidation = terms.order_type == "LIQUIDATION"
        self.tell(order, "CALCULATED" if is_liquidation else "TRADE", fill)
