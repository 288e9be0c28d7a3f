"""Orders on their way to the exchange: sent once, followed until their fate is told.

    place -> request -> DONE     fills from user stream or `userTrades`, then the end
                     -> REFUSED  rejected
                     -> LATER    sent again if it only reduces risk, else rejected
                     -> UNKNOWN  asked for by client order id until the exchange knows

What is told to the account keeps an order's life exact: each trade once, an end only
when the fills before it add up to it. The desk does no I/O and reads no clock. Source:
Binance USD-M "Trade" REST endpoints, "User Data Streams", "Error Codes".
"""

from collections.abc import Callable
from decimal import Decimal
from enum import Enum, auto

import msgspec
import structlog

from connectors.binance.outbox import Call, Outbox
from connectors.binance.outcome import NO_SUCH_ORDER, Answer, Outcome, judge
from connectors.binance.user_wire import (
    Execution,
    OrderState,
    read_order,
    read_trades,
)
from flows.domain.cash import CashMoved
from flows.domain.errors import MalformedFrame
from flows.domain.opening import Opening
from flows.domain.order import (
    Fill,
    Order,
    OrderReport,
    OrderStatus,
    OrderType,
    OutsideFill,
)
from flows.domain.side import Side
from flows.domain.units import BPS, NS_PER_MS, NS_PER_S, plain

EXECUTION_STREAM = "@execution"
ORDER_PATH = "/fapi/v1/order"
TRADES_PATH = "/fapi/v1/userTrades"
ENTRY_WINDOW_MS = 1_000
"""How long after its timestamp the exchange may still accept an order to enter."""
WINDOW_MS = 5_000
MAX_DECISION_AGE_NS = 500 * NS_PER_MS
"""An order to enter that is older is not sent."""
NEVER_ARRIVED_NS = 10 * NS_PER_S
"""An order the exchange has not heard of for so long after sending never arrived."""

_END_EXPECTED_NS = NS_PER_S
"""A taken order should have ended by then; the exchange is asked."""
_FILLS_EXPECTED_NS = 50 * NS_PER_MS
_FIRST_AGAIN_NS = 100 * NS_PER_MS
_LONGEST_AGAIN_NS = 2 * NS_PER_S
_RESEND_NS = 200 * NS_PER_MS
_MOST_RESENDS = 5
_REMEMBERED = 1_000

_log = structlog.get_logger()


class _Ask(Enum):
    PLACE = auto()
    QUERY = auto()
    TRADES = auto()
    CANCEL = auto()


class _Tracked(msgspec.Struct):
    """An order whose end has not been told."""

    order: Order
    sent_ns: int
    due_ns: int
    """When the exchange is asked for it unless something has come."""
    order_id: int = 0
    filled: Decimal = Decimal(0)
    end: OrderStatus | None = None
    executed: Decimal = Decimal(0)
    """Cumulative, as last said by the exchange."""
    reason: str = ""
    is_unknown: bool = False
    is_resending: bool = False
    asks: int = 0
    resends: int = 0
    pending: _Ask | None = None

    def wait_ns(self) -> int:
        """How long until the next question, longer each time."""
        self.asks += 1
        return min(_FIRST_AGAIN_NS << min(self.asks - 1, 8), _LONGEST_AGAIN_NS)


class OrderDesk:
    """Sends orders and tells the account, as `@execution` frames, what becomes of them.

    `fee_bps` values a commission that is not paid in the quote asset. `on_acked` is
    told how long after its decision an order was answered, in ns; `on_trade` is told
    each trade that the account is told.
    """

    def __init__(
        self,
        outbox: Outbox,
        *,
        fee_bps: Decimal,
        on_acked: Callable[[int], None] = lambda _duration_ns: None,
        on_trade: Callable[[Execution], None] = lambda _execution: None,
    ) -> None:
        self._outbox = outbox
        self._fee_bps = fee_bps
        self._on_acked = on_acked
        self._on_trade = on_trade
        self._open: dict[str, _Tracked] = {}
        self._ended: dict[str, None] = {}
        """The last client order ids whose end is told, oldest first."""
        self._asked: dict[int, tuple[str, _Ask]] = {}
        self._trades: dict[tuple[str, int], int] = {}
        """Symbol and id of each trade that is told, and when."""
        self.version = 0
        """Changes whenever an order is sent or something is told."""
        self.told_ns = 0
        """When something was told last."""

    @property
    def is_idle(self) -> bool:
        """Whether every order's end is told."""
        return not self._open

    def restore(self, opening: Opening, now_ns: int) -> None:
        """Go on from an earlier run: its trades are told, its orders asked for."""
        for symbol, trade_ids in opening.trade_ids.items():
            for trade_id in trade_ids:
                self._trades[symbol, trade_id] = now_ns
        for lost in opening.lost_orders:
            tracked = _Tracked(lost.order, lost.order.received_ns, now_ns)
            tracked.filled, tracked.is_unknown = lost.filled_quantity, True
            self._open[lost.order.client_order_id] = tracked
            for told in lost.trade_ids:
                self._trades[lost.order.symbol, int(told)] = now_ns

    def forget_trades(self, before_ns: int) -> None:
        """Forget trades that were told before; nobody will tell them again."""
        for trade, told_ns in list(self._trades.items()):
            if told_ns < before_ns:
                del self._trades[trade]

    def _is_new(self, execution: Execution, now_ns: int) -> bool:
        """Whether a trade was not told before; it is from now on."""
        trade = execution.symbol, execution.trade_id
        if trade in self._trades:
            return False
        self._trades[trade] = now_ns
        self._on_trade(execution)
        return True

    def adopt(self, execution: Execution, now_ns: int) -> None:
        """Tell a trade of no order of ours, once."""
        if self._is_new(execution, now_ns):
            self.tell(to_outside_fill(execution), now_ns)

    def tell(self, outcome: Fill | OrderReport | CashMoved, now_ns: int) -> None:
        """Let the account know, at this place of the one order."""
        self.version += 1
        self.told_ns = now_ns
        self._outbox.tell(EXECUTION_STREAM, outcome, now_ns)

    def has_told(self, symbol: str, trade_id: int) -> bool:
        """Whether a trade was told, as far back as is remembered."""
        return (symbol, trade_id) in self._trades

    def knows(self, client_order_id: str) -> bool:
        """Whether an order was sent from here, as far back as is remembered."""
        return client_order_id in self._open or client_order_id in self._ended

    # -- what is wanted ---------------------------------------------------------------

    def place(self, order: Order, now_ns: int) -> None:
        """Send an order that the journal holds."""
        tracked = _Tracked(order, now_ns, now_ns + _END_EXPECTED_NS)
        self._open[order.client_order_id] = tracked
        self.version += 1
        self._send(tracked, now_ns)

    def cancel(self, client_order_id: str, now_ns: int) -> None:
        """Withdraw an order that is still open; its end tells what became of it."""
        tracked = self._open.get(client_order_id)
        if tracked is None or tracked.end is not None:
            return
        tracked.is_resending = False
        params = {
            "symbol": tracked.order.symbol,
            "origClientOrderId": client_order_id,
        }
        self._call(tracked, _Ask.CANCEL, "DELETE", ORDER_PATH, params)
        tracked.due_ns = min(tracked.due_ns, now_ns + _FIRST_AGAIN_NS)

    # -- what happens -----------------------------------------------------------------

    def owns(self, serial: int) -> bool:
        """Whether a request was made here."""
        return serial in self._asked

    def on_reply(self, serial: int, status: int, body: bytes, now_ns: int) -> None:
        """The exchange has answered a request."""
        tracked, ask = self._answered(serial)
        if tracked is None:
            return
        answer = judge(status, body)
        try:
            match ask:
                case _Ask.PLACE:
                    self._on_acked(now_ns - tracked.order.received_ns)
                    self._on_placed(tracked, answer, body, now_ns)
                case _Ask.QUERY | _Ask.CANCEL:
                    self._on_queried(tracked, answer, body, now_ns)
                case _Ask.TRADES if answer.outcome is Outcome.DONE:
                    for execution in read_trades(body):
                        self._take(tracked, execution, now_ns)
        except MalformedFrame as error:
            self._doubt(tracked, str(error), now_ns)
        self._settle(tracked, now_ns)

    def on_failed(self, serial: int, reason: str, now_ns: int) -> None:
        """A request got no answer: it may have been carried out."""
        tracked, ask = self._answered(serial)
        if tracked is None:
            return
        if ask is _Ask.PLACE:
            self._doubt(tracked, reason, now_ns)
            tracked.due_ns = now_ns
        else:
            tracked.due_ns = now_ns + tracked.wait_ns()

    def on_withheld(self, serial: int, reason: str, now_ns: int) -> None:
        """An order was stopped right before the socket: it was never sent."""
        tracked, _ = self._answered(serial)
        if tracked is not None:
            self._reject(tracked, reason)
            self._settle(tracked, now_ns)

    def on_update(
        self, state: OrderState, execution: Execution | None, now_ns: int
    ) -> None:
        """An event of the user data stream about one of these orders."""
        tracked = self._open.get(state.client_order_id)
        if tracked is None:
            return
        if execution is not None:
            self._take(tracked, execution, now_ns)
        self._learn(tracked, state, now_ns)
        self._settle(tracked, now_ns)

    def on_time(self, now_ns: int) -> None:
        """Ask for what should have been told by now."""
        for tracked in list(self._open.values()):
            if now_ns < tracked.due_ns or tracked.pending is not None:
                continue
            tracked.due_ns = now_ns + tracked.wait_ns()
            if tracked.is_resending:
                tracked.is_resending = False
                self._send(tracked, now_ns)
            elif tracked.end is not None and tracked.order_id:
                params = {
                    "symbol": tracked.order.symbol,
                    "orderId": str(tracked.order_id),
                }
                self._call(tracked, _Ask.TRADES, "GET", TRADES_PATH, params)
            else:
                self._query(tracked)

    # -- requests ---------------------------------------------------------------------

    def _send(self, tracked: _Tracked, now_ns: int) -> None:
        order = tracked.order
        tracked.due_ns = now_ns + _END_EXPECTED_NS
        self._call(
            tracked,
            _Ask.PLACE,
            "POST",
            ORDER_PATH,
            _parameters(order),
            window_ms=WINDOW_MS if order.is_reduce_only else ENTRY_WINDOW_MS,
            expires_ns=(
                None
                if order.is_reduce_only
                else order.received_ns + MAX_DECISION_AGE_NS
            ),
        )

    def _query(self, tracked: _Tracked) -> None:
        order = tracked.order
        params = {"symbol": order.symbol, "origClientOrderId": order.client_order_id}
        self._call(tracked, _Ask.QUERY, "GET", ORDER_PATH, params)

    def _call(
        self,
        tracked: _Tracked,
        ask: _Ask,
        method: str,
        path: str,
        params: dict[str, str],
        *,
        window_ms: int = WINDOW_MS,
        expires_ns: int | None = None,
    ) -> None:
        serial = self._outbox.next_serial()
        self._asked[serial] = tracked.order.client_order_id, ask
        tracked.pending = ask
        self._outbox.do(Call(serial, method, path, params, window_ms, expires_ns))

    def _answered(self, serial: int) -> tuple[_Tracked | None, _Ask]:
        client_order_id, ask = self._asked.pop(serial)
        tracked = self._open.get(client_order_id)
        if tracked is not None and tracked.pending is ask:
            tracked.pending = None
        return tracked, ask

    # -- what is learned --------------------------------------------------------------

    def _on_placed(
        self, tracked: _Tracked, answer: Answer, body: bytes, now_ns: int
    ) -> None:
        match answer.outcome:
            case Outcome.DONE:
                self._learn(tracked, read_order(body), now_ns)
            case Outcome.REFUSED:
                self._reject(tracked, f"{answer.code} {answer.text}")
            case Outcome.LATER:
                self._put_off(tracked, answer, now_ns)
            case _:  # UNKNOWN, or what nobody has thought of
                self._doubt(tracked, f"{answer.code} {answer.text}", now_ns)

    def _put_off(self, tracked: _Tracked, answer: Answer, now_ns: int) -> None:
        """Send again what only reduces risk; a signal to enter has passed."""
        is_worth_it = tracked.order.is_reduce_only and tracked.resends < _MOST_RESENDS
        if not is_worth_it:
            self._reject(tracked, f"{answer.code} {answer.text}")
            return
        tracked.due_ns = now_ns + (_RESEND_NS << tracked.resends)
        tracked.resends += 1
        tracked.is_resending = True

    def _on_queried(
        self, tracked: _Tracked, answer: Answer, body: bytes, now_ns: int
    ) -> None:
        """A query's answer; a cancellation's says nothing that a query does not."""
        if answer.outcome is Outcome.DONE:
            self._learn(tracked, read_order(body), now_ns)
            tracked.due_ns = min(tracked.due_ns, now_ns + _END_EXPECTED_NS)
            return
        never_heard = not (tracked.order_id or tracked.filled)
        waited_ns = now_ns - tracked.sent_ns
        if (
            answer.code == NO_SUCH_ORDER
            and never_heard
            and waited_ns >= NEVER_ARRIVED_NS
        ):
            self._reject(tracked, "it never arrived")

    def _learn(self, tracked: _Tracked, state: OrderState, now_ns: int) -> None:
        tracked.order_id = state.order_id
        tracked.executed = max(tracked.executed, state.executed)
        if state.status.is_final and tracked.end is None:
            tracked.end = state.status
            tracked.due_ns = now_ns + _FILLS_EXPECTED_NS
            tracked.asks = 0

    def _take(self, tracked: _Tracked, execution: Execution, now_ns: int) -> None:
        """Tell a trade that has not been told."""
        if not self._is_new(execution, now_ns):
            return
        tracked.order_id = execution.order_id
        tracked.filled += execution.quantity
        self.tell(to_fill(execution, tracked.order, self._fee_bps), now_ns)

    def _reject(self, tracked: _Tracked, reason: str) -> None:
        tracked.end, tracked.reason = OrderStatus.REJECTED, reason.strip()

    def _doubt(self, tracked: _Tracked, reason: str, now_ns: int) -> None:
        """Say, once, that nobody knows what has become of the order."""
        tracked.due_ns = now_ns
        if tracked.is_unknown or tracked.end is not None:
            return
        tracked.is_unknown = True
        symbol, name = tracked.order.symbol, tracked.order.client_order_id
        _log.warning("order_unknown", symbol=symbol, order=name, reason=reason)
        self._report(tracked, OrderStatus.UNKNOWN, reason, now_ns)

    def _settle(self, tracked: _Tracked, now_ns: int) -> None:
        """Tell the end once the fills add up to it."""
        if tracked.filled == tracked.order.quantity:
            tracked.end = OrderStatus.FILLED
        end = tracked.end
        if end is None or tracked.filled < tracked.executed:
            return
        name = tracked.order.client_order_id
        del self._open[name]
        self._ended[name] = None
        if len(self._ended) > _REMEMBERED:
            del self._ended[next(iter(self._ended))]
        self._report(tracked, end, tracked.reason, now_ns)

    def _report(
        self, tracked: _Tracked, status: OrderStatus, reason: str, now_ns: int
    ) -> None:
        order = tracked.order
        report = OrderReport(
            received_ns=now_ns,
            symbol=order.symbol,
            client_order_id=order.client_order_id,
            status=status,
            filled_quantity=tracked.filled,
            reason=reason,
        )
        self.tell(report, now_ns)


def to_fill(execution: Execution, order: Order, fee_bps: Decimal) -> Fill:
    """A trade of an order as the account books it; its frame says when."""
    fee = execution.commission
    if not order.symbol.endswith(execution.commission_asset or "?"):
        fee = execution.price * execution.quantity * fee_bps / BPS
    return Fill(
        received_ns=0,
        symbol=order.symbol,
        client_order_id=order.client_order_id,
        trade_id=str(execution.trade_id),
        side=Side.BUY if execution.is_buy else Side.SELL,
        price=execution.price,
        quantity=execution.quantity,
        fee=fee,
        is_maker=execution.is_maker,
    )


def to_outside_fill(execution: Execution) -> OutsideFill:
    """A trade that is of no order of ours; its frame says when."""
    fee = execution.commission
    if not execution.symbol.endswith(execution.commission_asset or "?"):
        fee = Decimal(0)  # paid in another asset, and not part of this account's P&L
    return OutsideFill(
        received_ns=0,
        symbol=execution.symbol,
        client_order_id=str(execution.order_id),
        trade_id=str(execution.trade_id),
        side=Side.BUY if execution.is_buy else Side.SELL,
        price=execution.price,
        quantity=execution.quantity,
        fee=fee,
        is_maker=execution.is_maker,
    )


def _parameters(order: Order) -> dict[str, str]:
    params = {
        "symbol": order.symbol,
        "side": order.side.value,
        "type": order.order_type.value,
        "quantity": plain(order.quantity),
        "newClientOrderId": order.client_order_id,
        "newOrderRespType": "RESULT",
    }
    if order.order_type is OrderType.LIMIT and order.limit_price is not None:
        params |= {"timeInForce": "IOC", "price": plain(order.limit_price)}
    if order.is_reduce_only:
        params["reduceOnly"] = "true"
    return params
