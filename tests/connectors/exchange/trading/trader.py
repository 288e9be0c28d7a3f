"""A client of the account in process, on a market that moves only when a test says."""

import hashlib
import hmac
import json
from collections.abc import Iterator, Sequence
from decimal import Decimal
from typing import Any
from urllib.parse import urlencode

from connectors.exchange.listing import listed_of
from connectors.exchange.rest_reply import Reply
from connectors.exchange.session import Session
from connectors.exchange.synthetic_listing import listing_of
from connectors.exchange.tape import Opening, Tape, TapeEvent
from connectors.exchange.trading.signature import DEFAULT_KEY, DEFAULT_SECRET
from connectors.exchange.trading.trading import TradingSettings
from connectors.exchange.venue import Venue
from flows.domain.event import DepthDelta, DepthSnapshot, MarketTrade
from flows.domain.market import Market
from tests.connectors.exchange.exchange_samples import (
    BTC,
    ETH,
    START_NS,
    fault,
    messages,
    pass_ms,
)

Levels = Sequence[tuple[str, str]]
BIDS: Levels = (("60000.00", "2.000"), ("59999.90", "3.000"), ("59990.00", "5.000"))
ASKS: Levels = (("60000.10", "1.000"), ("60000.20", "4.000"), ("60010.00", "5.000"))


class StillTape:
    """Two symbols whose books stay as they open."""

    def __init__(self) -> None:
        self.openings = {symbol: _opening(symbol) for symbol in (BTC, ETH)}

    def __iter__(self) -> Iterator[TapeEvent]:
        return iter(())


def _opening(symbol: str) -> Opening:
    book = DepthSnapshot(symbol, START_NS, 1_000, list(BIDS), list(ASKS))
    return Opening(listed_of(listing_of(symbol)), book)


class Trader:
    """Signs what it asks, moves the market, and hears the user data stream."""

    def __init__(
        self,
        settings: TradingSettings | None = None,
        seed: int = 7,
        tape: Tape | None = None,
    ) -> None:
        self.venue = Venue(
            tape or StillTape(), start_ns=START_NS, seed=seed, settings=settings
        )
        self.key, self.secret = DEFAULT_KEY, DEFAULT_SECRET

    @property
    def now_ms(self) -> int:
        return self.venue.now_ns // 1_000_000

    # -- asking -------------------------------------------------------------------

    def call(self, method: str, path: str, **params: object) -> Reply:
        """One signed request; `None` leaves a parameter out."""
        values = {"timestamp": str(self.now_ms), "recvWindow": "5000"}
        values |= {name: _text(value) for name, value in params.items()}
        chosen = {name: text for name, text in values.items() if text}
        payload = urlencode(chosen).encode()
        secret = self.secret.encode()
        signature = hmac.new(secret, payload, hashlib.sha256).hexdigest()
        signed = chosen | {"signature": signature}
        return self.venue.request(
            method, f"/fapi/{path}", signed, api_key=self.key, signed=payload
        )

    def ask(self, method: str, path: str, **params: object) -> Any:
        """The content of a good reply."""
        reply = self.call(method, path, **params)
        assert reply.status == 200, reply.body
        return json.loads(reply.body)

    def refused(self, method: str, path: str, **params: object) -> tuple[int, str]:
        """Code and message of a refusal."""
        reply = self.call(method, path, **params)
        assert reply.status >= 400, reply.body
        content = json.loads(reply.body)
        return content["code"], content["msg"]

    def order(
        self, side: str, quantity: str, price: str = "", /, **more: object
    ) -> Any:
        """Place an order: at a price GTC unless told otherwise, without one MARKET."""
        return self.ask("POST", "v1/order", **order_params(side, quantity, price, more))

    def refused_order(
        self, side: str, quantity: str, price: str = "", /, **more: object
    ) -> int:
        """The code for which an order is refused."""
        params = order_params(side, quantity, price, more)
        return self.refused("POST", "v1/order", **params)[0]

    def query(self, order: Any) -> Any:
        return self.ask(
            "GET", "v1/order", symbol=order["symbol"], orderId=order["orderId"]
        )

    def cancel(self, order: Any) -> Any:
        return self.ask(
            "DELETE", "v1/order", symbol=order["symbol"], orderId=order["orderId"]
        )

    @property
    def position(self) -> Decimal:
        """The one-way position in BTC."""
        return sum(
            (each.amount for each in self.venue.trading.account.held), Decimal(0)
        )

    @property
    def wallet(self) -> Decimal:
        return self.venue.trading.account.wallet

    @property
    def fills(self) -> list[tuple[str, str, bool]]:
        """Price, quantity and whether maker of every fill."""
        fills = self.venue.trading.ledger.fills
        return [(str(f.price), str(f.quantity), f.is_maker) for f in fills]

    # -- the market ---------------------------------------------------------------

    def move(self, bids: Levels = (), asks: Levels = (), symbol: str = BTC) -> None:
        """Set levels of the tape's book."""
        true = self.venue.symbols[symbol].true
        delta = DepthDelta(
            symbol,
            self.venue.now_ns,
            Market.USD_M,
            true.update_id + 1,
            true.update_id + 1,
            true.update_id,
            list(bids),
            list(asks),
            "",
        )
        self.venue.play(delta)

    def trade(self, price: str, quantity: str, taker: str, symbol: str = BTC) -> None:
        """A trade of the tape, by a taker who buys or sells."""
        event = MarketTrade(
            symbol,
            self.venue.now_ns,
            self.now_ms,
            1,
            price,
            quantity,
            buyer_is_maker=taker == "SELL",
            is_aggregate=False,
        )
        self.venue.play(event)

    def pass_ms(self, milliseconds: int) -> None:
        pass_ms(self.venue, milliseconds)

    def fault(self, kind: str, **parameters: Any) -> None:
        """Put a fault in force now."""
        self.venue.order(fault(kind, **parameters))
        self.venue.advance(self.venue.now_ns)

    # -- hearing ------------------------------------------------------------------

    def listen(self, path: str = "/private/ws/{key}") -> Session:
        """A connection to the user data stream."""
        key = self.ask("POST", "v1/listenKey")["listenKey"]
        session = self.venue.connect(path.format(key=key))
        assert isinstance(session, Session)
        return session

    def heard(self, session: Session) -> list[dict[str, Any]]:
        return messages(self.venue, session)


def order_params(
    side: str, quantity: str, price: str, more: dict[str, object]
) -> dict[str, object]:
    """The parameters of a new order."""
    params: dict[str, object] = {"symbol": BTC, "side": side, "quantity": quantity}
    if price:
        limit = {"type": "LIMIT", "price": price, "timeInForce": "GTC"}
        return params | limit | more
    return params | {"type": "MARKET"} | more


def _text(value: object) -> str:
    if value is None:
        return ""
    if isinstance(value, bool):
        return str(value).lower()
    return value if isinstance(value, str) else json.dumps(value)


def kinds(events: list[dict[str, Any]]) -> list[str]:
    """Each event by name, an order's with execution and status."""
    found = []
    for event in events:
        body = event.get("o")
        if event["e"] == "ORDER_TRADE_UPDATE" and isinstance(body, dict):
            found.append(f"{body['x']}:{body['X']}")
        elif event["e"] == "ALGO_UPDATE" and isinstance(body, dict):
            found.append(f"ALGO:{body['X']}")
        else:
            found.append(event["e"])
    return found
