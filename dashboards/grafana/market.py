"""What the market shows, and whether the books are true."""

from dashboards.grafana.panels import (
    BAD,
    GOOD,
    OF_SYMBOLS,
    Board,
    Place,
    metric_series,
    metric_stat,
    sql_series,
    sql_states,
    sql_table,
)

_STATES = f"""
WITH lives AS
(
    -- a run that was cut off was over with its last entry, once another had begun
    SELECT run_id, started_at, multiIf(
        ended_at IS NOT NULL, ended_at,
        run_id = (SELECT argMax(run_id, started_at) FROM runs WHERE mode != 'scan'),
        NULL,
        last) AS over_at
    FROM runs
    INNER JOIN
    (
        SELECT run_id, max(received_at) AS last FROM journal GROUP BY run_id
    ) AS entries USING (run_id)
    WHERE mode != 'scan'
)
SELECT * FROM
(
    -- what a run that went on at the beginning had told before it
    SELECT toDateTime64($__fromTime, 9, 'UTC') AS time, symbol,
        argMax(after, (received_at, sequence)) AS state
    FROM book_states
    WHERE received_at < $__fromTime AND {OF_SYMBOLS} AND run_id IN
    (
        SELECT run_id FROM lives
        WHERE started_at < $__fromTime
            AND (over_at IS NULL OR over_at > $__fromTime)
    )
    GROUP BY symbol
    UNION ALL
    SELECT received_at AS time, symbol, after AS state
    FROM book_states
    WHERE $__timeFilter(received_at) AND {OF_SYMBOLS}
    UNION ALL
    SELECT assumeNotNull(over_at) AS time, symbol, 'ENDED' AS state
    FROM (SELECT DISTINCT run_id, symbol FROM book_states WHERE {OF_SYMBOLS}) AS told
    INNER JOIN lives USING (run_id)
    WHERE over_at IS NOT NULL AND $__timeFilter(over_at)
)
ORDER BY time
"""
"""The state of each book from the beginning of the range to its end."""

_WITHIN = f"$__timeFilter(bucket) AND {OF_SYMBOLS}"
_ANY_BARS = f"""
FROM
(
    SELECT * FROM book_bars_1s WHERE $__interval_s < 60 AND {_WITHIN}
    UNION ALL
    SELECT * FROM book_bars_1m WHERE $__interval_s >= 60 AND {_WITHIN}
)
"""
"""Bars of a second, or of a minute where seconds would not be told apart."""
_BARS = f"{_ANY_BARS} GROUP BY time, symbol ORDER BY time"
_TIME = "SELECT $__timeInterval(bucket) AS time, symbol,"


def board() -> Board:
    """The dashboard."""
    return Board(
        "mft-market", "mft: market quality", "Prices, spreads, imbalance, true books."
    ).add(
        metric_stat(
            "Books not SYNCED",
            "Books that open no position now.",
            'sum(1 - mft_book_state{state="SYNCED"})',
            [(None, GOOD), (1, BAD)],
        ),
        metric_stat(
            "Oldest view",
            "Since the last view of the quietest symbol.",
            "max(mft_book_view_age_seconds)",
            [(None, GOOD), (3, BAD)],
            unit="s",
        ),
        metric_stat(
            "Gaps in the last hour",
            "Holes in a stream; each takes its symbol out until it is bridged.",
            "sum(increase(mft_gaps_total[1h]))",
            [(None, GOOD), (10, BAD)],
        ),
        metric_series(
            "Depth events a second",
            "By symbol.",
            {"{{symbol}}": "rate(mft_depth_events_total[1m])"},
            place=Place(12, 4),
        ),
        sql_series(
            "Middle price",
            "Last of each interval, between the best bid and the best ask.",
            f"{_TIME} toFloat64(argMax(close, bucket)) AS price {_BARS}",
        ),
        sql_series(
            "Spread",
            "Mean, in basis points of the middle price.",
            f"{_TIME} toFloat64(10000 * avg(mean_spread / close)) AS spread {_BARS}",
            unit="none",
        ),
        sql_series(
            "Imbalance",
            "Mean of (B - A) / (B + A) over the top levels: -1 only asks, 1 only bids.",
            f"{_TIME} sum(mean_imbalance * views) / sum(views) AS imbalance {_BARS}",
        ),
        sql_series(
            "Time in zones",
            "Share of views in the BUY and in the SELL zone, all symbols chosen.",
            "SELECT $__timeInterval(bucket) AS time, "
            "sum(buy_views) / sum(views) AS buy, sum(sell_views) / sum(views) AS sell "
            f"{_ANY_BARS} GROUP BY time ORDER BY time",
            unit="percentunit",
        ),
        sql_series(
            "Views a second",
            "Book views that the strategy looked at.",
            f"{_TIME} sum(views) / $__interval_s AS views {_BARS}",
        ),
        sql_series(
            "Public trades",
            "Quote asset traded a minute, where trades were recorded.",
            f"{_TIME} toFloat64(sum(notional)) * 60 / greatest($__interval_s, 60) "
            f"AS traded FROM market_trades_1m WHERE {_WITHIN} "
            "GROUP BY time, symbol ORDER BY time",
        ),
        sql_states(
            "Books",
            "The state of each book; only SYNCED opens positions. ENDED: its run did.",
            _STATES,
            by="symbol",
        ),
        sql_table(
            "Left SYNCED",
            "How often each book was lost, and to what.",
            f"""
            SELECT symbol, after AS state, count() AS times, max(received_at) AS last
            FROM book_states
            WHERE $__timeFilter(received_at) AND before = 'SYNCED' AND {OF_SYMBOLS}
            GROUP BY symbol, state
            ORDER BY times DESC
            """,
        ),
        metric_series(
            "Books lost and found",
            "Within five minutes: GAP a hole, STALE a silence.",
            {
                "{{state}}": "sum by (state) "
                '(increase(mft_book_entered_total{state!="SYNCED"}[5m]))',
                "SYNCED again": "sum(increase(mft_resyncs_total[5m]))",
            },
        ),
        metric_series(
            "Age of views",
            "By symbol; beyond 3 s a book is STALE.",
            {"{{symbol}}": "mft_book_view_age_seconds"},
            unit="s",
        ),
    )
