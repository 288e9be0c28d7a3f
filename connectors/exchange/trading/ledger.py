"""The exchange's own record of the account: every order, fill and booking."""

from collections.abc import Iterator
from dataclasses import dataclass
from decimal import Decimal

from connectors.exchange.trading.own_order import OwnOrder, PositionSide, Side


@dataclass(frozen=True, slots=True)
class Fill:
    """One trade of the account."""

    trade_id: int
    order_id: int
    symbol: str
    side: Side
    position_side: PositionSide
    price: Decimal
    quantity: Decimal
    commission: Decimal
    realised: Decimal
    is_maker: bool
    time_ms: int


@dataclass(frozen=True, slots=True)
class Booking:
    """One change of the wallet."""

    transaction_id: int
    kind: str
    """`incomeType`: TRANSFER, REALIZED_PNL, COMMISSION, FUNDING_FEE, ..."""
    amount: Decimal
    time_ms: int
    symbol: str = ""
    trade_id: int = 0


@dataclass(frozen=True, slots=True)
class Amendment:
    """One change of a resting order."""

    amendment_id: int
    order: OwnOrder
    price: tuple[Decimal, Decimal]
    """Before and after."""
    quantity: tuple[Decimal, Decimal]
    number: int
    time_ms: int


class Ledger:
    """Orders, fills and bookings, oldest first."""

    def __init__(self) -> None:
        self.orders: dict[int, OwnOrder] = {}
        self.open: dict[int, OwnOrder] = {}
        self.fills: list[Fill] = []
        self.bookings: list[Booking] = []
        self.amendments: list[Amendment] = []

    def add(self, order: OwnOrder) -> None:
        """Record a new order."""
        self.orders[order.order_id] = self.open[order.order_id] = order

    def close(self, order: OwnOrder) -> None:
        """Take an order off the open ones."""
        self.open.pop(order.order_id, None)

    def reopen(self, order: OwnOrder) -> None:
        """Put an order back among the open ones, at its place by age."""
        self.open = dict(sorted([*self.open.items(), (order.order_id, order)]))

    def open_of(self, symbol: str) -> list[OwnOrder]:
        """Open orders of a symbol, or all without one, oldest first."""
        return [
            order
            for order in self.open.values()
            if symbol in {"", order.terms.symbol} and order.is_open
        ]

    def recent(self, now_ms: int) -> list[OwnOrder]:
        """Orders that can still be asked for, oldest first."""
        orders = self.orders.values()
        return [order for order in orders if not order.is_forgotten(now_ms)]

    def find(self, symbol: str, order_id: int, client_order_id: str) -> OwnOrder | None:
        """An order by its id, or the newest by the client's; an open one first."""
        if order_id:
            order = self.orders.get(order_id)
            return order if order and order.terms.symbol == symbol else None
        for orders in (self.open, self.orders):
            for order in reversed(orders.values()):
                terms = order.terms
                if (terms.symbol, terms.client_order_id) == (symbol, client_order_id):
                    return order
        return None

    def fills_of(self, symbol: str) -> Iterator[Fill]:
        """Fills of a symbol, oldest first."""
        return (fill for fill in self.fills if fill.symbol == symbol)
