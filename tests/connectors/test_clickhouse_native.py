"""Native for clients that name their revision, as another library reads it."""

from collections.abc import Iterator
from http import HTTPStatus
from urllib.error import HTTPError

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from connectors.clickhouse import ClickHouse, QueryServer
from connectors.clickhouse.native import NotNative, with_revision
from tests.connectors.native_reader import ask_native, rows_in

TOKEN = "shown-to-readers"  # noqa: S105 - of a test
SCALARS = [
    "UInt8",
    "Int16",
    "UInt32",
    "Int64",
    "UInt128",
    "Int256",
    "Float32",
    "Float64",
    "Bool",
    "String",
    "FixedString(5)",
    "Date",
    "DateTime",
    "UUID",
    "IPv4",
    "IPv6",
    "Decimal(9,2)",
    "Decimal(18,8)",
    "Decimal(38,12)",
    "Decimal(76,24)",
    "Enum8('a'=1,'c'=2)",
    "Enum16('x'=1)",
]


@pytest.fixture(scope="module")
def url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """Where an empty store answers."""
    directory = tmp_path_factory.mktemp("native") / "db"
    store = ClickHouse.open_embedded(directory)
    server = QueryServer(directory, TOKEN)
    try:
        yield server.open(0)
    finally:
        server.close()
        store.close()


scalars = st.sampled_from(SCALARS)
keys = st.sampled_from(["String", "UInt32", "Date", "FixedString(3)"])
dictionaries = st.sampled_from(
    [
        "LowCardinality(String)",
        "LowCardinality(FixedString(12))",
        "LowCardinality(Nullable(String))",
    ]
)
types = st.recursive(
    scalars | scalars.map("Nullable({})".format) | dictionaries,
    lambda inner: (
        inner.map("Array({})".format)
        | st.tuples(keys, scalars).map(lambda two: f"Map({two[0]}, {two[1]})")
        | st.lists(inner, min_size=1, max_size=3).map(
            lambda some: f"Tuple({', '.join(some)})"
        )
        | inner.map("Tuple(a {0}, `b c` {0})".format)
    ),
    max_leaves=4,
)


# the library mistakes a DateTime64 within a Tuple for its neighbour
kinds = st.sampled_from(["DateTime64(9, 'UTC')", "Array(DateTime64(3))"]) | types


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(
    kinds=st.lists(kinds, min_size=1, max_size=3),
    rows=st.integers(0, 300),
    seed=st.integers(0, 99),
)
def test_with_revision_any_types_are_read_as_without(
    url: str, kinds: list[str], rows: int, seed: int
) -> None:
    columns = ", ".join(f"c{place} {kind}" for place, kind in enumerate(kinds))
    made = columns.replace("\\", "\\\\").replace("'", "\\'")
    sql = f"SELECT * FROM generateRandom('{made}', {seed}, 200, 3) LIMIT {rows}"
    plain = ask_native(url, TOKEN, sql, revision=0)
    named = ask_native(url, TOKEN, sql)
    assert repr(rows_in(named)) == repr(rows_in(plain, 0))  # NaN is not equal to NaN
    assert len(rows_in(named)) == rows


def test_with_revision_several_blocks_and_odd_names_are_read(url: str) -> None:
    rows = 200_000
    many = ask_native(
        url, TOKEN, f"SELECT number, repeat('z', 200) FROM numbers({rows})"
    )
    assert [number for number, _ in rows_in(many)] == [*range(rows)]
    odd = "CAST('c', 'Enum8(\\'a,(b\\\\\\'\\' = 1, \\'c\\' = 2)')"
    assert rows_in(ask_native(url, TOKEN, f"SELECT {odd}, 7")) == [("c", 7)]
    nothing = ask_native(url, TOKEN, "SELECT NULL, [], tuple(), INTERVAL 3 day")
    assert nothing.startswith(b"\x01\x00\x02\xff\xff\xff\xff\x00\x04\x01")
    assert nothing.endswith((3).to_bytes(8, "little"))
    assert rows_in(ask_native(url, TOKEN, "SELECT 1 AS a, 'x' AS b WHERE 0")) == []


def test_with_revision_type_without_a_known_layout_is_refused(url: str) -> None:
    with pytest.raises(HTTPError) as refused:
        ask_native(url, TOKEN, "SELECT 1::Variant(String, UInt8) AS v")
    with refused.value as answer:
        assert answer.code == HTTPStatus.INTERNAL_SERVER_ERROR
        assert "Variant(String, UInt8) is not supported here" in answer.read().decode()
    with pytest.raises(NotNative, match="JSON is not supported here: cast it"):
        with_revision(b"\x01\x01\x01a\x04JSON\x00")


def test_revision_that_is_old_or_none_is_answered_as_before(url: str) -> None:
    plain = ask_native(url, TOKEN, "SELECT 1 AS a", revision=0)
    assert plain == b"\x01\x01\x01a\x05UInt8\x01"
    assert ask_native(url, TOKEN, "SELECT 1 AS a", revision=54_405) == plain
