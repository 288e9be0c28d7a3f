"""Figures for people; what scripts read stays exact."""

from decimal import Decimal

from flows.domain.units import decimals_of


def cents(amount: str) -> str:
    """Money, rounded: `1,234.57`; nothing is never negative."""
    rounded = round(Decimal(amount), 2)
    return f"{rounded or Decimal(0):,.2f}"


def price_like(price: str, other: str) -> str:
    """An average with as many decimals as a price that was quoted."""
    return f"{Decimal(price):.{decimals_of(other)}f}"
