"""Columns of ClickHouse as Arrow: exact, or refused.

A number that a column cannot hold exactly is never rounded: it is Unrepresentable.
"""

import re
from collections.abc import Callable, Sequence
from decimal import Decimal
from itertools import accumulate, chain, groupby
from operator import itemgetter
from typing import Any

import pyarrow as pa  # type: ignore[import-untyped]  # ships no types

from flows.domain.units import EXACT, plain, unscaled

_INTEGERS = {
    "UInt8": pa.uint8(),
    "UInt32": pa.uint32(),
    "UInt64": pa.uint64(),
    "Int64": pa.int64(),
}
_DECIMAL = re.compile(r"Decimal\((\d+), (\d+)\)")
_TIME = re.compile(r"DateTime(?:64\((\d)(?:, '[^']*')?\)|(?:\('[^']*'\))?)")
_TIME_UNITS = {None: "s", "0": "s", "3": "ms", "6": "us", "9": "ns"}
_WRAPPER = re.compile(r"(?:LowCardinality|Nullable)\((.*)\)")
_ARRAY = re.compile(r"Array\((.*)\)")

_NARROW_DIGITS = 38  # of 16 bytes
_MAX_EXPONENT = 999  # far beyond any column

Scaled = tuple[int, int]
"""(integer, decimals): integer / 10^decimals."""


class Unrepresentable(ValueError):  # noqa: N818 - named like the domain's errors
    """A value that its column cannot hold exactly."""


class Column:
    """One column: its name, its type, and how Python values become Arrow."""

    def __init__(self, name: str, kind: str) -> None:
        self.name = name
        self._is_nullable = "Nullable(" in kind
        self._encode = _encoder(_unwrapped(kind))

    def encode(self, values: Sequence[object]) -> Any:  # pa.Array has no type
        """The values as an Arrow array. Raises Unrepresentable."""
        if not self._is_nullable and None in values:
            msg = f"column {self.name} cannot be NULL"
            raise Unrepresentable(msg)
        try:
            return self._encode(values)
        except (OverflowError, ValueError, pa.ArrowException) as error:
            msg = f"column {self.name}: {error}"
            raise Unrepresentable(msg) from error

    def fits(self, value: object) -> bool:
        """Whether the column holds `value` exactly."""
        try:
            self.encode((value,))
        except Unrepresentable:
            return False
        return True


def _unwrapped(kind: str) -> str:
    while found := _WRAPPER.fullmatch(kind):
        kind = found.group(1)
    return kind


def _encoder(kind: str) -> Callable[[Sequence[Any]], Any]:
    if found := _ARRAY.fullmatch(kind):
        return _Decimals(found.group(1)).encode_arrays
    if kind.startswith("Decimal"):
        return _Decimals(kind).encode
    if found := _TIME.fullmatch(kind):
        return _plain_encoder(pa.timestamp(_TIME_UNITS[found.group(1)], "UTC"))
    if kind in _INTEGERS:
        return _plain_encoder(_INTEGERS[kind])
    if kind == "Bool":
        return _plain_encoder(pa.bool_())
    if kind == "Map(String, String)":
        return _plain_encoder(pa.map_(pa.string(), pa.string()))
    return _plain_encoder(pa.string())  # String and Enum


def _plain_encoder(kind: Any) -> Callable[[Sequence[Any]], Any]:
    def encode(values: Sequence[Any]) -> Any:
        return pa.array(values, kind)

    return encode


class _Decimals:
    """Decimal(precision, scale) as integers of 16 or 32 bytes."""

    def __init__(self, kind: str) -> None:
        found = _DECIMAL.fullmatch(kind)
        if found is None:
            msg = f"no encoding for {kind}"
            raise ValueError(msg)
        precision, self._scale = int(found.group(1)), int(found.group(2))
        self._limit = 10**precision
        is_wide = precision > _NARROW_DIGITS
        self._width = 32 if is_wide else 16
        arrow = pa.decimal256 if is_wide else pa.decimal128
        self._kind = arrow(precision, self._scale)

    def encode(self, values: Sequence[Decimal | Scaled | None]) -> Any:
        pairs = [(0, 0) if value is None else self._pair(value) for value in values]
        present = None
        if None in values:
            present = pa.array([value is not None for value in values]).buffers()[1]
        decimals = {decimals for _, decimals in pairs}
        if len(decimals) == 1:
            scaled = self._rescaled([integer for integer, _ in pairs], *decimals)
        else:
            scaled = [self._rescaled([pair[0]], pair[1])[0] for pair in pairs]
        return self._array(scaled, present)

    def encode_arrays(self, values: Sequence[tuple[Sequence[int], int]]) -> Any:
        offsets = [0, *accumulate(len(integers) for integers, _ in values)]
        scaled: list[int] = []
        for decimals, group in groupby(values, itemgetter(1)):  # rises now and then
            flat = list(chain.from_iterable(integers for integers, _ in group))
            scaled += self._rescaled(flat, decimals)
        return pa.ListArray.from_arrays(
            pa.array(offsets, pa.int32()), self._array(scaled, None)
        )

    def _array(self, integers: list[int], present: Any) -> Any:
        width = self._width
        raw = b"".join([i.to_bytes(width, "little", signed=True) for i in integers])
        buffers = [present, pa.py_buffer(raw)]
        return pa.Array.from_buffers(self._kind, len(integers), buffers)

    def _pair(self, value: Decimal | Scaled) -> Scaled:
        if isinstance(value, tuple):
            return value
        exponent = value.as_tuple().exponent
        if not isinstance(exponent, int) or abs(exponent) > _MAX_EXPONENT:
            msg = f"{str(value)[:80]} is no number of {self._kind}"
            raise Unrepresentable(msg)
        decimals = max(0, -exponent)
        return int(EXACT.scaleb(value, decimals)), decimals

    def _rescaled(self, integers: list[int], decimals: int) -> list[int]:
        """The integers at the column's scale, exactly."""
        if decimals <= self._scale:
            factor = 10 ** (self._scale - decimals)
            scaled = [integer * factor for integer in integers]
        else:
            divisor = 10 ** (decimals - self._scale)
            scaled = [integer // divisor for integer in integers]
            if any(i % divisor for i in integers):
                self._refuse(integers, decimals)
        if scaled and (max(scaled) >= self._limit or min(scaled) <= -self._limit):
            self._refuse(integers, decimals)
        return scaled

    def _refuse(self, integers: list[int], decimals: int) -> None:
        longest = plain(unscaled(max(integers, key=abs), decimals))
        msg = f"numbers up to {longest[:80]} are not all exact in {self._kind}"
        raise Unrepresentable(msg)
