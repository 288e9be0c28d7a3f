"""Instrument filters from exchangeInfo."""

from decimal import Decimal
from pathlib import Path

import pytest

from connectors.binance.exchange_info import parse_exchange_info, read_exchange_info
from flows.domain.errors import ConfigurationError
from flows.domain.instrument import Instrument
from tests.recordings import recorded

PRICE = '{"filterType": "PRICE_FILTER", "tickSize": "0.10", "novel": 1}'
LOT = '{"filterType": "LOT_SIZE", "stepSize": "0.001"}'


def _info(path: Path, *filters: str) -> Path:
    text = ", ".join(filters)
    path.write_text(f'{{"symbols": [{{"symbol": "XUSDT", "filters": [{text}]}}]}}')
    return path


def test_read_exchange_info_full_filters_are_exact(tmp_path: Path) -> None:
    notional = '{"filterType": "MIN_NOTIONAL", "notional": "50"}'
    path = _info(tmp_path / "info.json", PRICE, LOT, notional)
    assert read_exchange_info(path) == {
        "XUSDT": Instrument(Decimal("0.10"), Decimal("0.001"), Decimal(50))
    }


def test_read_exchange_info_no_minimum_takes_the_fallback(tmp_path: Path) -> None:
    found = read_exchange_info(_info(tmp_path / "info.json", PRICE, LOT))
    assert found["XUSDT"].min_notional == 5


def test_read_exchange_info_no_lot_size_leaves_the_symbol_out(tmp_path: Path) -> None:
    assert read_exchange_info(_info(tmp_path / "info.json", PRICE)) == {}


@pytest.mark.parametrize("tick", ["-1", "0", "NaN", "much"])
def test_read_exchange_info_unusable_tick_names_file_and_symbol(
    tmp_path: Path, tick: str
) -> None:
    price = f'{{"filterType": "PRICE_FILTER", "tickSize": "{tick}"}}'
    path = _info(tmp_path / "info.json", price, LOT)
    with pytest.raises(ConfigurationError, match=r"info\.json: .*XUSDT"):
        read_exchange_info(path)


@pytest.mark.parametrize("notional", ["-1", "NaN", "1e999999", ""])
def test_read_exchange_info_unusable_minimum_names_file_and_symbol(
    tmp_path: Path, notional: str
) -> None:
    minimum = f'{{"filterType": "MIN_NOTIONAL", "notional": "{notional}"}}'
    path = _info(tmp_path / "info.json", PRICE, LOT, minimum)
    with pytest.raises(ConfigurationError, match=r"info\.json: .*XUSDT"):
        read_exchange_info(path)


@pytest.mark.parametrize(
    "content", [None, b"", b"[]", b'{"symbols": 1}', b"\xff", b"[" * 99_999]
)
def test_read_exchange_info_no_such_document_names_the_file(
    tmp_path: Path, content: bytes | None
) -> None:
    path = tmp_path / "info.json"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(ConfigurationError, match=r"info\.json: not an exchangeInfo"):
        read_exchange_info(path)


def test_read_exchange_info_recorded_reply_gives_every_symbol() -> None:
    path = recorded("protocol/exchangeInfo/fapi_exchangeInfo_20210721_full.json")
    found = read_exchange_info(path)
    assert len(found) > 100
    assert found["ETHUSDT"].step_size == Decimal("0.001")


def test_parse_exchange_info_unusable_symbol_matters_only_where_it_is_wanted() -> None:
    odd = '{"filterType": "PRICE_FILTER", "tickSize": "0"}'
    body = (
        f'{{"symbols": [{{"symbol": "ODD", "filters": [{odd}, {LOT}]}}, '
        f'{{"symbol": "XUSDT", "filters": [{PRICE}, {LOT}]}}]}}'
    ).encode()
    assert list(parse_exchange_info(body, ["XUSDT"])) == ["XUSDT"]
    with pytest.raises(ValueError, match="unusable filters of ODD"):
        parse_exchange_info(body, ["ODD"])
    with pytest.raises(ValueError, match="unusable filters of ODD"):
        parse_exchange_info(body)
