"""Reconciliation: whether the exchange holds what we believe to hold.

    open orders, positions -> equal        the wallet is looked at
                           -> not equal    the trades that nobody told us of, and again
                           -> still not    lost: the account kills
    wallet                 -> equal        reconciled
                           -> not equal    bookings that nobody told us of, and again
                           -> still not    the rest is booked as such

At the start, after each beginning of the user data stream, and once a minute. The
exchange wins: what it did is booked, trade by trade and booking by booking. It compares
only while no order is under way, and twice as carefully as it believes.
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
    read_balance,
    read_bookings,
    read_orders,
    read_positions,
    read_trades,
)
from connectors.binance.wallet import QUOTE_ASSET, Wallet, is_of_trade
from flows.domain.errors import MalformedFrame
from flows.domain.opening import Opening
from flows.domain.order import OutsideFill
from flows.domain.rebuild import TRADES_REMEMBERED_NS
from flows.domain.side import Side
from flows.domain.units import NS_PER_MS, NS_PER_S, plain

OPEN_ORDERS_PATH = "/fapi/v1/openOrders"
POSITIONS_PATH = "/fapi/v3/positionRisk"
BALANCE_PATH = "/fapi/v3/balance"
INCOME_PATH = "/fapi/v1/income"
EVERY_NS = 60 * NS_PER_S
DUST = Decimal("0.00001")
"""In the quote asset: the exchange rounds what it tells of trades to eight decimals."""

_WEIGHT = 50
_INCOME_WEIGHT = 30
_AGAIN_NS = 250 * NS_PER_MS
_QUIET_NS = 100 * NS_PER_MS
_MOST_DIFFERENCES = 5
_WALLET_AGAIN_S = (1, 2, 4, 8, 15)
"""How long bookings are waited for; they may come later than the balance."""
_MOST_ROWS = 1_000
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
    BALANCE = auto()
    INCOME = auto()
    TRADES = auto()


_Found = tuple[list[OrderState], dict[str, HeldAmount], Decimal]


class _Pass(msgspec.Struct):
    """One comparison under way."""

    version: int
    orders: list[OrderState] | None = None
    positions: dict[str, HeldAmount] | None = None
    balance: Decimal | None = None

    def found(self) -> _Found | None:
        """Everything asked for; None until it is there."""
        orders, positions, balance = self.orders, self.positions, self.balance
        if orders is None or positions is None or balance is None:
            return None
        return orders, positions, balance


class Reconciliation:
    """Asks, compares, and books what was missed; does no I/O and reads no clock."""

    def __init__(
        self,
        outbox: Outbox,
        budget: WeightBudget,
        desk: OrderDesk,
        wallet: Wallet,
        *,
        held: Held,
        on_verdict: Callable[[Verdict, int], None],
    ) -> None:
        self.is_reconciled = False
        self._outbox = outbox
        self._budget = budget
        self._desk = desk
        self._wallet = wallet
        self._wallet_tries = 0
        self._first_balance: Decimal | None = None
        """As seen before bookings were asked for: what came between shows."""
        self._held = held
        self._on_verdict = on_verdict
        self._asked: dict[int, _Ask] = {}
        self._pass: _Pass | None = None
        self._due_ns = self._hastened_ns = 0
        self._differences = 0
        self._reconciled_ns = 0

    def restore(self, opening: Opening, now_ns: int) -> None:
        """Go on from an earlier run."""
        self._reconciled_ns = opening.reconciled_ns
        self._wallet.restore(opening, now_ns)

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
        self._call(_Ask.BALANCE, BALANCE_PATH, {})

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
            case _Ask.INCOME:
                self._book(body, now_ns)
            case _Ask.ORDERS if current is not None:
                current.orders = read_orders(body)
            case _Ask.POSITIONS if current is not None:
                current.positions = read_positions(body)
            case _Ask.BALANCE if current is not None:
                current.balance = read_balance(body, QUOTE_ASSET)
        if current is None or (found := current.found()) is None:
            return
        self._pass = None
        if current.version != self._desk.version or not self._is_quiet(now_ns):
            self._due_ns = now_ns + _AGAIN_NS
            return
        self._compare(*found, now_ns)

    def _compare(
        self,
        orders: list[OrderState],
        positions: dict[str, HeldAmount],
        balance: Decimal,
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
        elif self._is_wallet_right(balance, now_ns):
            self._differences = self._wallet_tries = 0
            self._reconciled_ns = now_ns
            self._desk.forget_trades(now_ns - TRADES_REMEMBERED_NS)
            self._wallet.forget(now_ns - TRADES_REMEMBERED_NS)
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

    def _is_wallet_right(self, balance: Decimal, now_ns: int) -> bool:
        """Whether nothing is missing; else the bookings are asked for."""
        wallet = self._wallet
        if not wallet.is_known:
            if balance == self._first_balance:
                wallet.begin(balance)
                return True
            self._first_balance = balance
            self._ask_bookings((self._reconciled_ns or now_ns) - _BEFORE_NS, now_ns)
            self._due_ns = now_ns + _AGAIN_NS
            return False
        rest = wallet.difference(balance)
        if abs(rest) <= DUST:
            wallet.begin(balance)  # roundings must not add up to a difference
            return True
        if self._wallet_tries == len(_WALLET_AGAIN_S):
            self._desk.tell(wallet.unexplained(rest), now_ns)
            _log.warning("wallet_unexplained", amount=plain(rest))
            return True
        self._ask_bookings(self._reconciled_ns - _BEFORE_NS, now_ns)
        self._refuse(f"the wallet holds {plain(rest)} that nobody told of", now_ns)
        self._due_ns = now_ns + _WALLET_AGAIN_S[self._wallet_tries] * NS_PER_S
        self._wallet_tries += 1
        return False

    def _ask_bookings(self, since_ns: int, now_ns: int) -> None:
        self._budget.spend(_INCOME_WEIGHT, now_ns)
        params = {"startTime": str(since_ns // NS_PER_MS), "limit": str(_MOST_ROWS)}
        self._call(_Ask.INCOME, INCOME_PATH, params)

    def _book(self, body: bytes, now_ns: int) -> None:
        """Tell the bookings that nobody told us of, and ask for such trades.

        What was booked before the first run is no news.
        """
        bookings = read_bookings(body)
        if len(bookings) == _MOST_ROWS and bookings[0].time_ms < bookings[-1].time_ms:
            self._ask_bookings(bookings[-1].time_ms * NS_PER_MS, now_ns)
        news = self._wallet.news(bookings, now_ns)
        if not self._reconciled_ns:
            return
        if news:
            self._due_ns = now_ns + _AGAIN_NS
        missing = {
            booking.symbol
            for booking in bookings
            if is_of_trade(booking)
            and not self._desk.has_told(booking.symbol, booking.trade_id)
        }
        for symbol in sorted(missing):
            self._ask_trades(symbol, self._reconciled_ns - _BEFORE_NS)
        for moved in news:
            self._desk.tell(moved, now_ns)
            _log.info("cash_moved", reason=moved.detail, amount=plain(moved.amount))

    def _ask_trades(self, symbol: str, since_ns: int) -> None:
        params = {
            "symbol": symbol,
            "startTime": str(since_ns // NS_PER_MS),
            "limit": str(_MOST_ROWS),
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
        self._pass = self._first_balance = None
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
