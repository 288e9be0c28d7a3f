"""Latency, processes, journal and archive."""

from dashboards.grafana.panels import (
    BAD,
    GOOD,
    OF_SYMBOLS,
    WARN,
    Board,
    Place,
    metric_series,
    metric_stat,
    sql_series,
    sql_table,
)

_LATENCY = "mft_latency_seconds_bucket"


def _quantile(share: str, stages: str) -> str:
    rate = f'rate({_LATENCY}{{stage=~"{stages}"}}[5m])'
    return f"histogram_quantile({share}, sum by (le, stage) ({rate}))"


def _share_above(stage: str, bound: str) -> str:
    within = f'rate({_LATENCY}{{stage="{stage}",le="{bound}"}}[5m])'
    every = f'rate(mft_latency_seconds_count{{stage="{stage}"}}[5m])'
    return f"1 - {within} / ignoring(le) {every}"


def board() -> Board:
    """The dashboard."""
    return Board("mft-system", "mft: system", "Whether it is fast and whole.").add(
        metric_stat(
            "Engine",
            "1: runs and answers. 0 where it runs and is silent, or does not run.",
            "mft_engine_up * mft_engine_answers",
            [(None, BAD), (1, GOOD)],
        ),
        metric_stat(
            "Restarts",
            "Times in the last day that its process was started again, or began anew "
            "within.",
            "sum(increase(mft_engine_restarts_total[1d])) + "
            "(sum(increase(mft_engine_begun_anew_total[1d])) or vector(0))",
            [(None, GOOD), (1, WARN), (3, BAD)],
        ),
        metric_stat(
            "Archive",
            "1: ClickHouse answers.",
            "mft_archive_up",
            [(None, BAD), (1, GOOD)],
        ),
        metric_stat(
            "Archive behind",
            "Journal entries that are not in ClickHouse yet.",
            "mft_archive_lag_entries",
            [(None, GOOD), (5_000, WARN), (20_000, BAD)],
        ),
        metric_stat(
            "Journal lacks",
            "Entries that the engine has written, and its file does not hold.",
            "mft_journal_lag_entries",
            [(None, GOOD), (1, BAD)],
        ),
        metric_stat(
            "ClickHouse errors",
            "Questions not answered in the last hour.",
            "increase(mft_clickhouse_errors_total[1h])",
            [(None, GOOD), (1, WARN)],
        ),
        metric_series(
            "From frame to decision",
            "Journalled; the target of p99 is 5 ms. Between bounds of the histogram "
            "a quantile is estimated.",
            {
                "p50": _quantile("0.5", "decision"),
                "p99": _quantile("0.99", "decision"),
                "p99.9": _quantile("0.999", "decision"),
            },
            unit="s",
        ),
        metric_series(
            "Orders",
            "p99 from the decision to the socket (placed), from the frame to the "
            "socket (sent) and to the answer (acked); the target of placed is 20 ms.",
            {"{{stage}} p99": _quantile("0.99", "placed|sent|acked")},
            unit="s",
        ),
        metric_series(
            "Later than promised",
            "Share of decisions above 5 ms, and of orders above 20 ms to their socket.",
            {
                "{{stage}} > 5 ms": _share_above("decision", "0.004980736"),
                "{{stage}} > 20 ms": _share_above("placed", "0.019922944"),
            },
            unit="percentunit",
        ),
        metric_series(
            "Messages of the market",
            "A second, by stream kind, and the book views decided on.",
            {
                "{{kind}}": "rate(mft_messages_total[1m])",
                "views": "rate(mft_views_total[1m])",
            },
        ),
        metric_series(
            "Recorder",
            "Bytes of frames that are not on the disk yet.",
            {"waiting": "mft_recorder_waiting_bytes"},
            unit="bytes",
        ),
        metric_series(
            "Entries that wait",
            "Journalled, and not in ClickHouse yet; it catches up.",
            {"waiting": "mft_archive_lag_entries"},
        ),
        sql_series(
            "Journal entries",
            "Loaded, by the time they were written, a second.",
            """
            SELECT $__timeInterval(received_at) AS time, kind,
                count() / $__interval_s AS entries
            FROM journal
            WHERE $__timeFilter(received_at)
            GROUP BY time, kind
            ORDER BY time
            """,
        ),
        sql_table(
            "Blocks",
            "What was loaded into ClickHouse; dropped blocks were cut off by a crash.",
            """
            SELECT run_id, if(source = 'journal', source, 'frames') AS what, state,
                count() AS blocks, max(at) AS last
            FROM archive_blocks
            GROUP BY run_id, what, state
            ORDER BY last DESC
            LIMIT 100
            """,
        ),
        sql_table(
            "Runs",
            "Without an end: it runs, or was cut off.",
            """
            SELECT run_id, mode, started_at, ended_at, equity, max_drawdown
            FROM runs
            ORDER BY started_at DESC
            LIMIT 100
            """,
        ),
        sql_table(
            "Numbers that fit no column",
            "Rows that are kept as text; none is the rule.",
            """
            SELECT 'all' AS table, count() AS rows FROM unrepresentable
            UNION ALL
            SELECT toString(table) AS table, count() AS rows FROM unrepresentable
            GROUP BY table
            """,
        ),
        sql_table(
            "Scans",
            "What the instruments' markets were like; the newest first.",
            f"""
            SELECT received_at AS at, symbol, verdict, cost_bps, spread_bps,
                volatility_bps, reach_share, signals_per_hour, synced_share, reasons
            FROM scans
            WHERE $__timeFilter(received_at) AND {OF_SYMBOLS}
            ORDER BY received_at DESC, cost_bps
            LIMIT 200
            """,
            place=Place(24, 9),
        ),
    )
