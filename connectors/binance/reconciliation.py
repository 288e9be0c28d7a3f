"""Reconciliation: whether the exchange holds what we believe to hold.

    open orders, positions -> equal        reconciled
                           -> not equal    the trades that nobody told us of, and again
                           -> still not    lost: the account kills

At the start, after each beginning of the user data stream, and once a minute. The
exchange wins: what it did is booked, trade by trade. It compares only while no order is
under way, and twice as carefully as it believes.
"""

from collections.abc import Callable, Mapping
from decimal import Decimal
from enum import Enum, auto

import msgspec
import structlog

from connectors.binance.budget import WeightBudget
from connectors.binance.order_desk import (
    TRADES_PATH,
    WINDOW_MS,
    OrderDesk,
)
from connectors.binance.outbox import Call, Outbox
from connectors.binance.user_wire import (
    HeldAmount,
    OrderState,
    read_orders,
    read_positions,
    read_trades,
)
from flows.domain.errors import MalformedFrame
from flows.domain.opening import Opening
from flows.domain.order import OutsideFill
from flows.domain.rebuild import TRADES_REMEMBERED_NS
from flows.domain.side import Side
from flows.domain.units import NS_PER_MS, NS_PER_S

OPEN_ORDERS_PATH = "/fapi/v1/openOrders"
POSITIONS_PATH = "/fapi/v3/positionRisk"
EVERY_NS = 60 * NS_PER_S

_WEIGHT = 45
_AGAIN_NS = 250 * NS_PER_MS
_QUIET_NS = 100 * NS_PER_MS
_MOST_DIFFERENCES = 5
_MOST_TRADES = "1000"
_BEFORE_NS = 60 * NS_PER_S
_OK = 200

_log = structlog.get_logger()

Held = Callable[[], Mapping[str, Decimal]]
"""Signed quantity by symbol, as the account's books have it."""


class Verdict(msgspec.Struct, frozen=True):
    """How the exchange's word and ours compare."""

    is_reconciled: bool = False
    is_lost: bool = False
    """Whether no asking helped."""
    reason: str = ""
    """What differs, in words."""


class _Ask(Enum):
    ORDERS = auto()
    POSITIONS = auto()
    TRADES = auto()


class _Pass(msgspec.Struct):
    """One comparison under way."""

    version: int
    orders: list[OrderState] | None = None
    positions: dict[str, HeldAmount] | None = None


class Reconciliation:
    """Asks, compares, and books what was missed; does no I/O and reads no clock."""

    def __init__(
        self,
        outbox: Outbox,
        budget: WeightBudget,
        desk: OrderDesk,
        held: Held,
        on_verdict: Callable[[Verdict, int], None],
    ) -> None:
        self.is_reconciled = False
        self._outbox = outbox
        self._budget = budget
        self._desk = desk
        self._held = held
        self._on_verdict = on_verdict
        self._asked: dict[int, _Ask] = {}
        self._pass: _Pass | None = None
        self._due_ns = self._hastened_ns = 0
        self._differences = 0
        self._reconciled_ns = 0

    def restore(self, opening: Opening) -> None:
        """Go on from an earlier run."""
        self._reconciled_ns = opening.reconciled_ns

    def owns(self, serial: int) -> bool:
        """Whether a request was made here."""
        return serial in self._asked

    def doubt(self, reason: str, now_ns: int) -> None:
        """Refuse entries until a comparison has shown that nothing is missing."""
        self._pass = None
        self._due_ns = now_ns
        if self.is_reconciled:
            self.is_reconciled = False
            _log.warning("unreconciled", reason=reason)
            self._on_verdict(Verdict(reason=reason), now_ns)

    @property
    def reconciled_ns(self) -> int:
        """When all that the exchange had done was told; 0: never."""
        return self._reconciled_ns

    def hasten(self, now_ns: int) -> None:
        """Compare soon, also where nothing is in doubt; at most once a second."""
        if now_ns - self._hastened_ns >= NS_PER_S:
            self._hastened_ns = self._due_ns = now_ns

    def on_time(self, now_ns: int) -> None:
        """Begin a comparison where one is due and nothing is under way."""
        if self._pass is not None or self._asked or now_ns < self._due_ns:
            return
        if not self._is_quiet(now_ns) or self._budget.delay_ns(_WEIGHT, now_ns):
            return
        self._budget.spend(_WEIGHT, now_ns)
        self._pass = _Pass(self._desk.version)
        self._call(_Ask.ORDERS, OPEN_ORDERS_PATH, {})
        self._call(_Ask.POSITIONS, POSITIONS_PATH, {})

    def on_reply(self, serial: int, status: int, body: bytes, now_ns: int) -> None:
        """The exchange has answered."""
        ask = self._asked.pop(serial)
        if status != _OK:
            self._again(f"HTTP {status}", now_ns)
            return
        try:
            self._take(ask, body, now_ns)
        except MalformedFrame as error:
            self._again(str(error), now_ns)

    def on_failed(self, serial: int, reason: str, now_ns: int) -> None:
        """A question got no answer."""
        del self._asked[serial]
        self._again(reason, now_ns)

    def _take(self, ask: _Ask, body: bytes, now_ns: int) -> None:
        current = self._pass
        match ask:
            case _Ask.TRADES:
                self._adopt(body, now_ns)
            case _Ask.ORDERS if current is not None:
                current.orders = read_orders(body)
            case _Ask.POSITIONS if current is not None:
                current.positions = read_positions(body)
        if current is None or current.orders is None or current.positions is None:
            return
        self._pass = None
        if current.version != self._desk.version or not self._is_quiet(now_ns):
            self._due_ns = now_ns + _AGAIN_NS
            return
        self._compare(current.orders, current.positions, now_ns)

    def _compare(
        self,
        orders: list[OrderState],
        positions: dict[str, HeldAmount],
        now_ns: int,
    ) -> None:
        held = self._held()
        different = [
            symbol
            for symbol in sorted({*held, *positions})
            if held.get(symbol, Decimal(0)) != _amount(positions.get(symbol))
        ]
        self._due_ns = now_ns + EVERY_NS
        if different:
            self._on_difference(different, positions, now_ns)
        elif orders:
            names = ", ".join(order.client_order_id for order in orders[:3])
            self._refuse(f"orders are open that are not ours: {names}", now_ns)
        else:
            self._differences = 0
            self._reconciled_ns = now_ns
            self._desk.forget_trades(now_ns - TRADES_REMEMBERED_NS)
            if not self.is_reconciled:
                self.is_reconciled = True
                _log.info("reconciled")
                self._on_verdict(Verdict(is_reconciled=True), now_ns)

    def _on_difference(
        self, symbols: list[str], positions: dict[str, HeldAmount], now_ns: int
    ) -> None:
        held = self._held()
        told = ", ".join(
            f"{symbol} {_amount(positions.get(symbol))}, ours "
            f"{held.get(symbol, Decimal(0))}"
            for symbol in symbols
        )
        self._differences += 1
        self._due_ns = now_ns + _AGAIN_NS
        is_lost = self._differences > _MOST_DIFFERENCES
        self.is_reconciled = False
        verdict = Verdict(is_lost=is_lost, reason=f"positions differ: {told}")
        self._on_verdict(verdict, now_ns)
        _log.warning("positions_differ", positions=told)
        for symbol in symbols:
            at_venue = positions.get(symbol)
            if self._reconciled_ns:
                self._ask_trades(symbol, self._reconciled_ns - _BEFORE_NS)
            elif at_venue is not None and symbol not in held:
                self._find(symbol, at_venue, now_ns)

    def _ask_trades(self, symbol: str, since_ns: int) -> None:
        params = {
            "symbol": symbol,
            "startTime": str(since_ns // NS_PER_MS),
            "limit": _MOST_TRADES,
        }
        self._call(_Ask.TRADES, TRADES_PATH, params)

    def _find(self, symbol: str, found: HeldAmount, now_ns: int) -> None:
        """A position of before the first run: it is taken over at its entry price."""
        fill = OutsideFill(
            received_ns=0,
            symbol=symbol,
            client_order_id="found",
            trade_id="0",
            side=Side.BUY if found.amount > 0 else Side.SELL,
            price=found.entry_price,
            quantity=abs(found.amount),
            fee=Decimal(0),
            is_maker=False,
        )
        self._desk.tell(fill, now_ns)

    def _adopt(self, body: bytes, now_ns: int) -> None:
        """Book the trades that nobody told us of."""
        for execution in read_trades(body):
            self._desk.adopt(execution, now_ns)

    def _refuse(self, reason: str, now_ns: int) -> None:
        self._due_ns = now_ns + EVERY_NS // 6
        self.is_reconciled = False
        _log.warning("unreconciled", reason=reason)
        self._on_verdict(Verdict(reason=reason), now_ns)

    def _again(self, reason: str, now_ns: int) -> None:
        self._pass = None
        self._due_ns = now_ns + NS_PER_S
        _log.warning("reconciliation_failed", reason=reason)

    def _is_quiet(self, now_ns: int) -> bool:
        """Whether nothing is under way that would make both sides differ."""
        desk = self._desk
        return desk.is_idle and now_ns - desk.told_ns >= _QUIET_NS

    def _call(self, ask: _Ask, path: str, params: dict[str, str]) -> None:
        serial = self._outbox.next_serial()
        self._asked[serial] = ask
        self._outbox.do(Call(serial, "GET", path, params, WINDOW_MS))


def _amount(held: HeldAmount | None) -> Decimal:
    return held.amount if held is not None else Decimal(0)
