"""Events of the user data stream, as Binance USD-M sends them in 2026.

Field order follows captured events: `e`, `T`, `E`, then the body.
"""

from collections.abc import Iterable
from decimal import Decimal
from typing import Any

from connectors.exchange.trading.account import ASSET, Account
from connectors.exchange.trading.amount import ZERO, money, times, trimmed
from connectors.exchange.trading.ledger import Fill
from connectors.exchange.trading.own_order import OwnOrder, Side
from connectors.exchange.trading.position import Position
from connectors.exchange.trading.scale import Scale

Json = dict[str, Any]


def order_update(
    order: OwnOrder,
    scale: Scale,
    account: Account,
    *,
    execution: str,
    now_ms: int,
    fill: Fill | None = None,
) -> Json:
    """ORDER_TRADE_UPDATE; `execution` is its `x`."""
    terms = order.terms
    bids, asks = _open_notionals(account, terms.symbol)
    body: Json = {
        "s": terms.symbol,
        "c": terms.client_order_id,
        "S": terms.side,
        "o": terms.order_type,
        "f": terms.time_in_force,
        "q": scale.quantity(terms.quantity),
        "p": scale.price(terms.price),
        "ap": scale.average(order.average) if order.executed else "0",
        "sp": scale.price(terms.stop_price),
        "x": execution,
        "X": order.status,
        "i": order.order_id,
        "l": scale.quantity(fill.quantity if fill else ZERO),
        "z": scale.quantity(order.executed),
        "L": scale.price(fill.price if fill else ZERO),
        "n": trimmed(fill.commission) if fill else "0",
        "N": ASSET,
        "T": now_ms,
        "t": fill.trade_id if fill else 0,
        "b": trimmed(bids),
        "a": trimmed(asks),
        "m": bool(fill and fill.is_maker),
        "R": terms.is_reduce_only,
        "wt": terms.working_type,
        "ot": terms.original_type,
        "ps": terms.position_side,
        "cp": terms.closes_position,
        "rp": trimmed(fill.realised) if fill else "0",
        "pP": terms.is_price_protected,
        "si": 0,
        "ss": 0,
        "V": terms.self_trade,
        "pm": terms.price_match,
        "gtd": terms.good_till_ms,
        "er": order.reason,
    }
    if execution == "AMENDMENT":
        body["M"] = str(order.amendments)
    return {"e": "ORDER_TRADE_UPDATE", "T": now_ms, "E": now_ms, "o": body}


def _open_notionals(account: Account, symbol: str) -> tuple[Decimal, Decimal]:
    bids = asks = ZERO
    for order in account.ledger.open_of(symbol):
        worth = times(order.remaining, order.terms.price)
        if order.terms.side is Side.BUY:
            bids += worth
        else:
            asks += worth
    return bids, asks


def trade_lite(order: OwnOrder, fill: Fill, scale: Scale) -> Json:
    """TRADE_LITE: the short form of a fill, ahead of the others."""
    terms = order.terms
    return {
        "e": "TRADE_LITE",
        "E": fill.time_ms,
        "T": fill.time_ms,
        "s": terms.symbol,
        "q": scale.quantity(terms.quantity),
        "p": scale.price(terms.price),
        "m": fill.is_maker,
        "c": terms.client_order_id,
        "S": terms.side,
        "L": scale.price(fill.price),
        "l": scale.quantity(fill.quantity),
        "t": fill.trade_id,
        "i": order.order_id,
    }


def account_update(
    account: Account,
    reason: str,
    positions: Iterable[Position],
    *,
    change: Decimal,
    now_ms: int,
) -> Json:
    """ACCOUNT_UPDATE; `change` is what came in without trading (`bc`)."""
    wallet = money(account.wallet)
    balance = {"a": ASSET, "wb": wallet, "cw": wallet, "bc": trimmed(change)}
    body: Json = {
        "B": [balance],
        "P": [_position(position, account) for position in positions],
        "m": reason,
    }
    return {"e": "ACCOUNT_UPDATE", "T": now_ms, "E": now_ms, "a": body}


def _position(position: Position, account: Account) -> Json:
    margin_type = account.setting(position.symbol).margin_type
    return {
        "s": position.symbol,
        "pa": trimmed(position.amount),
        "ep": trimmed(position.entry_price),
        "cr": trimmed(position.realised),
        "up": money(position.unrealised(account.mark(position.symbol))),
        "mt": "isolated" if margin_type == "ISOLATED" else "cross",
        "iw": "0",
        "ps": position.side,
        "ma": ASSET,
        "bep": trimmed(position.break_even_price),
    }


def margin_call(account: Account, now_ms: int) -> Json:
    """MARGIN_CALL: the account nears its liquidation."""
    positions = [
        {
            "s": position.symbol,
            "ps": position.side,
            "pa": trimmed(position.amount),
            "mt": account.setting(position.symbol).margin_type,
            "iw": "0",
            "mp": trimmed(account.mark(position.symbol)),
            "up": money(position.unrealised(account.mark(position.symbol))),
            "mm": money(account.maintenance_of(position)),
        }
        for position in account.held
    ]
    wallet = money(account.wallet)
    return {"e": "MARGIN_CALL", "E": now_ms, "cw": wallet, "p": positions}


def leverage_update(symbol: str, leverage: int, now_ms: int) -> Json:
    """ACCOUNT_CONFIG_UPDATE of a symbol's leverage."""
    change = {"s": symbol, "l": leverage}
    return {"e": "ACCOUNT_CONFIG_UPDATE", "E": now_ms, "T": now_ms, "ac": change}


def multi_assets_update(now_ms: int, *, is_on: bool) -> Json:
    """ACCOUNT_CONFIG_UPDATE of the account's assets mode."""
    change = {"j": is_on}
    return {"e": "ACCOUNT_CONFIG_UPDATE", "E": now_ms, "T": now_ms, "ai": change}


def listen_key_expired(listen_key: str, now_ms: int) -> Json:
    """The last event of a listen key."""
    return {"e": "listenKeyExpired", "E": now_ms, "listenKey": listen_key}
