"""Signals, decisions, fills, trades and what they earned."""

from dashboards.grafana.panels import (
    OF_SYMBOLS,
    Board,
    Place,
    metric_series,
    sql_series,
    sql_table,
)

_WITHIN = f"WHERE $__timeFilter(received_at) AND {OF_SYMBOLS}"
_TIME = "SELECT $__timeInterval(received_at) AS time,"


def board() -> Board:
    """The dashboard."""
    return Board(
        "mft-trading", "mft: trading", "From signal to money, net beside gross."
    ).add(
        sql_series(
            "P&L, added up",
            "From the start of the range: gross, and net of fees.",
            f"""
            SELECT bucket AS time, toFloat64(gained) AS gross, toFloat64(kept) AS net
            FROM
            (
                SELECT bucket, sum(sum(s.gross)) OVER (ORDER BY bucket) AS gained,
                    sum(sum(s.net)) OVER (ORDER BY bucket) AS kept
                FROM pnl_1m AS s
                WHERE $__timeFilter(bucket) AND {OF_SYMBOLS}
                GROUP BY bucket
            )
            ORDER BY bucket
            """,
        ),
        sql_table(
            "By symbol",
            "Round trips of the range; the win rate with its 95 % band (Wilson).",
            f"""
            WITH 3.841459 AS z2, sum(s.wins) / trades AS rate,
                (rate + z2 / (2 * trades)) / (1 + z2 / trades) AS centre,
                sqrt(z2 * (rate * (1 - rate) / trades + z2 / (4 * trades * trades)))
                    / (1 + z2 / trades) AS half
            SELECT symbol, sum(s.trades) AS trades, round(rate, 3) AS win_rate,
                round(centre - half, 3) AS from, round(centre + half, 3) AS to,
                sum(s.gross) AS gross, sum(s.fees) AS fees, sum(s.net) AS net
            FROM pnl_1m AS s
            WHERE $__timeFilter(bucket) AND {OF_SYMBOLS}
            GROUP BY symbol
            ORDER BY net DESC
            """,
        ),
        sql_series(
            "Signals",
            "Entries into a zone, by side.",
            f"{_TIME} side, count() AS signals FROM signals {_WITHIN} "
            "GROUP BY time, side ORDER BY time",
        ),
        sql_series(
            "Refusals by reason",
            "Signals that became no order.",
            f"{_TIME} reason, count() AS refused FROM decisions {_WITHIN} "
            "AND decision = 'refused' GROUP BY time, reason ORDER BY time",
        ),
        sql_table(
            "Why not",
            "Refusals of the range by reason, with the last numbers that decided.",
            f"""
            SELECT reason, count() AS times, argMax(value, received_at) AS last_value,
                argMax(limit, received_at) AS last_limit, max(received_at) AS last
            FROM decisions
            {_WITHIN} AND decision = 'refused'
            GROUP BY reason
            ORDER BY times DESC
            """,
        ),
        sql_table(
            "Orders",
            "What became of them.",
            f"""
            SELECT purpose, status, count() AS orders, sum(notional) AS notional
            FROM order_states
            {_WITHIN}
            GROUP BY purpose, status
            ORDER BY orders DESC
            """,
        ),
        sql_series(
            "Fills",
            "Quote asset filled, by symbol.",
            f"{_TIME} symbol, toFloat64(sum(notional)) AS filled FROM fills {_WITHIN} "
            "GROUP BY time, symbol ORDER BY time",
        ),
        sql_series(
            "Fees",
            "Quote asset paid.",
            f"{_TIME} toFloat64(sum(fee)) AS fees FROM fills {_WITHIN} "
            "GROUP BY time ORDER BY time",
        ),
        sql_table(
            "Ways out",
            "How positions were left, how long they were held, what they earned.",
            f"""
            SELECT exit_purpose, count() AS trades, countIf(t.net > 0) AS won,
                round(avg(dateDiff('ms', opened_at, received_at)) / 1000, 1)
                    AS mean_hold_s,
                sum(t.gross) AS gross, sum(t.net) AS net
            FROM trades_closed AS t
            {_WITHIN}
            GROUP BY exit_purpose
            ORDER BY trades DESC
            """,
        ),
        metric_series(
            "Signals, orders, fills a minute",
            "Of the running engine.",
            {
                "signals": "60 * rate(mft_signals_total[5m])",
                "orders": "60 * rate(mft_orders_total[5m])",
                "fills": "60 * rate(mft_fills_total[5m])",
            },
        ),
        sql_table(
            "Trades",
            "The last round trips of the range.",
            f"""
            SELECT received_at AS closed, symbol, direction, exit_purpose, quantity,
                entry_notional, exit_notional, gross, fees, net, run_id
            FROM trades_closed
            {_WITHIN}
            ORDER BY received_at DESC
            LIMIT 200
            """,
            place=Place(24, 9),
        ),
    )
