"""Figures for people."""

import pytest

from api.cli.figures import cents, price_like


@pytest.mark.parametrize(
    ("amount", "told"),
    [
        ("1234.565", "1,234.56"),
        ("-1234.575", "-1,234.58"),
        ("-0.004", "0.00"),
        ("0", "0.00"),
    ],
)
def test_cents_of_an_amount_are_rounded_to_even(amount: str, told: str) -> None:
    assert cents(amount) == told


def test_price_like_an_average_gets_the_decimals_of_the_quote() -> None:
    assert price_like("2674.144182305630026809651475", "2677.57") == "2674.14"
    assert price_like("61789", "61844.30") == "61789.00"
