"""What Grafana's ClickHouse data source makes of a panel's SQL."""

import re
from collections.abc import Callable, Iterator
from typing import Any

_CALL = re.compile(r"\$__(\w+)")


def expanded(sql: str, from_s: int, to_s: int, step_s: int) -> str:
    """The SQL with macros and variables replaced, every symbol chosen."""
    makers: dict[str, Callable[[str], str]] = {
        "timeFilter": lambda column: (
            f"{column} >= toDateTime({from_s}) AND {column} <= toDateTime({to_s})"
        ),
        "timeInterval": lambda column: (
            f"toStartOfInterval(toDateTime({column}), INTERVAL {step_s} second)"
        ),
        "conditionalAll": lambda _condition: "1=1",
    }
    sql = sql.replace("$__interval_s", str(step_s))
    sql = sql.replace("$__fromTime", f"toDateTime({from_s})")
    while (found := _CALL.search(sql)) is not None:
        end = _closing(sql, found.end())
        inside = sql[found.end() + 1 : end]
        made = makers[found[1]](inside)
        sql = sql[: found.start()] + made + sql[end + 1 :]
    assert "$" not in sql, sql
    return sql


def _closing(sql: str, start: int) -> int:
    """Where the bracket that opens at `start` closes."""
    depth = 0
    for place in range(start, len(sql)):
        depth += {"(": 1, ")": -1}.get(sql[place], 0)
        if not depth:
            return place
    raise AssertionError(f"no closing bracket: {sql}")


def queries(dashboards: dict[str, Any], name: str) -> Iterator[tuple[str, str]]:
    """Panel and query of a kind: `rawSql` or `expr`."""
    for file, dashboard in dashboards.items():
        for panel in dashboard["panels"]:
            for target in panel["targets"]:
                if name in target:
                    yield f"{file}: {panel['title']}", target[name]
