"""The dead man's switch: cancels a symbol's orders unless it is renewed in time.

Source: Binance USD-M "Auto-Cancel All Open Orders (TRADE)".
"""

from functools import partial

from connectors.exchange.trading.algo_desk import AlgoDesk
from connectors.exchange.trading.order_desk import OrderDesk
from flows.domain.units import NS_PER_MS


class DeadMansSwitch:
    """One countdown a symbol; `cancels_algos` tells whether conditional orders go."""

    def __init__(
        self, desk: OrderDesk, algos: AlgoDesk, *, cancels_algos: bool
    ) -> None:
        self.armed: dict[str, int] = {}
        """When each symbol's orders will be cancelled, in ns."""
        self._desk = desk
        self._algos = algos
        self._cancels_algos = cancels_algos

    def arm(self, symbol: str, countdown_ms: int) -> None:
        """Start the countdown anew; 0 ends it."""
        if not countdown_ms:
            self.armed.pop(symbol, None)
            return
        venue = self._desk.execution.venue
        due_ns = venue.now_ns + countdown_ms * NS_PER_MS
        self.armed[symbol] = due_ns
        venue.plan(due_ns, partial(self._go_off, symbol, due_ns))

    def _go_off(self, symbol: str, due_ns: int) -> None:
        if self.armed.get(symbol) != due_ns:
            return  # renewed or ended since
        del self.armed[symbol]
        self._desk.cancel_all(symbol)
        if self._cancels_algos:
            self._algos.cancel_all(symbol)
