"""What dashboards are made of: a title, a query in SQL or PromQL, and a place.

A row of a dashboard is 24 wide. Queries in SQL use the macros of Grafana's ClickHouse
data source: `$__timeFilter(column)`, `$__timeInterval(column)`, `$__interval_s` and
`$__fromTime`.
"""

from collections.abc import Mapping, Sequence
from typing import NamedTuple, Self, TypeVar

from grafana_foundation_sdk.builders.bargauge import Panel as BarGauge
from grafana_foundation_sdk.builders.dashboard import (
    Dashboard,
    QueryVariable,
    ThresholdsConfig,
)
from grafana_foundation_sdk.builders.prometheus import Dataquery as PromQuery
from grafana_foundation_sdk.builders.stat import Panel as Stat
from grafana_foundation_sdk.builders.statetimeline import Panel as StateTimeline
from grafana_foundation_sdk.builders.table import Panel as Table
from grafana_foundation_sdk.builders.timeseries import Panel as TimeSeries
from grafana_foundation_sdk.cog.builder import Builder
from grafana_foundation_sdk.cog.variants import Dataquery
from grafana_foundation_sdk.models.dashboard import (
    DashboardCursorSync,
    DataSourceRef,
    DataTransformerConfig,
    Threshold,
    ThresholdsMode,
    VariableRefresh,
)

CLICKHOUSE = DataSourceRef(type_val="grafana-clickhouse-datasource", uid="mft-archive")
PROMETHEUS = DataSourceRef(type_val="prometheus", uid="mft-metrics")

OF_SYMBOLS = "$__conditionalAll(symbol IN (${symbol:singlequote}), $symbol)"
"""Restricts a query to the symbols that are chosen above the dashboard."""

GOOD, WARN, BAD, PLAIN = "green", "orange", "red", "text"
Panel = TimeSeries | Stat | StateTimeline | Table | BarGauge
P = TypeVar("P", TimeSeries, Stat, StateTimeline, Table, BarGauge)
Steps = Sequence[tuple[float | None, str]]
"""Thresholds: a colour from each value on; None: from below."""


class _SqlQuery(Dataquery):
    """A query of the ClickHouse data source, which the SDK does not know."""

    def __init__(self, sql: str, *, is_table: bool) -> None:
        self._sql = sql
        self._is_table = is_table

    def to_json(self) -> Mapping[str, object]:
        """As Grafana stores it."""
        return {
            "refId": "A",
            "datasource": CLICKHOUSE,
            "editorType": "sql",
            "queryType": "table" if self._is_table else "timeseries",
            "format": 1 if self._is_table else 0,
            "rawSql": self._sql,
        }


class _Sql(Builder[Dataquery]):
    def __init__(self, sql: str, *, is_table: bool) -> None:
        self._query = _SqlQuery(sql.strip(), is_table=is_table)

    def build(self) -> Dataquery:
        """The query."""
        return self._query


class Place(NamedTuple):
    """How big a panel is; places are filled from left to right."""

    width: int = 12
    height: int = 8


HALF, SIXTH = Place(), Place(4, 4)


def sql_series(
    title: str, text: str, sql: str, unit: str = "short", place: Place = HALF
) -> TimeSeries:
    """Lines over time: a column `time`, one column a line, or a text that names it."""
    panel = TimeSeries().line_width(1).fill_opacity(8).unit(unit)
    panel = panel.with_target(_Sql(sql, is_table=False)).datasource(CLICKHOUSE)
    return _placed(panel, title, text, place)


def sql_table(title: str, text: str, sql: str, place: Place = HALF) -> Table:
    """A table of what a query returns."""
    panel = Table().with_target(_Sql(sql, is_table=True)).datasource(CLICKHOUSE)
    return _placed(panel, title, text, place)


def sql_states(
    title: str, text: str, sql: str, *, by: str, place: Place = HALF
) -> StateTimeline:
    """States over time: columns `time`, one that names a row, `by`, and a state."""
    apart = DataTransformerConfig(id_val="partitionByValues", options={"fields": [by]})
    panel = StateTimeline().with_target(_Sql(sql, is_table=True))
    panel = panel.with_transformation(apart)
    return _placed(panel.datasource(CLICKHOUSE), title, text, place)


def metric_series(
    title: str,
    text: str,
    queries: Mapping[str, str],
    unit: str = "short",
    place: Place = HALF,
) -> TimeSeries:
    """Lines over time: PromQL by legend."""
    panel = TimeSeries().line_width(1).fill_opacity(8).unit(unit)
    for query in _prometheus(queries):
        panel = panel.with_target(query)
    return _placed(panel.datasource(PROMETHEUS), title, text, place)


def metric_stat(
    title: str,
    text: str,
    expression: str,
    steps: Steps,
    *,
    unit: str = "short",
    place: Place = SIXTH,
) -> Stat:
    """The number now, coloured by thresholds; `unknown` where there is none."""
    panel = Stat().unit(unit).thresholds(_thresholds(steps)).datasource(PROMETHEUS)
    panel = panel.no_value("unknown")
    for query in _prometheus({"": expression}):
        panel = panel.with_target(query.instant())
    return _placed(panel, title, text, place)


def metric_bars(
    title: str, text: str, queries: Mapping[str, str], steps: Steps, place: Place
) -> BarGauge:
    """Bars of shares, from nothing to all of it."""
    panel = BarGauge().unit("percentunit").min(0).max(1)
    panel = panel.thresholds(_thresholds(steps)).datasource(PROMETHEUS)
    for query in _prometheus(queries):
        panel = panel.with_target(query.instant())
    return _placed(panel, title, text, place)


class Board:
    """A dashboard as it grows."""

    def __init__(self, uid: str, title: str, text: str) -> None:
        symbols = (
            QueryVariable("symbol")
            .label("Symbols")
            .datasource(CLICKHOUSE)
            .query("SELECT DISTINCT symbol FROM book_bars_1m ORDER BY symbol")
            .refresh(VariableRefresh.ON_DASHBOARD_LOAD)
            .multi(True)
            .include_all(True)
        )
        self._dashboard = (
            Dashboard(title)
            .uid(uid)
            .description(text)
            .tags(["mft"])
            .timezone("utc")
            .time("now-3h", "now")
            .refresh("10s")
            .tooltip(DashboardCursorSync.CROSSHAIR)
            .with_variable(symbols)
        )

    def add(self, *panels: Panel) -> Self:
        """Panels, from left to right and down."""
        for panel in panels:
            self._dashboard = self._dashboard.with_panel(panel)
        return self

    def build(self) -> object:
        """The dashboard as the SDK's model."""
        return self._dashboard.build()


def _prometheus(queries: Mapping[str, str]) -> list[PromQuery]:
    return [
        PromQuery().expr(expression).legend_format(legend or "__auto").ref_id(name)
        for name, (legend, expression) in zip("ABCDEFGH", queries.items(), strict=False)
    ]


def _thresholds(steps: Steps) -> ThresholdsConfig:
    found = [Threshold(value=value, color=colour) for value, colour in steps]
    return ThresholdsConfig().mode(ThresholdsMode.ABSOLUTE).steps(found)


def _placed(panel: P, title: str, text: str, place: Place) -> P:
    panel = panel.title(title).description(text)
    return panel.height(place.height).span(place.width)
