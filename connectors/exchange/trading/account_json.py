"""Balances, positions and the account, as REST and the WebSocket API write them."""

from typing import Any

from connectors.exchange.trading.account import ASSET, Account
from connectors.exchange.trading.amount import money, times, trimmed
from connectors.exchange.trading.bracket import largest_notional
from connectors.exchange.trading.position import Position

Json = dict[str, Any]
_ALIAS = "SgsRfWmYsRXq"


def balance(account: Account) -> list[Json]:
    """`balance`, one row an asset; versions 2 and 3 are alike."""
    available = money(account.available)
    return [
        {
            "accountAlias": _ALIAS,
            "asset": ASSET,
            "balance": money(account.wallet),
            "crossWalletBalance": money(account.wallet),
            "crossUnPnl": money(account.unrealised),
            "availableBalance": available,
            "maxWithdrawAmount": available,
            "marginAvailable": True,
            "updateTime": account.updated_ms,
        }
    ]


def account_3(account: Account) -> Json:
    """`account` of version 3: positions only where there is one, or an order."""
    sums = _sums(account)
    return {
        "totalInitialMargin": sums["initialMargin"],
        "totalMaintMargin": sums["maintMargin"],
        "totalWalletBalance": sums["walletBalance"],
        "totalUnrealizedProfit": sums["unrealizedProfit"],
        "totalMarginBalance": sums["marginBalance"],
        "totalPositionInitialMargin": sums["positionInitialMargin"],
        "totalOpenOrderInitialMargin": sums["openOrderInitialMargin"],
        "totalCrossWalletBalance": sums["crossWalletBalance"],
        "totalCrossUnPnl": sums["crossUnPnl"],
        "availableBalance": sums["availableBalance"],
        "maxWithdrawAmount": sums["maxWithdrawAmount"],
        "assets": [
            {
                "asset": ASSET,
                **sums,
                "marginAvailable": True,
                "updateTime": account.updated_ms,
            }
        ],
        "positions": [
            _account_position(position, account)
            for symbol in account.symbols
            for position in account.positions_of(symbol)
        ],
    }


def account_2(account: Account, symbols: list[str]) -> Json:
    """`account` of version 2: every symbol, with the account's permissions."""
    return {
        "feeTier": 0,
        "feeBurn": False,
        "canTrade": True,
        "canDeposit": True,
        "canWithdraw": True,
        "updateTime": 0,
        "multiAssetsMargin": account.is_multi_assets,
        "tradeGroupId": -1,
        **account_3(account),
        "positions": [
            {
                **_account_position(position, account),
                "leverage": str(account.setting(symbol).leverage),
                "isolated": account.setting(symbol).margin_type == "ISOLATED",
                "entryPrice": trimmed(position.entry_price),
                "breakEvenPrice": trimmed(position.break_even_price),
                "maxNotional": trimmed(
                    largest_notional(account.setting(symbol).leverage)
                ),
                **_order_notionals(account, symbol),
            }
            for symbol in symbols
            for position in account.positions_of(symbol)
        ],
    }


def _sums(account: Account) -> Json:
    available = money(account.available)
    position_margin, initial = account.position_margin, account.initial_margin
    return {
        "walletBalance": money(account.wallet),
        "unrealizedProfit": money(account.unrealised),
        "marginBalance": money(account.equity),
        "maintMargin": money(account.maintenance),
        "initialMargin": money(initial),
        "positionInitialMargin": money(position_margin),
        "openOrderInitialMargin": money(initial - position_margin),
        "crossWalletBalance": money(account.wallet),
        "crossUnPnl": money(account.unrealised),
        "availableBalance": available,
        "maxWithdrawAmount": available,
    }


def _account_position(position: Position, account: Account) -> Json:
    symbol = position.symbol
    mark = account.mark(symbol)
    return {
        "symbol": symbol,
        "positionSide": position.side,
        "positionAmt": trimmed(position.amount),
        "unrealizedProfit": money(position.unrealised(mark)),
        "isolatedMargin": "0",
        "notional": trimmed(times(position.amount, mark)),
        "isolatedWallet": "0",
        **_margins(position, account),
        "updateTime": position.updated_ms,
    }


def _margins(position: Position, account: Account) -> Json:
    symbol = position.symbol
    whole, held = account.margin_of(symbol), account.position_margin_of(symbol)
    return {
        "initialMargin": money(whole),
        "maintMargin": money(account.maintenance_of(position)),
        "positionInitialMargin": money(held),
        "openOrderInitialMargin": money(whole - held),
    }


def _order_notionals(account: Account, symbol: str) -> Json:
    exposure = account.exposure(symbol)
    return {
        "bidNotional": trimmed(exposure.bids),
        "askNotional": trimmed(exposure.asks),
    }


def position_risk(position: Position, account: Account) -> Json:
    """`positionRisk` of version 3."""
    symbol = position.symbol
    mark = account.mark(symbol)
    return {
        "symbol": symbol,
        "positionSide": position.side,
        "positionAmt": trimmed(position.amount),
        "entryPrice": trimmed(position.entry_price),
        "breakEvenPrice": trimmed(position.break_even_price),
        "markPrice": money(mark),
        "unRealizedProfit": money(position.unrealised(mark)),
        "liquidationPrice": trimmed(account.liquidation_price(position)),
        "isolatedMargin": "0",
        "notional": trimmed(times(position.amount, mark)),
        "marginAsset": ASSET,
        "isolatedWallet": "0",
        **_margins(position, account),
        "adl": 0,
        **_order_notionals(account, symbol),
        "updateTime": position.updated_ms,
    }


def position_risk_2(position: Position, account: Account) -> Json:
    """`positionRisk` of version 2: with what version 3 leaves to `symbolConfig`."""
    setting = account.setting(position.symbol)
    row = position_risk(position, account)
    shared = ("symbol", "positionSide", "positionAmt", "entryPrice", "breakEvenPrice")
    more = ("markPrice", "unRealizedProfit", "liquidationPrice", "isolatedMargin")
    rest = ("notional", "isolatedWallet", "updateTime")
    return {
        **{name: row[name] for name in (*shared, *more, *rest)},
        "leverage": str(setting.leverage),
        "maxNotionalValue": trimmed(largest_notional(setting.leverage)),
        "marginType": "isolated" if setting.margin_type == "ISOLATED" else "cross",
        "isAutoAddMargin": "false",
    }
