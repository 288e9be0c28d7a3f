"""Account endpoints. Source: Binance USD-M "Account" and "Trade" REST endpoints."""

from decimal import Decimal

import msgspec

from connectors.exchange.rest_reply import Params
from connectors.exchange.trading import user_event
from connectors.exchange.trading.account import ASSET, MAKER_FEE, TAKER_FEE
from connectors.exchange.trading.account_json import (
    account_2,
    account_3,
    balance,
    position_risk,
    position_risk_2,
)
from connectors.exchange.trading.amount import money, trimmed
from connectors.exchange.trading.bracket import (
    BRACKETS,
    HIGHEST_LEVERAGE,
    largest_notional,
)
from connectors.exchange.trading.endpoint import (
    Endpoint,
    Endpoints,
    Window,
    symbol_of,
    symbols_of,
)
from connectors.exchange.trading.order_request import bad, flag_of
from connectors.exchange.trading.trading import Trading

_DONE = {"code": 200, "msg": "success"}
_MARGIN_TYPES = ("ISOLATED", "CROSSED")


def _balance(trading: Trading, _params: Params) -> object:
    return balance(trading.account)


def _account_3(trading: Trading, _params: Params) -> object:
    return account_3(trading.account)


def _account_2(trading: Trading, _params: Params) -> object:
    return account_2(trading.account, list(trading.venue.symbols))


def _position_risk_3(trading: Trading, params: Params) -> object:
    wanted = symbols_of(trading, params)
    return [
        position_risk(position, trading.account)
        for symbol in trading.account.symbols
        if symbol in wanted
        for position in trading.account.positions_of(symbol)
    ]


def _position_risk_2(trading: Trading, params: Params) -> object:
    return [
        position_risk_2(position, trading.account)
        for symbol in symbols_of(trading, params)
        for position in trading.account.positions_of(symbol)
    ]


def _account_config(trading: Trading, _params: Params) -> object:
    return {
        "feeTier": 0,
        "canTrade": True,
        "canDeposit": True,
        "canWithdraw": True,
        "dualSidePosition": trading.account.is_hedged,
        "updateTime": 0,
        "multiAssetsMargin": trading.account.is_multi_assets,
        "tradeGroupId": -1,
    }


def _symbol_config(trading: Trading, params: Params) -> object:
    rows = []
    for symbol in symbols_of(trading, params):
        setting = trading.account.setting(symbol)
        row = {
            "symbol": symbol,
            "marginType": setting.margin_type,
            "isAutoAddMargin": False,
            "leverage": setting.leverage,
            "maxNotionalValue": trimmed(largest_notional(setting.leverage)),
        }
        rows.append(row)
    return rows


def _set_leverage(trading: Trading, params: Params) -> object:
    symbol = symbol_of(trading, params)
    params.required("leverage")
    leverage = params.number("leverage", 0)
    if not 1 <= leverage <= HIGHEST_LEVERAGE:
        raise bad(-4028, f"Leverage {leverage} is not valid")
    account, cap = trading.account, largest_notional(leverage)
    if account.exposure(symbol).whole > cap:
        msg = "Exceeded the maximum allowable position at current leverage."
        raise bad(-2027, msg)
    setting = account.setting(symbol)
    before, setting.leverage = setting.leverage, leverage
    if leverage < before and account.initial_margin > account.equity:
        setting.leverage = before
        msg = "Leverage is smaller than permitted: insufficient margin balance."
        raise bad(-2028, msg)
    event = user_event.leverage_update(symbol, leverage, trading.now_ms)
    trading.stream.tell(event)
    return {"leverage": leverage, "maxNotionalValue": trimmed(cap), "symbol": symbol}


def _set_margin_type(trading: Trading, params: Params) -> object:
    symbol = symbol_of(trading, params)
    wanted = params.required("marginType").upper()
    if wanted not in _MARGIN_TYPES:
        raise bad(-1130, "Data sent for parameter 'marginType' is not valid.")
    setting = trading.account.setting(symbol)
    if setting.margin_type == wanted:
        raise bad(-4046, "No need to change margin type.")
    if trading.ledger.open_of(symbol):
        msg = "Margin type cannot be changed if there exists open orders."
        raise bad(-4047, msg)
    if any(p.amount for p in trading.account.positions_of(symbol)):
        raise bad(-4048, "Margin type cannot be changed if there exists position.")
    if trading.account.is_multi_assets and wanted == "ISOLATED":
        msg = "Unable to adjust to isolated-margin mode under the Multi-Assets mode."
        raise bad(-4168, msg)
    setting.margin_type = wanted
    return _DONE


def _position_mode(trading: Trading, _params: Params) -> object:
    return {"dualSidePosition": trading.account.is_hedged}


def _set_position_mode(trading: Trading, params: Params) -> object:
    params.required("dualSidePosition")
    wanted = flag_of(params, "dualSidePosition")
    account = trading.account
    if wanted is account.is_hedged:
        raise bad(-4059, "No need to change position side.")
    if trading.ledger.open_of("") or trading.algos.waiting():
        msg = "Position side cannot be changed if there exists open orders."
        raise bad(-4067, msg)
    if any(account.held):
        raise bad(-4068, "Position side cannot be changed if there exists position.")
    account.is_hedged = wanted
    return _DONE


def _assets_mode(trading: Trading, _params: Params) -> object:
    return {"multiAssetsMargin": trading.account.is_multi_assets}


def _set_assets_mode(trading: Trading, params: Params) -> object:
    params.required("multiAssetsMargin")
    wanted = flag_of(params, "multiAssetsMargin")
    account = trading.account
    if wanted is account.is_multi_assets:
        msg = "Adjusted asset mode is currently set and does not need to be adjusted "
        raise bad(-4171, msg + "repeatedly.")
    if trading.ledger.open_of(""):
        msg = "Unable to adjust Multi-Assets Mode with open orders in USDⓈ-M Futures."
        raise bad(-4170, msg)
    if any(each.margin_type == "ISOLATED" for each in account.settings.values()):
        msg = (
            "Unable to adjust to Multi-Assets mode with symbols of USDⓈ-M Futures "
            "under isolated-margin mode."
        )
        raise bad(-4167, msg)
    account.is_multi_assets = wanted
    event = user_event.multi_assets_update(trading.now_ms, is_on=wanted)
    trading.stream.tell(event)
    return _DONE


def _brackets(trading: Trading, params: Params) -> object:
    rows = [
        {
            "bracket": bracket.number,
            "initialLeverage": bracket.leverage,
            "notionalCap": int(bracket.cap),
            "notionalFloor": int(bracket.floor),
            "maintMarginRatio": _number(bracket.rate),
            "cum": _number(bracket.cumulated),
        }
        for bracket in BRACKETS
    ]
    return [
        {"symbol": symbol, "notionalCoef": 1, "brackets": rows}
        for symbol in symbols_of(trading, params)
    ]


def _number(value: Decimal) -> msgspec.Raw:
    """A JSON number of all its digits."""
    return msgspec.Raw(trimmed(value).encode())


def _commission_rate(trading: Trading, params: Params) -> object:
    return {
        "symbol": symbol_of(trading, params),
        "makerCommissionRate": trimmed(MAKER_FEE),
        "takerCommissionRate": trimmed(TAKER_FEE),
        "rpiCommissionRate": "0",
    }


def _income(trading: Trading, params: Params) -> object:
    window = Window.of(params, trading.now_ms)
    kind = params.values.get("incomeType", "")
    rows = [
        {
            "symbol": booking.symbol,
            "incomeType": booking.kind,
            "income": money(booking.amount),
            "asset": ASSET,
            "info": booking.kind,
            "time": booking.time_ms,
            "tranId": booking.transaction_id,
            "tradeId": str(booking.trade_id or ""),
        }
        for booking in trading.ledger.bookings
        if kind in {"", booking.kind}
        and params.symbol.upper() in {"", booking.symbol}
        and window.holds(booking.time_ms)
    ]
    return window.cut(rows)


def _adl_quantile(trading: Trading, params: Params) -> object:
    wanted = symbols_of(trading, params)
    return [
        {"symbol": position.symbol, "adlQuantile": {position.side: 0}}
        for position in trading.account.held
        if position.symbol in wanted
    ]


ACCOUNT_ENDPOINTS: Endpoints = {
    ("GET", "/fapi/v2/balance"): Endpoint(_balance, 5),
    ("GET", "/fapi/v3/balance"): Endpoint(_balance, 5),
    ("GET", "/fapi/v2/account"): Endpoint(_account_2, 5),
    ("GET", "/fapi/v3/account"): Endpoint(_account_3, 5),
    ("GET", "/fapi/v2/positionRisk"): Endpoint(_position_risk_2, 5),
    ("GET", "/fapi/v3/positionRisk"): Endpoint(_position_risk_3, 5),
    ("GET", "/fapi/v1/accountConfig"): Endpoint(_account_config, 5),
    ("GET", "/fapi/v1/symbolConfig"): Endpoint(_symbol_config, 5),
    ("POST", "/fapi/v1/leverage"): Endpoint(_set_leverage),
    ("POST", "/fapi/v1/marginType"): Endpoint(_set_margin_type),
    ("GET", "/fapi/v1/positionSide/dual"): Endpoint(_position_mode, 30),
    ("POST", "/fapi/v1/positionSide/dual"): Endpoint(_set_position_mode),
    ("GET", "/fapi/v1/multiAssetsMargin"): Endpoint(_assets_mode, 30),
    ("POST", "/fapi/v1/multiAssetsMargin"): Endpoint(_set_assets_mode),
    ("GET", "/fapi/v1/leverageBracket"): Endpoint(_brackets),
    ("GET", "/fapi/v1/commissionRate"): Endpoint(_commission_rate, 20),
    ("GET", "/fapi/v1/income"): Endpoint(_income, 30),
    ("GET", "/fapi/v1/adlQuantile"): Endpoint(_adl_quantile, 5),
}
