"""An account as its REST interface shows it, for what talks to it without an engine."""

from collections.abc import Mapping
from decimal import Decimal
from typing import Any

import msgspec

from connectors.binance.account_client import Answer
from connectors.binance.order_desk import ORDER_PATH
from connectors.binance.reconciliation import OPEN_ORDERS_PATH, POSITIONS_PATH
from connectors.binance.stop_desk import OPEN_ALGOS_PATH
from connectors.binance.venue_kill import CANCEL_ALGOS_PATH, CANCEL_ALL_PATH
from flows.domain.errors import MarketDataError
from flows.domain.units import NS_PER_MS, NS_PER_S

START_NS = 1_700_000_000 * NS_PER_S
CALL_NS = 2 * NS_PER_MS


class FakeAccount:
    """Takes the place of an `AccountClient`; time passes by calls and sleeps."""

    def __init__(self) -> None:
        self.now_ns = START_NS
        self.positions: dict[str, Decimal] = {}
        self.orders: list[str] = []
        """Symbols of open orders."""
        self.stops: list[str] = []
        """Symbols of open conditional orders."""
        self.calls: list[tuple[str, str, dict[str, str]]] = []
        self.troubles: dict[str, list[Answer | MarketDataError]] = {}
        """What the next calls of a path meet before anything is done."""
        self.measured = 0
        self.clock_trouble = False

    def clock(self) -> int:
        return self.now_ns

    async def sleep(self, seconds: float) -> None:
        self.now_ns += int(seconds * NS_PER_S)

    async def measure_skew(self) -> None:
        self.measured += 1
        if self.clock_trouble:
            raise MarketDataError("no time")

    async def call(
        self, method: str, path: str, params: Mapping[str, str] | None = None
    ) -> Answer:
        self.now_ns += CALL_NS
        given = dict(params or {})
        self.calls.append((method, path, given))
        if waiting := self.troubles.get(path):
            trouble = waiting.pop(0)
            if isinstance(trouble, MarketDataError):
                raise trouble
            return trouble
        return Answer(200, msgspec.json.encode(self._done(method, path, given)), {})

    def asked(self, path: str) -> list[dict[str, str]]:
        """Parameters of the calls of a path, other than queries."""
        return [p for method, at, p in self.calls if at == path and method != "GET"]

    def _done(self, method: str, path: str, params: dict[str, str]) -> Any:
        symbol = params.get("symbol", "")
        match method, path:
            case "GET", at if at == OPEN_ORDERS_PATH:
                return [_order(name) for name in self.orders]
            case "GET", at if at == POSITIONS_PATH:
                return [_position(*held) for held in self.positions.items()]
            case "GET", at if at == OPEN_ALGOS_PATH:
                return [_stop(name) for name in self.stops]
            case "DELETE", at if at == CANCEL_ALL_PATH:
                self.orders = [name for name in self.orders if name != symbol]
            case "DELETE", at if at == CANCEL_ALGOS_PATH:
                self.stops = [name for name in self.stops if name != symbol]
            case "POST", at if at == ORDER_PATH:
                self._close(symbol, params)
        return {"code": 200}

    def _close(self, symbol: str, params: dict[str, str]) -> None:
        assert params["reduceOnly"] == "true"
        held = self.positions.pop(symbol)
        assert params["side"] == ("SELL" if held > 0 else "BUY")
        assert Decimal(params["quantity"]) == abs(held)


def refused(status: int, code: int = 0, **headers: str) -> Answer:
    """An answer that something was not done."""
    body = msgspec.json.encode({"code": code, "msg": "no"})
    return Answer(
        status, body, {name.replace("_", "-"): text for name, text in headers.items()}
    )


def _order(symbol: str) -> dict[str, Any]:
    return {
        "symbol": symbol,
        "clientOrderId": "o-1",
        "orderId": 1,
        "status": "NEW",
        "executedQty": "0",
    }


def _position(symbol: str, amount: Decimal) -> dict[str, str]:
    return {
        "symbol": symbol,
        "positionSide": "BOTH",
        "positionAmt": str(amount),
        "entryPrice": "100",
    }


def _stop(symbol: str) -> dict[str, str]:
    return {
        "symbol": symbol,
        "clientAlgoId": "mftstop-a-1",
        "side": "SELL",
        "triggerPrice": "99",
        "algoStatus": "NEW",
    }
