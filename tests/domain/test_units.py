"""Decimal text and scaled integers are the same numbers, whatever their length."""

from decimal import Decimal

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from flows.domain.units import (
    EXACT,
    MAX_DIGITS,
    Counter,
    MoreDecimals,
    ceil_to,
    decimals_of,
    floor_to,
    plain,
    scaled,
    unscaled,
)

digits = st.text("0123456789", min_size=1, max_size=60)
plain_texts = st.builds(
    lambda whole, fraction: f"{whole}.{fraction}" if fraction else whole,
    digits,
    st.text("0123456789", max_size=30),
)
BROKEN = (
    "",
    " ",
    ".",
    ".5",
    "5.",
    "-1",
    "+1",
    "1e5",
    "1E-5",
    "1.2.3",
    "1 ",
    " 1",
    "1,5",
    "1_000",
    "0x10",
    "NaN",
    "Infinity",
    "٣",
    "¹",
)


@settings(deadline=None, max_examples=200)
@given(plain_texts, st.integers(0, 20))
def test_scaled_any_plain_text_is_exact_and_comes_back(text: str, more: int) -> None:
    decimals = decimals_of(text) + more
    value = scaled(text, decimals)
    assert EXACT.scaleb(Decimal(value), -decimals) == Decimal(text)
    assert unscaled(value, decimals) == Decimal(text)
    assert decimals_of(plain(unscaled(value, decimals))) == decimals


@pytest.mark.parametrize("text", BROKEN)
def test_scaled_broken_text_raises_value_error(text: str) -> None:
    with pytest.raises(ValueError, match="Expected an unsigned decimal"):
        scaled(text, 10)


@pytest.mark.parametrize("text", BROKEN)
def test_counter_broken_text_raises_value_error_and_is_not_kept(text: str) -> None:
    counter = Counter(0)
    with pytest.raises(ValueError, match="Expected an unsigned decimal"):
        counter[text]
    assert not counter


def test_scaled_too_many_decimals_raises_value_error() -> None:
    with pytest.raises(ValueError, match=r"at most 1 decimals: '1\.25'"):
        scaled("1.25", 1)


def test_scaled_five_thousand_digits_is_exact() -> None:
    text = "9" * 5_000 + "." + "1" * 30
    assert scaled(text, 30) == Decimal(text.replace(".", ""))
    assert plain(unscaled(scaled(text, 30), 30)) == text


def test_scaled_beyond_longest_number_raises_value_error() -> None:
    assert scaled("1" * MAX_DIGITS, 0) == Decimal("1" * MAX_DIGITS)
    with pytest.raises(ValueError, match="Expected an unsigned decimal"):
        scaled("1" * (MAX_DIGITS + 1), 0)


@pytest.mark.parametrize(
    ("value", "step", "floor", "ceil"),
    [
        ("0.0139", "0.001", "0.013", "0.014"),
        ("0.013", "0.001", "0.013", "0.013"),
        ("61832.37", "0.10", "61832.30", "61832.40"),
        ("7", "5", "5", "10"),
        ("0", "0.5", "0", "0"),
    ],
)
def test_floor_to_and_ceil_to_steps_enclose_the_value(
    value: str, step: str, floor: str, ceil: str
) -> None:
    assert floor_to(Decimal(value), Decimal(step)) == Decimal(floor)
    assert ceil_to(Decimal(value), Decimal(step)) == Decimal(ceil)


def test_plain_tiny_number_has_no_exponent() -> None:
    assert plain(Decimal("1E-8")) == "0.00000001"


def test_counter_more_decimals_tells_how_many() -> None:
    counter = Counter(2)
    with pytest.raises(MoreDecimals) as caught:
        counter["0.12345"]
    assert caught.value.decimals == 5


def test_counter_repeated_text_is_answered_from_memo() -> None:
    counter = Counter(2)
    assert [counter["1.5"], counter["1.5"], counter["2"]] == [150, 150, 200]
    assert dict(counter) == {"1.5": 150, "2": 200}


def test_counter_full_memo_starts_anew_and_stays_exact() -> None:
    counter = Counter(0, memo_limit=100)
    assert all(counter[str(number)] == number for number in range(105))
    assert len(counter) == 5
    assert counter["1"] == 1
