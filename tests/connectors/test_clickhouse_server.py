"""The embedded store over HTTP: as a server to readers, and nothing to anybody else."""

import base64
import json
import stat
from collections.abc import Iterator
from decimal import Decimal
from http import HTTPStatus
from pathlib import Path
from typing import Any
from urllib.error import HTTPError
from urllib.parse import urlencode
from urllib.request import Request, urlopen

import clickhouse_connect
import pytest
from clickhouse_connect.driver.exceptions import DatabaseError

from connectors.clickhouse import READER, ClickHouse, QueryServer, reader_token
from connectors.clickhouse.readonly import NotAllowed, check_readable
from flows.domain.errors import ConfigurationError

TOKEN = "shown-to-readers"  # noqa: S105 - of a test


def is_refused(sql: str) -> bool:
    """Whether a reader may not ask that."""
    try:
        check_readable(sql)
    except NotAllowed:
        return True
    return False


@pytest.fixture(scope="module")
def served(
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[tuple[ClickHouse, str]]:
    """A store with a table, and where readers ask it."""
    directory = tmp_path_factory.mktemp("served") / "db"
    store = ClickHouse.open_embedded(directory)
    store.command("CREATE TABLE t (a UInt64, d Decimal(76, 24)) ENGINE = Memory")
    store.command("INSERT INTO t VALUES (1, 0.1), (2, 0.2)")
    server = QueryServer(directory, TOKEN)
    try:
        yield store, server.open(0)
    finally:
        server.close()
        store.close()


def ask(
    url: str, query: str = "", body: str | None = None, **changes: Any
) -> tuple[int, str, dict[str, str]]:
    """Status, text and headers of a request as curl would make it."""
    headers = {"X-ClickHouse-User": READER, "X-ClickHouse-Key": TOKEN}
    headers = changes.pop("headers", headers)
    path = f"/?{urlencode({'query': query, **changes})}" if query or changes else "/"
    data = None if body is None else body.encode()
    request = Request(url + path, data, headers)  # noqa: S310 - loopback
    try:
        with urlopen(request, timeout=30) as reply:  # noqa: S310 - loopback
            return reply.status, reply.read().decode(), dict(reply.headers)
    except HTTPError as error:
        with error:
            return error.code, error.read().decode(), dict(error.headers)


def client_of(url: str, password: str = TOKEN) -> Any:
    port = int(url.rpartition(":")[2])
    return clickhouse_connect.get_client(
        host="127.0.0.1", port=port, username=READER, password=password
    )


def test_clickhouse_connect_reads_as_from_a_server(
    served: tuple[ClickHouse, str],
) -> None:
    client = client_of(served[1])
    try:
        assert client.query("SELECT a, d FROM t ORDER BY a").result_rows == [
            (1, Decimal("0.1")),
            (2, Decimal("0.2")),
        ]
        names = [row[0] for row in client.query("SHOW TABLES").result_rows]
        assert "t" in names
    finally:
        client.close()


@pytest.mark.parametrize("text", ["plain", "it's", "a\tb\nc", "back\\slash", "ü🙂", ""])
def test_clickhouse_connect_parameters_arrive_as_they_are(
    served: tuple[ClickHouse, str], text: str
) -> None:
    client = client_of(served[1])
    try:
        sql = "SELECT {text:String}, {number:UInt8}"
        answer = client.query(sql, parameters={"text": text, "number": 3})
        assert answer.result_rows == [(text, 3)]
    finally:
        client.close()


def test_reader_sees_what_is_written_meanwhile_and_cannot_write(
    served: tuple[ClickHouse, str],
) -> None:
    store, url = served
    store.command("CREATE TABLE grows (a UInt64) ENGINE = Memory")
    assert ask(url, "SELECT count() FROM grows")[1] == "0\n"
    store.command("INSERT INTO grows VALUES (1)")
    assert ask(url, "SELECT count() FROM grows")[1] == "1\n"
    client = client_of(url)
    with pytest.raises(DatabaseError, match="Expected one of"):
        client.command("INSERT INTO grows VALUES (2)")
    client.close()
    store.command("INSERT INTO grows VALUES (3)")
    assert store.query("SELECT count() FROM grows") == [(2,)]


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({}, "1\n"),
        ({"default_format": "JSONEachRow"}, '{"n":1}\n'),
        ({"default_format": "CSV"}, "1\n"),
    ],
)
def test_format_is_the_one_asked_for(
    served: tuple[ClickHouse, str], changes: dict[str, str], expected: str
) -> None:
    status, text, headers = ask(served[1], "SELECT 1 AS n", **changes)
    assert (status, text) == (HTTPStatus.OK, expected)
    wanted = changes.get("default_format", "TabSeparated")
    assert headers["X-ClickHouse-Format"] == wanted
    assert headers["X-ClickHouse-Timezone"] == "UTC"
    assert int(json.loads(headers["X-ClickHouse-Summary"])["elapsed_ns"]) > 0


def test_format_in_the_query_counts_and_body_is_a_query(
    served: tuple[ClickHouse, str],
) -> None:
    status, text, headers = ask(served[1], body="SELECT 1 AS n FORMAT JSONEachRow ;")
    assert (status, text) == (HTTPStatus.OK, '{"n":1}\n')
    assert headers["X-ClickHouse-Format"] == "JSONEachRow"


@pytest.mark.parametrize(
    "headers",
    [
        {},
        {"X-ClickHouse-User": READER, "X-ClickHouse-Key": "guess"},
        {"X-ClickHouse-User": "default", "X-ClickHouse-Key": TOKEN},
        {"Authorization": "Bearer guess"},
        {"Authorization": "Basic ???"},
        {"Authorization": "Basic " + base64.b64encode(b"default:").decode()},
    ],
)
def test_without_the_token_nothing_is_answered(
    served: tuple[ClickHouse, str], headers: dict[str, str]
) -> None:
    status, text, told = ask(served[1], "SELECT 1", headers=headers)
    assert (status, told["X-ClickHouse-Exception-Code"]) == (
        HTTPStatus.FORBIDDEN,
        "516",
    )
    assert TOKEN not in text


def test_token_in_the_url_is_not_taken(served: tuple[ClickHouse, str]) -> None:
    changes = {"user": READER, "password": TOKEN}
    assert ask(served[1], "SELECT 1", headers={}, **changes)[0] == HTTPStatus.FORBIDDEN


@pytest.mark.parametrize("scheme", ["Basic", "Bearer"])
def test_token_in_the_usual_headers_is_taken(
    served: tuple[ClickHouse, str], scheme: str
) -> None:
    shown = TOKEN
    if scheme == "Basic":
        shown = base64.b64encode(f"{READER}:{TOKEN}".encode()).decode()
    headers = {"Authorization": f"{scheme} {shown}"}
    assert ask(served[1], "SELECT 1", headers=headers)[:2] == (HTTPStatus.OK, "1\n")


def test_ping_is_answered_to_everybody(served: tuple[ClickHouse, str]) -> None:
    with urlopen(served[1] + "/ping", timeout=30) as reply:  # noqa: S310 - loopback
        assert reply.read() == b"Ok.\n"


@pytest.mark.parametrize(
    ("sql", "code"),
    [
        ("SELECT nothing_like_it", "47"),
        ("SELECT * FROM missing", "60"),
        ("SELEKT 1", "497"),
        ("SELECT 1 SETTINGS readonly = 0", "164"),
        ("SELECT * FROM file('/etc/passwd', 'LineAsString')", "497"),
        ("SELECT * FROM url('http://127.0.0.1:1/', 'LineAsString')", "164"),
        ("SELECT * FROM executable('ls', 'TSV', 'a String')", "164"),
    ],
)
def test_error_is_worded_and_numbered_as_by_a_server(
    served: tuple[ClickHouse, str], sql: str, code: str
) -> None:
    status, text, headers = ask(served[1], sql)
    assert status >= HTTPStatus.BAD_REQUEST
    assert headers["X-ClickHouse-Exception-Code"] == code
    assert text.startswith(f"Code: {code}. DB::Exception: ")


@pytest.mark.parametrize(
    ("query", "body", "changes", "reason"),
    [
        ("", None, {}, "Expected a query"),
        ("INSERT INTO t FORMAT TSV", "1\t2", {}, "only reads"),
        ("SELECT 1", None, {"compress": "1"}, "compress=1 is not supported"),
        ("SELECT 1", None, {"database": "system"}, "Only the database default"),
    ],
)
def test_what_is_not_supported_is_refused_in_words(
    served: tuple[ClickHouse, str],
    query: str,
    body: str | None,
    changes: dict[str, str],
    reason: str,
) -> None:
    status, text, headers = ask(served[1], query, body, **changes)
    assert status == HTTPStatus.BAD_REQUEST
    assert headers["X-ClickHouse-Exception-Code"] == "48"
    assert reason in text


def test_setting_in_the_url_is_refused_by_name(served: tuple[ClickHouse, str]) -> None:
    status, text, headers = ask(
        served[1], "SELECT number FROM numbers(9)", max_result_rows="2", readonly="0"
    )
    assert status == HTTPStatus.FORBIDDEN
    assert "Cannot modify 'max_result_rows' setting in readonly mode" in text
    assert headers["X-ClickHouse-Exception-Code"] == "164"


def test_what_clients_say_of_the_protocol_changes_no_answer(
    served: tuple[ClickHouse, str],
) -> None:
    said = {"session_id": "one", "max_execution_time": "65", "wait_end_of_query": "1"}
    status, text, _ = ask(served[1], "SELECT {a:UInt8}", param_a="7", **said)
    assert (status, text) == (HTTPStatus.OK, "7\n")


def test_unknown_format_is_refused(served: tuple[ClickHouse, str]) -> None:
    status, text, _ = ask(served[1], "SELECT 1", default_format="'; DROP")
    assert (status, "Unknown format" in text) == (500, True)


def test_long_question_is_ended(served: tuple[ClickHouse, str]) -> None:
    sql = "SELECT count() FROM numbers(1000000000000) WHERE sipHash64(number) = 1"
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("connectors.clickhouse.server.MOST_SECONDS", 1)
        directory = Path(served[0].place)
        server = QueryServer(directory, TOKEN)
        try:
            status, text, _ = ask(server.open(0), sql)
        finally:
            server.close()
    assert status == HTTPStatus.INTERNAL_SERVER_ERROR
    assert "TIMEOUT_EXCEEDED" in text


def test_open_port_that_is_taken_is_refused(served: tuple[ClickHouse, str]) -> None:
    port = int(served[1].rpartition(":")[2])
    server = QueryServer(Path(served[0].place), TOKEN)
    with pytest.raises(ConfigurationError, match="cannot be listened at"):
        server.open(port)


def test_reader_token_is_made_once_for_its_owner_only(tmp_path: Path) -> None:
    path = tmp_path / "archive.token"
    token = reader_token(path)
    assert len(token) > 40
    assert reader_token(path) == token
    assert stat.S_IMODE(path.stat().st_mode) == 0o600


def test_reader_token_that_cannot_be_kept_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match="cannot be written"):
        reader_token(tmp_path / "missing" / "archive.token")
    with pytest.raises(ConfigurationError, match="cannot be read"):
        reader_token(tmp_path)


@pytest.mark.parametrize(
    "sql",
    [
        "SELECT 1",
        " \n (SELECT 1) UNION ALL (SELECT 2);",
        "-- a comment\nSELECT 1 # not one",
        "/* file( */ SELECT 'INTO OUTFILE; file(' AS \"file\"",
        "WITH x AS (SELECT 1) SELECT * FROM x",
        "SELECT profile(1)",
        "SELECT file FROM t",
        "SELECT 'it''s; one'",
        "SELECT 'back\\\\'",
        "SHOW TABLES",
        "DESCRIBE TABLE t",
        "DESC default.t",
        "DESCRIBE (SELECT 1)",
        "SELECT 'ü', 1 AS \"ü\"",
        "EXPLAIN SELECT 1",
        "EXISTS TABLE t",
    ],
)
def test_check_readable_question_passes(sql: str) -> None:
    assert not is_refused(sql)


@pytest.mark.parametrize(
    "sql",
    [
        "",
        "INSERT INTO t VALUES (1)",
        "DROP TABLE t",
        "SET readonly = 0",
        "SYSTEM SHUTDOWN",
        "KILL QUERY WHERE 1",
        "ATTACH TABLE t",
        "SELECT 1; DROP TABLE t",
        "SELECT 1 INTO OUTFILE '/tmp/x'",
        "SELECT 1 into/**/outfile '/tmp/x'",
        "SELECT 1 INTO\n-- x\nOUTFILE '/tmp/x'",
        "SELECT file('/etc/passwd')",
        "SELECT FILE ('/etc/passwd')",
        "SELECT `file`('/etc/passwd')",
        "SELECT \"file\" /* x */ ('/etc/passwd')",
        "SELECT sleep(3)",
        "SELECT '\\'' , file('/etc/passwd') , '\\''",
        "EXPLAIN SELECT file('/etc/passwd')",
        "DESCRIBE TABLE url('http://127.0.0.1:1/', 'CSV')",
        "DESC file('/etc/passwd', 'CSV')",
        "DESCRIBE `url`('http://127.0.0.1:1/', 'CSV')",
        "SELECT $a$'$a$, file('/etc/passwd'), $a$'$a$",
        "SELECT \u2018'\u2019, file('/etc/passwd'), \u2018'\u2019",
        "SELECT file\u00a0('/etc/passwd')",
        "SELECT * FROM python(frame)",
        "SELECT * FROM fuzzQuery('SELECT 1')",
        "EXISTS TABLE `/etc/passwd`",
        "SELECT 'no end",
        "SELECT `no end",
        "SELECT \\'",
    ],
)
def test_check_readable_more_than_a_question_is_refused(sql: str) -> None:
    assert is_refused(sql)


@pytest.mark.parametrize(
    ("sql", "parameters", "row"),
    [
        ("SELECT '%(x)s'", {"x": ", file(concat(char(47), 'etc')), "}, ["%(x)s"]),
        (
            "SELECT '%(x)s/tmp/not-written%(y)s'",
            {"x": ", char(104) INTO OUTFILE ", "y": " -- "},
            ["%(x)s/tmp/not-written%(y)s"],
        ),
        ("SELECT '%(x)s', {x:String}", {"x": ", 7, "}, ["%(x)s", ", 7, "]),
        ("SELECT '%(y)s', {x:String}", {"x": "1", "y": ", 7, "}, ["%(y)s", "1"]),
        ("SELECT '{x:String}', '%(x)s'", {"x": ", 7, "}, ["{x:String}", "%(x)s"]),
        ("SELECT 'a' LIKE '1%'", {"zz": "1"}, [0]),
    ],
)
def test_parameters_are_never_written_into_a_query(
    served: tuple[ClickHouse, str], sql: str, parameters: dict[str, str], row: list[Any]
) -> None:
    given = {f"param_{name}": value for name, value in parameters.items()}
    status, text, _ = ask(served[1], sql, default_format="JSONCompact", **given)
    assert status == HTTPStatus.OK, text
    assert json.loads(text)["data"] == [row]
    assert not Path("/tmp/not-written").exists()  # noqa: S108 - it is not made


def test_parameter_identifier_that_is_a_path_is_refused(
    served: tuple[ClickHouse, str],
) -> None:
    sql = "EXISTS TABLE {t:Identifier}"
    status, text, _ = ask(served[1], sql, param_t="/etc/passwd")
    assert (status, "'/etc/passwd' is no name" in text) == (HTTPStatus.FORBIDDEN, True)
    assert ask(served[1], sql, param_t="t")[:2] == (HTTPStatus.OK, "1\n")


def test_answer_that_is_too_large_is_refused(served: tuple[ClickHouse, str]) -> None:
    sql = "SELECT number, number, number FROM numbers(60000000)"
    status, text, _ = ask(served[1], sql)
    assert status == HTTPStatus.INTERNAL_SERVER_ERROR
    assert "Limit for result exceeded" in text
