"""Amounts as the exchange keeps and writes them: decimals, rounded in one place."""

import decimal
from decimal import Decimal

from flows.domain.units import EXACT, plain

ZERO = Decimal(0)
_UNIT = Decimal("0.00000001")
_ROUNDING = decimal.Context(
    prec=60,
    rounding=decimal.ROUND_HALF_EVEN,
    traps=[decimal.InvalidOperation, decimal.DivisionByZero, decimal.FloatOperation],
)


def times(*factors: Decimal) -> Decimal:
    """The exact product."""
    product = Decimal(1)
    for factor in factors:
        product = EXACT.multiply(product, factor)
    return product


def settled(amount: Decimal) -> Decimal:
    """An amount of money as it is booked: to eight decimals."""
    return amount.quantize(_UNIT, context=_ROUNDING)


def ratio(amount: Decimal, divisor: Decimal, decimals: int = 8) -> Decimal:
    """`amount` / `divisor` to so many decimals; 0 where the divisor is 0."""
    if not divisor:
        return ZERO
    quotient = _ROUNDING.divide(amount, divisor)
    return quotient.quantize(Decimal(1).scaleb(-decimals), context=_ROUNDING)


def money(amount: Decimal) -> str:
    """An amount of money with eight decimals: `12.50000000`."""
    return plain(settled(amount))


def trimmed(amount: Decimal) -> str:
    """A number without trailing zeros: `0.5`, `100`."""
    text = plain(amount)
    return (text.rstrip("0").rstrip(".") if "." in text else text) or "0"


def has_decimals(number: Decimal, decimals: int) -> bool:
    """Whether a number needs no more than so many decimals."""
    unit = Decimal(1).scaleb(-decimals)
    return number == number.quantize(unit, context=_ROUNDING)
