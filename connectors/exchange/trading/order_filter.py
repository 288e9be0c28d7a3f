"""The filters of a symbol, applied to an order. Source: exchangeInfo and error codes.

-1111 too many decimals, -4002/-4013/-4014 price, -4003/-4004/-4005/-4023 quantity,
-4164 notional, -4016/-4024 distance to the mark.
"""

from dataclasses import dataclass
from decimal import Decimal

from connectors.exchange.exchange_info import (
    MARK_BAND,
    MARKET_MOST,
    MOST,
    highest_price,
)
from connectors.exchange.listing import Listed
from connectors.exchange.trading.amount import has_decimals, times, trimmed
from connectors.exchange.trading.order_request import bad
from connectors.exchange.trading.own_order import OrderTerms, Side


@dataclass(frozen=True, slots=True)
class OrderFilter:
    """The rules of one symbol, as numbers."""

    price_decimals: int
    quantity_decimals: int
    tick: Decimal
    step: Decimal
    least_notional: Decimal
    highest_price: Decimal

    @classmethod
    def of(cls, listed: Listed) -> "OrderFilter":
        """The rules that `exchangeInfo` tells."""
        return cls(
            listed.price_decimals,
            listed.quantity_decimals,
            Decimal(listed.tick_size),
            Decimal(listed.step_size),
            Decimal(listed.min_notional),
            Decimal(highest_price(listed)),
        )

    def check(self, terms: OrderTerms, mark: Decimal) -> None:
        """Refusal where the order breaks a rule; `mark` is the mark price."""
        self.check_quantity(terms.quantity, is_market=terms.is_market)
        if not terms.is_market:
            self.check_price(terms.price)
            check_distance(terms.side, terms.price, mark)
        worth = times(terms.quantity, mark if terms.is_market else terms.price)
        if worth < self.least_notional and not terms.only_reduces:
            least = trimmed(self.least_notional)
            msg = f"Order's notional must be no smaller than {least} "
            raise bad(-4164, msg + "(unless you choose reduce only)")

    def check_price(self, price: Decimal) -> None:
        """Refusal for a price off the grid or out of range."""
        if price <= 0:
            raise bad(-4001, "Price less than 0.")
        _check_decimals(price, self.price_decimals)
        if price > self.highest_price:
            raise bad(-4002, "Price greater than max price.")
        if price < self.tick:
            raise bad(-4013, "Price less than min price.")
        if price % self.tick:
            raise bad(-4014, "Price not increased by tick size.")

    def check_quantity(self, quantity: Decimal, *, is_market: bool) -> None:
        """Refusal for a quantity off the grid or out of range."""
        if quantity <= 0:
            raise bad(-4003, "Quantity less than or equal to zero.")
        _check_decimals(quantity, self.quantity_decimals)
        if quantity < self.step:
            raise bad(-4004, "Quantity less than min quantity.")
        if quantity > Decimal(MARKET_MOST if is_market else MOST):
            raise bad(-4005, "Quantity greater than max quantity.")
        if quantity % self.step:
            raise bad(-4023, "Qty not increased by step size.")


def check_distance(side: Side, price: Decimal, mark: Decimal) -> None:
    """Refusal for a buy far above the mark, or a sale far below it."""
    down, up = (times(mark, Decimal(each)) for each in MARK_BAND)
    if side is Side.BUY and price > up:
        raise bad(-4016, f"Limit price can't be higher than {trimmed(up)}.")
    if side is Side.SELL and price < down:
        raise bad(-4024, f"Limit price can't be lower than {trimmed(down)}.")


def _check_decimals(number: Decimal, decimals: int) -> None:
    if not has_decimals(number, decimals):
        raise bad(-1111, "Precision is over the maximum defined for this asset.")
