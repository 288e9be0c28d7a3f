"""Instrument filters from the exchange's `exchangeInfo`, fetched or saved."""

import difflib
from collections.abc import Collection, Iterable, Mapping
from decimal import Decimal
from pathlib import Path

import msgspec

from flows.domain.errors import ConfigurationError
from flows.domain.instrument import FALLBACK_MIN_NOTIONAL, Instrument
from flows.domain.units import decimals_of, scaled, unscaled

_TRADING = "TRADING"


class _Filter(msgspec.Struct):
    filter_type: str = msgspec.field(name="filterType")
    tick_size: str | None = msgspec.field(name="tickSize", default=None)
    step_size: str | None = msgspec.field(name="stepSize", default=None)
    notional: str | None = None


class _Symbol(msgspec.Struct):
    symbol: str
    filters: list[_Filter]
    status: str = _TRADING


class _ExchangeInfo(msgspec.Struct):
    symbols: list[_Symbol]


_decode = msgspec.json.Decoder(_ExchangeInfo).decode


def read_exchange_info(path: Path) -> dict[str, Instrument]:
    """Filters by symbol, from a saved reply.

    Raises ConfigurationError that names the file and, where it is one symbol's fault,
    the symbol. A symbol without a tick or a step is left out.
    """
    try:
        return parse_exchange_info(path.read_bytes())
    except OSError as error:
        msg = f"{path}: not an exchangeInfo file: {error.strerror}"
        raise ConfigurationError(msg) from error
    except ValueError as error:
        msg = f"{path}: {error}"
        raise ConfigurationError(msg) from error


def parse_exchange_info(
    body: bytes, wanted: Collection[str] | None = None
) -> dict[str, Instrument]:
    """Filters by symbol. Raises ValueError that says what is unusable, and of whom.

    Of symbols that are not `wanted` the unusable ones are left out; None wants all.
    """
    try:
        info = _decode(body)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        msg = f"not an exchangeInfo file: {error}"
        raise ValueError(msg) from error
    found: dict[str, Instrument] = {}
    for symbol in info.symbols:
        try:
            instrument = _instrument(symbol)
        except ValueError as error:
            if wanted is not None and symbol.symbol not in wanted:
                continue
            msg = f"unusable filters of {symbol.symbol}: {error}"
            raise ValueError(msg) from error
        if instrument is not None:
            found[symbol.symbol] = instrument
    return found


def check_symbols(wanted: Iterable[str], known: Mapping[str, Instrument]) -> None:
    """Raise ConfigurationError for a symbol that is not listed or not trading."""
    for symbol in wanted:
        instrument = known.get(symbol)
        if instrument is None:
            near = difflib.get_close_matches(symbol, known, n=3)
            hint = f"; did you mean {' or '.join(near)}?" if near else ""
            msg = f"The exchange lists no {symbol}{hint}"
            raise ConfigurationError(msg)
        if not instrument.is_trading:
            msg = f"The exchange does not trade {symbol} now"
            raise ConfigurationError(msg)


def _instrument(symbol: _Symbol) -> Instrument | None:
    by_type = {entry.filter_type: entry for entry in symbol.filters}
    price, lot = by_type.get("PRICE_FILTER"), by_type.get("LOT_SIZE")
    if price is None or lot is None or not price.tick_size or not lot.step_size:
        return None
    minimum = by_type.get("MIN_NOTIONAL")
    return Instrument(
        _positive(price.tick_size),
        _positive(lot.step_size),
        (
            FALLBACK_MIN_NOTIONAL
            if minimum is None or minimum.notional is None
            else _number(minimum.notional)
        ),
        symbol.status == _TRADING,
    )


def _positive(text: str) -> Decimal:
    value = _number(text)
    if not value:
        msg = f"expected a positive number, was {text}"
        raise ValueError(msg)
    return value


def _number(text: str) -> Decimal:
    """An unsigned decimal. Raises ValueError for a sign, an exponent and the like."""
    decimals = decimals_of(text)
    return unscaled(scaled(text, decimals), decimals)
