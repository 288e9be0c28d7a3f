"""The exchange's own record of the account, for tests that compare it with theirs."""

from typing import Any

from connectors.exchange.trading.account_json import position_risk
from connectors.exchange.trading.algo_order import algo_record
from connectors.exchange.trading.amount import money
from connectors.exchange.trading.order_json import fill_record, order_record
from connectors.exchange.trading.trading import Trading


def account_report(trading: Trading) -> dict[str, Any]:
    """Wallet, positions, and every order, fill and booking since the start."""
    account, ledger, scales = trading.account, trading.ledger, trading.execution.scales
    return {
        "time_ms": trading.now_ms,
        "wallet": money(account.wallet),
        "equity": money(account.equity),
        "available": money(account.available),
        "maintenance": money(account.maintenance),
        "positions": [position_risk(position, account) for position in account.held],
        "orders": [
            {
                **order_record(order, scales[order.terms.symbol]),
                "expireReason": order.reason,
                "isForced": order.is_forced,
                "queueAhead": order.place.ahead if order.place else None,
            }
            for order in ledger.orders.values()
        ],
        "algoOrders": [
            algo_record(algo, scales[algo.terms.symbol])
            for algo in trading.algos.algos.values()
        ],
        "fills": [fill_record(fill, scales[fill.symbol]) for fill in ledger.fills],
        "bookings": [
            {
                "kind": booking.kind,
                "amount": money(booking.amount),
                "symbol": booking.symbol,
                "tradeId": booking.trade_id,
                "time": booking.time_ms,
            }
            for booking in ledger.bookings
        ],
        "listenKey": trading.stream.key,
        "userEvents": trading.stream.sent,
        "countdowns": sorted(trading.switch.armed),
    }
