"""Columns of ClickHouse as Arrow: exact, or refused.

A number that a column cannot hold exactly is never rounded: it is Unrepresentable.
"""

import re
from collections.abc import Callable, Sequence
from decimal import Decimal
from itertools import accumulate
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

Scaled = tuple[int, int]
"""(integer, decimals): integer / 10^decimals."""


class Unrepresentable(ValueError):
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
        is_wide = precision > 38
        self._width = 32 if is_wide else 16
        arrow = pa.decimal256 if is_wide else pa.decimal128
        self._kind = arrow(precision, self._scale)

    def encode(self, values: Sequence[Decimal | Scaled | None]) -> Any:
        integers = [0 if v is None else self._integer(v) for v in values]
        present = None
        if None in values:
            present = pa.array([v is not None for v in values]).buffers()[1]
        return self._array(integers, present)

    def encode_arrays(self, values: Sequence[tuple[Sequence[int], int]]) -> Any:
        offsets = [0, *accumulate(len(integers) for integers, _ in values)]
        flat = [
            integer
            for integers, decimals in values
            for integer in self._rescaled(integers, decimals)
        ]
        return pa.ListArray.from_arrays(
            pa.array(offsets, pa.int32()), self._array(flat, None)
        )

    def _array(self, integers: list[int], present: Any) -> Any:
        width = self._width
        raw = b"".join([i.to_bytes(width, "little", signed=True) for i in integers])
        buffers = [present, pa.py_buffer(raw)]
        return pa.Array.from_buffers(self._kind, len(integers), buffers)

    def _integer(self, value: Decimal | Scaled) -> int:
        if isinstance(value, tuple):
            return self._rescaled((value[0],), value[1])[0]
        exponent = value.as_tuple().exponent
        if not isinstance(exponent, int) or exponent < -999 or value.adjusted() > 999:
            msg = f"{str(value)[:80]} is no number of {self._kind}"
            raise Unrepresentable(msg)
        decimals = max(0, -exponent)
        return self._rescaled((int(EXACT.scaleb(value, decimals)),), decimals)[0]

    def _rescaled(self, integers: Sequence[int], decimals: int) -> list[int]:
        shift = self._scale - decimals
        if shift >= 0:
            factor = 10**shift
            scaled = [integer * factor for integer in integers]
        else:
            divisor = 10**-shift
            scaled = [integer // divisor for integer in integers]
            for integer, result in zip(integers, scaled, strict=True):
                if result * divisor != integer:
                    self._refuse(integer, decimals)
        for integer, result in zip(integers, scaled, strict=True):
            if not -self._limit < result < self._limit:
                self._refuse(integer, decimals)
        return scaled

    def _refuse(self, integer: int, decimals: int) -> None:
        number = plain(unscaled(integer, decimals))
        msg = f"{number[:80]} is not exact in {self._kind}"
        raise Unrepresentable(msg)
