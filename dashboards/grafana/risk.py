"""Equity, limits, exposure, and the kill switch."""

from dashboards.grafana.panels import (
    BAD,
    GOOD,
    OF_SYMBOLS,
    WARN,
    Board,
    Place,
    metric_bars,
    metric_series,
    metric_stat,
    sql_series,
    sql_table,
)

_TIME = "SELECT $__timeInterval(received_at) AS time,"
_NEAR = [(None, GOOD), (0.6, WARN), (0.9, BAD)]


def board() -> Board:
    """The dashboard."""
    return Board(
        "mft-risk", "mft: risk", "How near the hard limits are, and what was done."
    ).add(
        metric_stat(
            "Kill switch",
            "1: latched; only a person resets it.",
            "mft_killed",
            [(None, GOOD), (1, BAD)],
        ),
        metric_stat(
            "P&L today",
            "Net since 00:00 UTC.",
            "mft_day_pnl",
            [(None, WARN), (0, GOOD)],
        ),
        metric_stat(
            "Drawdown",
            "Peak equity less equity; beside it how near that is to a kill.",
            "mft_drawdown",
            [(None, GOOD)],
        ),
        metric_stat(
            "Open positions", "Now.", "mft_positions", [(None, GOOD)], place=Place(3, 4)
        ),
        metric_stat(
            "Orders in flight",
            "Sent, and not known to have ended.",
            "mft_orders_in_flight",
            [(None, GOOD)],
            place=Place(3, 4),
        ),
        metric_stat(
            "Paused",
            "1: no entries, exits go on.",
            "mft_paused",
            [(None, GOOD), (1, WARN)],
            place=Place(6, 4),
        ),
        metric_bars(
            "Limits",
            "How much of each hard limit is used.",
            {"{{limit}}": "mft_limit_used / mft_limit"},
            _NEAR,
            Place(12, 8),
        ),
        metric_series(
            "Loss today and drawdown against their limits",
            "Reaching a limit kills.",
            {
                "{{limit}}": 'mft_limit_used{limit=~"daily_loss|drawdown"}',
                "{{limit}} kills at": 'mft_limit{limit=~"daily_loss|drawdown"}',
            },
        ),
        sql_series(
            "Equity",
            "Capital and P&L net of fees, open positions included.",
            f"{_TIME} toFloat64(argMax(equity, (received_at, sequence))) AS equity "
            "FROM equity WHERE $__timeFilter(received_at) GROUP BY time ORDER BY time",
        ),
        sql_series(
            "Drawdown over time",
            "The deepest of each interval.",
            f"{_TIME} toFloat64(max(drawdown)) AS drawdown FROM equity "
            "WHERE $__timeFilter(received_at) GROUP BY time ORDER BY time",
        ),
        sql_series(
            "Exposure",
            "What each position cost, after each of its fills.",
            f"{_TIME} symbol, toFloat64(argMax(if(quantity = 0, 0, "
            "entry_notional - exit_notional), (received_at, sequence))) AS exposure "
            "FROM positions "
            f"WHERE $__timeFilter(received_at) AND {OF_SYMBOLS} "
            "GROUP BY time, symbol ORDER BY time",
        ),
        sql_table(
            "Booked beside trades",
            "Funding, transfers, and what could not be explained.",
            """
            SELECT reason, count() AS bookings, sum(amount) AS amount
            FROM cash_movements
            WHERE $__timeFilter(received_at)
            GROUP BY reason
            ORDER BY reason
            """,
        ),
        sql_table(
            "Commands, kills, reconciliation",
            "Who did what, when and why; the newest first.",
            """
            SELECT received_at AS at, event, verb, reason, operator, is_accepted, detail
            FROM risk_events
            WHERE $__timeFilter(received_at)
            ORDER BY received_at DESC
            LIMIT 200
            """,
            place=Place(24, 8),
        ),
        sql_table(
            "Stops at the exchange",
            "Protective stops, the newest first.",
            f"""
            SELECT received_at AS at, symbol, side, trigger_price, status, reason
            FROM protective_stops
            WHERE $__timeFilter(received_at) AND {OF_SYMBOLS}
            ORDER BY received_at DESC
            LIMIT 200
            """,
            place=Place(24, 8),
        ),
    )
