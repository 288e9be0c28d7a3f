"""Instruments: given filters, the packaged table, the guess."""

from decimal import Decimal

import pytest

from flows.domain.instrument import PACKAGED, Instrument, Instruments


def test_find_given_symbol_prefers_what_was_given() -> None:
    given = Instrument(Decimal(1), Decimal(2), Decimal(3))
    assert Instruments({"BTCUSDT": given}).find("BTCUSDT", 2, 3) is given


def test_find_packaged_symbol_ignores_the_decimals_seen() -> None:
    found = Instruments().find("BTCUSDT", 7, 7)
    assert found == Instrument(Decimal("0.10"), Decimal("0.001"), Decimal(50))


@pytest.mark.parametrize(
    ("decimals", "size"), [(0, "1"), (2, "0.01"), (8, "0.00000001")]
)
def test_find_unknown_symbol_guesses_from_the_decimals_seen(
    decimals: int, size: str
) -> None:
    found = Instruments().find("NEWUSDT", decimals, decimals)
    assert found == Instrument(Decimal(size), Decimal(size), Decimal(5))


def test_packaged_every_row_is_positive() -> None:
    assert all(
        min(row.tick_size, row.step_size, row.min_notional) > 0
        for row in PACKAGED.values()
    )
