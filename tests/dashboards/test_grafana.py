"""Dashboards as code: up to date, and every panel's SQL gives rows."""

import json
from collections.abc import Iterator
from typing import Any, NamedTuple

import msgspec
import pytest

from connectors.clickhouse import READER, ClickHouse, QueryServer, reader_token
from connectors.journal import Journal
from dashboards.grafana.__main__ import GENERATED, texts
from flows.archive import archive
from flows.domain.evidence import wilson_band_95
from flows.domain.run import JournalEntry, Journalled, RunStarted
from flows.domain.symbol_book import BookState, BookStateChanged
from flows.domain.units import NS_PER_S
from tests.connectors.native_reader import ask_native, rows_in
from tests.dashboards.macros import expanded, queries
from tests.flows.archive_samples import RUN, journal_entries, run_started
from tests.flows.replay_samples import report_of, run_mft, synthetic

DASHBOARDS: dict[str, Any] = {name: json.loads(text) for name, text in texts().items()}
SQL = dict(queries(DASHBOARDS, "rawSql"))
FROM_S, TO_S = 1_500_000_000, 1_900_000_000
FINE_STEP_S, STEP_S = 10, 60


def _begun(run_id: str, mode: str, at_s: int) -> RunStarted:
    return msgspec.structs.replace(
        run_started(), run_id=run_id, mode=mode, received_ns=at_s * NS_PER_S
    )


def _synced(at_s: int) -> BookStateChanged:
    return BookStateChanged(
        received_ns=at_s * NS_PER_S,
        symbol="BTCUSDT",
        before=BookState.BRIDGING,
        after=BookState.SYNCED,
        update_id=None,
    )


CUT_S, SCAN_S = 1_510_000_000, 1_510_100_000
CUT_OFF_THEN_SCANNED: dict[str, list[Journalled]] = {
    "20171106T202640000-cut00000": [
        _begun("20171106T202640000-cut00000", "paper", CUT_S),
        _synced(CUT_S + 10),
    ],
    "20171108T001320000-5ca00000": [
        _begun("20171108T001320000-5ca00000", "scan", SCAN_S)
    ],
}


class Archived(NamedTuple):
    """An archive that answers, and who may ask."""

    reader: ClickHouse
    url: str
    token: str


def test_generated_files_are_those_of_the_code() -> None:
    found = {path.name: path.read_text() for path in GENERATED.iterdir()}
    assert found == texts(), "out of date: run python -m dashboards.grafana"


@pytest.mark.parametrize("name", DASHBOARDS)
def test_dashboard_every_panel_is_explained_and_in_its_place(name: str) -> None:
    panels = DASHBOARDS[name]["panels"]
    titles = [panel["title"] for panel in panels]
    assert len(titles) == len(set(titles)) >= 10
    taken: set[tuple[int, int]] = set()
    for panel in panels:
        assert panel["description"].endswith(".")
        assert panel["targets"]
        place = panel["gridPos"]
        assert place["x"] + place["w"] <= 24
        tiles = {
            (x, y)
            for x in range(place["x"], place["x"] + place["w"])
            for y in range(place["y"], place["y"] + place["h"])
        }
        assert not tiles & taken, f"{panel['title']} lies over another"
        taken |= tiles


@pytest.fixture(scope="module")
def archived(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Archived]:
    """An archive: a replay that traded, and a run with every kind."""
    folder = tmp_path_factory.mktemp("grafana")
    out = folder / "out"
    recording = synthetic(folder, seconds=90)
    ended = run_mft("replay", recording, "--out", out, "--set", "cooldown_ms=0")
    assert ended.returncode == 0, ended.stderr
    assert report_of(out)["totals"]["trades"] > 0
    store = ClickHouse.open_embedded(out / "clickhouse")
    journal = Journal(folder / "journal.sqlite", RUN)
    journal.append(journal_entries(3))
    journal.close()
    archive(store, RUN, folder / "journal.sqlite")
    for run_id, facts in CUT_OFF_THEN_SCANNED.items():
        journal = Journal(folder / "journal.sqlite", run_id)
        journal.append([JournalEntry(*one) for one in enumerate(facts)])
        journal.close()
        archive(store, run_id, folder / "journal.sqlite")
    token = reader_token(folder / "token")
    server = QueryServer(out / "clickhouse", token)
    url = server.open(0)
    reader = ClickHouse.open_url(url.replace("://", f"://{READER}:{token}@"))
    try:
        yield Archived(reader, url, token)
    finally:
        reader.close()
        server.close()
        store.close()


@pytest.mark.parametrize("panel", SQL)
def test_panel_sql_over_http_returns_rows(panel: str, archived: Archived) -> None:
    fine = archived.reader.query(expanded(SQL[panel], FROM_S, TO_S, FINE_STEP_S))
    sql = expanded(SQL[panel], FROM_S, TO_S, STEP_S)
    rows = archived.reader.query(sql)
    assert len(fine) >= len(rows) > 0, panel
    as_grafana_reads = rows_in(ask_native(archived.url, archived.token, sql))
    assert len(as_grafana_reads) == len(rows)


def test_states_of_books_begin_with_the_range_and_end_with_their_run(
    archived: Archived,
) -> None:
    runs = archived.reader.query(
        "SELECT toInt64(toUnixTimestamp(started_at)), "
        "toInt64(toUnixTimestamp(ended_at)) FROM runs WHERE mode = 'replay' "
        "AND ended_at > started_at + 60 ORDER BY started_at"
    )
    [(started_s, ended_s)] = runs
    sql = SQL["market.json: Books"]

    def states(from_s: int) -> list[tuple[int, str, str]]:
        rows = archived.reader.query(expanded(sql, from_s, ended_s + 600, STEP_S))
        return [(int(at.timestamp()), symbol, state) for at, symbol, state in rows]

    within_s = started_s + 30
    found = states(within_s)
    assert sorted(found)[:2] == [
        (within_s, "BTCUSDT", "SYNCED"),
        (within_s, "ETHUSDT", "SYNCED"),
    ]
    assert sorted(found)[-2:] == [
        (ended_s, "BTCUSDT", "ENDED"),
        (ended_s, "ETHUSDT", "ENDED"),
    ]
    assert states(ended_s + 1) == [], "nothing runs any more"


def test_states_of_books_of_a_run_that_was_cut_off_end_once_another_has_begun(
    archived: Archived,
) -> None:
    sql = SQL["market.json: Books"]
    rows = archived.reader.query(expanded(sql, CUT_S + 5, SCAN_S + 600, STEP_S))
    assert [(int(at.timestamp()), state) for at, _, state in rows] == [
        (CUT_S + 10, "SYNCED"),
        (CUT_S + 10, "ENDED"),
    ]
    later = expanded(sql, CUT_S + 60, SCAN_S + 600, STEP_S)
    assert archived.reader.query(later) == []


def test_win_rates_stand_in_the_band_of_the_report(archived: Archived) -> None:
    sql = expanded(SQL["trading.json: By symbol"], FROM_S, TO_S, STEP_S)
    for _symbol, trades, rate, low, high, *_money in archived.reader.query(sql):
        found = wilson_band_95(round(rate * trades), trades)
        assert found is not None
        assert (low, high) == (round(float(found[0]), 3), round(float(found[1]), 3))


def test_variable_query_lists_the_symbols(archived: Archived) -> None:
    [variable] = DASHBOARDS["market.json"]["templating"]["list"]
    found = archived.reader.query(variable["query"])
    assert sorted(found) == [("BTCUSDT",), ("ETHUSDT",)]


def test_provisioning_names_the_data_sources_of_the_panels() -> None:
    place = GENERATED.parent / "provisioning" / "datasources" / "mft.yaml"
    provisioned = place.read_text()
    used = {
        (panel["datasource"]["type"], panel["datasource"]["uid"])
        for dashboard in DASHBOARDS.values()
        for panel in dashboard["panels"]
    }
    assert len(used) == 2
    for kind, uid in used:
        assert f"uid: {uid}\n    type: {kind}" in provisioned
    assert "password: $MFT_ARCHIVE_TOKEN" in provisioned


def test_expanded_macros_are_those_of_the_data_source() -> None:
    sql = (
        "SELECT $__timeInterval(f(a)) / $__interval_s WHERE $__timeFilter(a) AND "
        "$__conditionalAll(s IN (${s:singlequote}), $s) AND b < $__fromTime"
    )
    assert expanded(sql, 1, 2, 3) == (
        "SELECT toStartOfInterval(toDateTime(f(a)), INTERVAL 3 second) / 3 "
        "WHERE a >= toDateTime(1) AND a <= toDateTime(2) AND 1=1 "
        "AND b < toDateTime(1)"
    )
