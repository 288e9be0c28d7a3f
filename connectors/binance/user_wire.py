"""What the exchange says of our orders: replies, queries and user data events.

Unknown fields are ignored, wrong types are errors. Source: Binance USD-M "Trade" REST
endpoints and "User Data Streams".
"""

from collections.abc import Iterator
from contextlib import contextmanager
from decimal import Decimal

import msgspec

from flows.domain.errors import MalformedFrame
from flows.domain.order import OrderStatus
from flows.domain.side import Side

_STATUSES = {
    "NEW": OrderStatus.NEW,
    "PARTIALLY_FILLED": OrderStatus.PARTIALLY_FILLED,
    "FILLED": OrderStatus.FILLED,
    "CANCELED": OrderStatus.CANCELED,
    "EXPIRED": OrderStatus.EXPIRED,
    "EXPIRED_IN_MATCH": OrderStatus.EXPIRED,
    "REJECTED": OrderStatus.REJECTED,
}


class OrderState(msgspec.Struct, frozen=True):
    """An order as a reply, a query or an event shows it."""

    symbol: str
    client_order_id: str
    order_id: int
    status: OrderStatus
    """NEW for a status that is not known: nothing is concluded from it."""
    executed: Decimal


class Execution(msgspec.Struct, frozen=True):
    """One trade of an order."""

    symbol: str
    order_id: int
    trade_id: int
    is_buy: bool
    price: Decimal
    quantity: Decimal
    commission: Decimal
    commission_asset: str
    is_maker: bool
    time_ms: int
    realised: Decimal = Decimal(0)
    """Profit before commission by which the wallet changed."""
    client_order_id: str = ""
    """Empty in `userTrades`, which tells only the exchange's id."""


class HeldAmount(msgspec.Struct, frozen=True):
    """A position as `positionRisk` shows it."""

    amount: Decimal
    """Signed."""
    entry_price: Decimal


class Booking(msgspec.Struct, frozen=True):
    """One change of the wallet, as the income history shows it."""

    booking_id: str
    """Kind and number: numbers are unique within a kind only."""
    kind: str
    """`incomeType`."""
    symbol: str
    amount: Decimal
    asset: str
    trade_id: int
    """0 where it is of no trade."""
    time_ms: int


class AlgoState(msgspec.Struct, frozen=True):
    """A conditional order as a list or an event shows it."""

    symbol: str
    client_order_id: str
    side: Side
    trigger_price: Decimal
    status: str

    @property
    def is_waiting(self) -> bool:
        """Whether it has neither fired nor ended."""
        return self.status == "NEW"


class KeyExpired(msgspec.Struct, frozen=True):
    """The listen key is no longer valid; its stream stays silent from now on."""


class WalletChanged(msgspec.Struct, frozen=True):
    """The wallet has changed without a trade."""

    reason: str


class Ignored(msgspec.Struct, frozen=True):
    """An event that is not needed."""

    kind: str


UserEvent = (
    tuple[OrderState, Execution | None]
    | AlgoState
    | WalletChanged
    | KeyExpired
    | Ignored
)


class _Order(msgspec.Struct):
    symbol: str
    clientOrderId: str  # noqa: N815 - the exchange's own name
    orderId: int  # noqa: N815 - the exchange's own name
    status: str
    executedQty: Decimal  # noqa: N815 - the exchange's own name


class _Trade(msgspec.Struct):
    symbol: str
    id: int
    orderId: int  # noqa: N815 - the exchange's own name
    buyer: bool
    maker: bool
    price: Decimal
    qty: Decimal
    commission: Decimal
    commissionAsset: str  # noqa: N815 - the exchange's own name
    time: int
    realizedPnl: Decimal = Decimal(0)  # noqa: N815 - the exchange's own name


class _Position(msgspec.Struct):
    symbol: str
    positionSide: str  # noqa: N815 - the exchange's own name
    positionAmt: Decimal  # noqa: N815 - the exchange's own name
    entryPrice: Decimal  # noqa: N815 - the exchange's own name


class _Balance(msgspec.Struct):
    asset: str
    balance: Decimal


class _Income(msgspec.Struct):
    incomeType: str  # noqa: N815 - the exchange's own name
    income: Decimal
    asset: str
    time: int
    tranId: int | str  # noqa: N815 - the exchange's own name
    symbol: str | None = ""
    tradeId: int | str | None = ""  # noqa: N815 - the exchange's own name


class _Update(msgspec.Struct):
    s: str
    c: str
    i: int
    S: str
    X: str
    z: Decimal
    l: Decimal  # noqa: E741 - the exchange's own name
    L: Decimal
    t: int
    m: bool
    T: int
    n: Decimal = Decimal(0)
    N: str = ""
    rp: Decimal = Decimal(0)


class _Algo(msgspec.Struct):
    symbol: str
    clientAlgoId: str  # noqa: N815 - the exchange's own name
    side: Side
    triggerPrice: Decimal  # noqa: N815 - the exchange's own name
    algoStatus: str  # noqa: N815 - the exchange's own name


class _AlgoUpdate(msgspec.Struct):
    s: str
    caid: str
    S: Side
    tp: Decimal
    X: str


class _Change(msgspec.Struct):
    m: str = ""


class _Event(msgspec.Struct):
    e: str = ""
    a: msgspec.Raw = msgspec.Raw(b"{}")
    o: msgspec.Raw = msgspec.Raw(b"")


class _Key(msgspec.Struct):
    listenKey: str  # noqa: N815 - the exchange's own name


_decode_order = msgspec.json.Decoder(_Order).decode
_decode_orders = msgspec.json.Decoder(list[_Order]).decode
_decode_trades = msgspec.json.Decoder(list[_Trade]).decode
_decode_positions = msgspec.json.Decoder(list[_Position]).decode
_decode_balances = msgspec.json.Decoder(list[_Balance]).decode
_decode_income = msgspec.json.Decoder(list[_Income]).decode
_decode_change = msgspec.json.Decoder(_Change).decode
_decode_event = msgspec.json.Decoder(_Event).decode
_decode_update = msgspec.json.Decoder(_Update).decode
_decode_algos = msgspec.json.Decoder(list[_Algo]).decode
_decode_algo_update = msgspec.json.Decoder(_AlgoUpdate).decode
_decode_key = msgspec.json.Decoder(_Key).decode


def read_order(body: bytes) -> OrderState:
    """The order in a reply or a query. Raises MalformedFrame."""
    with _reading("an order"):
        return _state(_decode_order(body))


def read_orders(body: bytes) -> list[OrderState]:
    """The orders of a query. Raises MalformedFrame."""
    with _reading("orders"):
        return [_state(order) for order in _decode_orders(body)]


def read_trades(body: bytes) -> list[Execution]:
    """The trades of a query, in order. Raises MalformedFrame."""
    with _reading("trades"):
        found = [_execution(trade) for trade in _decode_trades(body)]
    return sorted(found, key=lambda trade: trade.trade_id)


def read_positions(body: bytes) -> dict[str, HeldAmount]:
    """Positions by symbol, those that are open. Raises MalformedFrame.

    A position of hedge mode is malformed here: the account is one-way.
    """
    with _reading("positions"):
        found = [_position(position) for position in _decode_positions(body)]
    return {symbol: held for symbol, held in found if held.amount}


def read_algos(body: bytes) -> list[AlgoState]:
    """The conditional orders of a query. Raises MalformedFrame."""
    with _reading("conditional orders"):
        return [_algo(algo) for algo in _decode_algos(body)]


def read_balance(body: bytes, asset: str) -> Decimal:
    """The wallet's balance of an asset, 0 where it has none. Raises MalformedFrame."""
    with _reading("balances"):
        rows = [row for row in _decode_balances(body) if row.asset == asset]
        return sum((_finite(row.balance) for row in rows), Decimal(0))


def read_bookings(body: bytes) -> list[Booking]:
    """The income history of a query, oldest first. Raises MalformedFrame."""
    with _reading("an income history"):
        found = [_booking(income) for income in _decode_income(body)]
    return sorted(found, key=lambda booking: booking.time_ms)


def read_listen_key(body: bytes) -> str:
    """The key of the user data stream. Raises MalformedFrame."""
    with _reading("a listen key"):
        return _decode_key(body).listenKey


def read_user_event(text: bytes) -> UserEvent:
    """One event of the user data stream. Raises MalformedFrame."""
    with _reading("a user data event"):
        event = _decode_event(text)
        if event.e == "listenKeyExpired":
            return KeyExpired()
        if event.e == "ORDER_TRADE_UPDATE":
            return _order_update(_decode_update(event.o))
        if event.e == "ALGO_UPDATE":
            update = _decode_algo_update(event.o)
            price = _amount(update.tp)
            return AlgoState(update.s, update.caid, update.S, price, update.X)
        if event.e == "ACCOUNT_UPDATE":
            reason = _decode_change(event.a).m
            return Ignored(event.e) if reason == "ORDER" else WalletChanged(reason)
        return Ignored(event.e)


def _order_update(update: _Update) -> tuple[OrderState, Execution | None]:
    state = OrderState(
        update.s, update.c, update.i, _status(update.X), _amount(update.z)
    )
    if not update.t:
        return state, None
    execution = Execution(
        symbol=update.s,
        order_id=update.i,
        trade_id=update.t,
        is_buy=update.S == "BUY",
        price=_amount(update.L),
        quantity=_amount(update.l),
        commission=_finite(update.n),
        commission_asset=update.N,
        is_maker=update.m,
        time_ms=update.T,
        realised=_finite(update.rp),
        client_order_id=update.c,
    )
    return state, execution


def _state(order: _Order) -> OrderState:
    return OrderState(
        order.symbol,
        order.clientOrderId,
        order.orderId,
        _status(order.status),
        _amount(order.executedQty),
    )


def _execution(trade: _Trade) -> Execution:
    return Execution(
        symbol=trade.symbol,
        order_id=trade.orderId,
        trade_id=trade.id,
        is_buy=trade.buyer,
        price=_amount(trade.price),
        quantity=_amount(trade.qty),
        commission=_finite(trade.commission),
        commission_asset=trade.commissionAsset,
        is_maker=trade.maker,
        time_ms=trade.time,
        realised=_finite(trade.realizedPnl),
    )


def _booking(income: _Income) -> Booking:
    return Booking(
        booking_id=f"{income.incomeType} {income.tranId}",
        kind=income.incomeType,
        symbol=income.symbol or "",
        amount=_finite(income.income),
        asset=income.asset,
        trade_id=int(income.tradeId or 0),
        time_ms=income.time,
    )


def _algo(algo: _Algo) -> AlgoState:
    return AlgoState(
        algo.symbol,
        algo.clientAlgoId,
        algo.side,
        _amount(algo.triggerPrice),
        algo.algoStatus,
    )


def _position(position: _Position) -> tuple[str, HeldAmount]:
    if position.positionSide != "BOTH":
        msg = f"expected a one-way position, was {position.positionSide}"
        raise ValueError(msg)
    held = HeldAmount(_finite(position.positionAmt), _amount(position.entryPrice))
    return position.symbol, held


def _status(text: str) -> OrderStatus:
    return _STATUSES.get(text, OrderStatus.NEW)


def _amount(value: Decimal) -> Decimal:
    if not value.is_finite() or value < 0:
        msg = f"expected an amount, was {value}"
        raise ValueError(msg)
    return value


def _finite(value: Decimal) -> Decimal:
    """A commission is negative where it is a rebate."""
    if not value.is_finite():
        msg = f"expected a number, was {value}"
        raise ValueError(msg)
    return value


@contextmanager
def _reading(what: str) -> Iterator[None]:
    try:
        yield
    except (msgspec.DecodeError, ValueError, RecursionError) as error:
        msg = f"not {what}: {error}"
        raise MalformedFrame(msg) from error
