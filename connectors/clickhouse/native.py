"""The format Native as a client expects it that names its protocol revision.

The embedded engine writes blocks as for revision 0. A client that asks with a
`client_protocol_version` from 54454 on (clickhouse-go, and so Grafana's data source)
reads before each block what the block is, and before each column's data whether it is
encoded in an unusual way. Source: ClickHouse "Native Format", `NativeWriter`.

Older revisions are answered as the engine writes them, as an older server does, which
clickhouse-connect asks for and understands.
"""

import re
from collections.abc import Callable, Iterator
from functools import cache
from typing import NamedTuple

from flows.domain.errors import StoreError

FIRST_REVISION = 54_454
"""DBMS_MIN_REVISION_WITH_CUSTOM_SERIALIZATION"""

_BLOCK_INFO = b"\x01\x00\x02\xff\xff\xff\xff\x00"
"""Field 1: no overflows; field 2: no bucket (-1); the end."""
_USUAL = b"\x00"
_HIGH_BIT = 0x80
_WORD = 8
_INDEX_TYPE = 3
"""Of a dictionary's flags: the two bits that tell the width of its indexes."""

Skip = Callable[[memoryview, int, int], int]
"""Where so many values end that begin at a place of the data; not for none."""


class _Kind(NamedTuple):
    """A type as its data is laid out."""

    skip: Skip
    prefix: int = 0
    """Bytes before the data of a column: the version of each dictionary."""


_WIDTHS = {
    **dict.fromkeys(("UInt8", "Int8", "Bool", "Enum8", "Nothing"), 1),
    **dict.fromkeys(("UInt16", "Int16", "Date", "Enum16", "BFloat16"), 2),
    **dict.fromkeys(("UInt32", "Int32", "Float32", "DateTime", "Date32", "IPv4"), 4),
    **dict.fromkeys(("UInt64", "Int64", "Float64", "DateTime64"), 8),
    **dict.fromkeys(("UUID", "IPv6", "UInt128", "Int128"), 16),
    **dict.fromkeys(("UInt256", "Int256"), 32),
}
_DECIMAL_WIDTHS = ((9, 4), (18, 8), (38, 16), (76, 32))
_TYPE = re.compile(r"(\w+)(?:\((.*)\))?", re.DOTALL)
_TOKEN = re.compile(r"'(?:[^'\\]|\\.)*'|[(),]")
_NAMED = re.compile(r"(?:\w+|`(?:[^`\\]|\\.)*`) (?=\w)")


class NotNative(StoreError):  # noqa: N818 - named like the domain's errors
    """A type whose data cannot be told apart here."""


def with_revision(content: bytes) -> bytes:
    """Blocks of revision 0 as a client of FIRST_REVISION and later reads them.

    Raises NotNative.
    """
    return b"".join(_parts(memoryview(content)))


def _parts(data: memoryview) -> Iterator[bytes | memoryview]:
    place = 0
    while place < len(data):
        begin = place
        columns, place = _number(data, place)
        rows, place = _number(data, place)
        yield _BLOCK_INFO
        yield data[begin:place]
        for _ in range(columns):
            begin = place
            place = _skip_strings(data, place, 1)
            size, kind_at = _number(data, place)
            place = kind_at + size
            kind = _kind(str(data[kind_at:place], "utf-8"))
            yield data[begin:place]
            yield _USUAL
            begin = place
            if rows:
                place = kind.skip(data, place + kind.prefix, rows)
            yield data[begin:place]


def _number(data: memoryview, place: int) -> tuple[int, int]:
    """A number of 7 bits a byte, and where it ends."""
    value = shift = 0
    while True:
        byte = data[place]
        value |= (byte & ~_HIGH_BIT) << shift
        place, shift = place + 1, shift + 7
        if byte < _HIGH_BIT:
            return value, place


def _skip_strings(data: memoryview, place: int, rows: int) -> int:
    for _ in range(rows):
        size = data[place]
        if size < _HIGH_BIT:
            place += 1 + size
        else:
            size, place = _number(data, place)
            place += size
    return place


@cache
def _kind(text: str) -> _Kind:
    """A type by its name. Raises NotNative."""
    found = _TYPE.fullmatch(text)
    name, inside = (found[1], found[2] or "") if found else ("", "")
    if name == "String":
        return _Kind(_skip_strings)
    if name == "LowCardinality":
        is_nullable = inside.startswith("Nullable(")  # none is the first key
        keys = _kind(inside[len("Nullable(") : -1] if is_nullable else inside)
        return _Kind(_indexed(keys.skip), _WORD)
    if name in {"Nullable", "Array", "Map", "Tuple", "SimpleAggregateFunction"}:
        parts = [_kind(part) for part in _arguments(name, inside)]
        skip = _nested(name, [part.skip for part in parts])
        return _Kind(skip, sum(part.prefix for part in parts))
    width = _width(name, inside)
    if not width:
        msg = (
            f"Code: 48. DB::Exception: {text} is not supported here: cast it to String"
        )
        raise NotNative(msg)
    return _Kind(lambda _data, place, rows: place + width * rows)


def _width(name: str, inside: str) -> int:
    """Bytes of one value; 0 where that is not known."""
    if name == "FixedString":
        return int(inside)
    if name == "Decimal":
        precision = int(inside.split(",", maxsplit=1)[0])
        return next(width for most, width in _DECIMAL_WIDTHS if precision <= most)
    if name.startswith("Interval"):
        return _WORD
    return _WIDTHS.get(name, 0)


def _word(data: memoryview, place: int) -> int:
    return int.from_bytes(data[place : place + _WORD], "little")


def _indexed(skip_keys: Skip) -> Skip:
    """A dictionary of keys, then which of them each row is."""

    def skip(data: memoryview, place: int, rows: int) -> int:
        index_width = 1 << (data[place] & _INDEX_TYPE)
        keys, place = _word(data, place + _WORD), place + 2 * _WORD
        if keys:
            place = skip_keys(data, place, keys)
        return place + _WORD + index_width * rows

    return skip


def _nested(name: str, parts: list[Skip]) -> Skip:
    def in_turn(data: memoryview, place: int, rows: int) -> int:
        for part in parts:
            place = part(data, place, rows)
        return place if parts else place + rows

    def listed(data: memoryview, place: int, rows: int) -> int:
        end = place + _WORD * rows
        count = _word(data, end - _WORD)
        return in_turn(data, end, count) if count else end

    def nullable(data: memoryview, place: int, rows: int) -> int:
        return in_turn(data, place + rows, rows)

    return {"Array": listed, "Map": listed, "Nullable": nullable}.get(name, in_turn)


def _arguments(name: str, inside: str) -> list[str]:
    """The types within a type, without their names."""
    parts, depth, begin = [], 0, 0
    for token in _TOKEN.finditer(inside):
        depth += {"(": 1, ")": -1}.get(token[0], 0)
        if token[0] == "," and not depth:
            parts.append(inside[begin : token.start()])
            begin = token.end()
    parts = [part.strip() for part in (*parts, inside[begin:]) if part.strip()]
    if name == "SimpleAggregateFunction":
        return parts[-1:]
    return [
        _NAMED.sub("", part, count=1) if name == "Tuple" else part for part in parts
    ]
