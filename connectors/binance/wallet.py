"""What the wallet must hold, and the bookings that say why it holds something else.

    wallet = wallet before + realised profit - commission of each trade told
                           + each booking told (funding, transfers, fees)

Only the quote asset is followed. Source: Binance USD-M "Get Income History", "Account
Trade List", "User Data Streams".
"""

from collections.abc import Iterable
from decimal import Decimal

from connectors.binance.user_wire import Booking, Execution
from flows.domain.cash import CashMoved, CashReason
from flows.domain.opening import Opening

QUOTE_ASSET = "USDT"
UNEXPLAINED = "no booking explains it"

_OF_TRADES = frozenset({"REALIZED_PNL", "COMMISSION"})
_TRANSFERS = frozenset(
    {
        "TRANSFER",
        "INTERNAL_TRANSFER",
        "CROSS_COLLATERAL_TRANSFER",
        "COIN_SWAP_DEPOSIT",
        "COIN_SWAP_WITHDRAW",
        "STRATEGY_UMFUTURES_TRANSFER",
        "AUTO_EXCHANGE",
        "WELCOME_BONUS",
        "CONTEST_REWARD",
    }
)
"""What no trading has earned or cost."""


class Wallet:
    """Follows the balance by what is told; tells each booking once."""

    def __init__(self) -> None:
        self._expected: Decimal | None = None
        self._told: dict[str, int] = {}
        """Id of each booking that is told, and when."""

    @property
    def is_known(self) -> bool:
        """Whether a balance has been seen to begin from."""
        return self._expected is not None

    def restore(self, opening: Opening, now_ns: int) -> None:
        """Go on from an earlier run: its bookings are told."""
        self._told.update(dict.fromkeys(opening.booking_ids, now_ns))

    def begin(self, balance: Decimal) -> None:
        """Take a balance for right."""
        self._expected = balance

    def difference(self, balance: Decimal) -> Decimal:
        """What is in the wallet beyond all that was told; 0 before `begin`."""
        return Decimal(0) if self._expected is None else balance - self._expected

    def on_trade(self, execution: Execution) -> None:
        """A trade was told."""
        if self._expected is None:
            return
        if execution.symbol.endswith(QUOTE_ASSET):
            self._expected += execution.realised
        if execution.commission_asset == QUOTE_ASSET:
            self._expected -= execution.commission

    def unexplained(self, amount: Decimal) -> CashMoved:
        """The booking of a difference that nothing explains; its frame says when."""
        return self._tell("", CashReason.OTHER, amount, "", UNEXPLAINED)

    def news(self, bookings: Iterable[Booking], now_ns: int) -> list[CashMoved]:
        """The bookings beside trades that were not told; told from now on."""
        return [
            self._news(booking, now_ns)
            for booking in bookings
            if booking.asset == QUOTE_ASSET
            and booking.kind not in _OF_TRADES
            and booking.booking_id not in self._told
        ]

    def forget(self, before_ns: int) -> None:
        """Forget bookings that were told before; nobody will ask for them again."""
        for booking, told_ns in list(self._told.items()):
            if told_ns < before_ns:
                del self._told[booking]

    def _news(self, booking: Booking, now_ns: int) -> CashMoved:
        self._told[booking.booking_id] = now_ns
        reason = CashReason.OTHER
        if booking.kind in _TRANSFERS:
            reason = CashReason.TRANSFER
        elif booking.kind == "FUNDING_FEE":
            reason = CashReason.FUNDING
        amount, name = booking.amount, booking.booking_id
        return self._tell(booking.symbol, reason, amount, name, booking.kind)

    def _tell(
        self, symbol: str, reason: CashReason, amount: Decimal, name: str, detail: str
    ) -> CashMoved:
        if self._expected is not None:
            self._expected += amount
        return CashMoved(
            received_ns=0,
            symbol=symbol,
            reason=reason,
            amount=amount,
            booking_id=name,
            detail=detail,
        )


def is_of_trade(booking: Booking) -> bool:
    """Whether a booking comes of a trade, which is booked as that."""
    return booking.kind in _OF_TRADES
