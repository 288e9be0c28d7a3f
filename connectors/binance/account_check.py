"""What the account must be before the first order: asked once, refused in words.

Source: Binance USD-M "Get Current Position Mode", "User Commission Rate", "Symbol
Configuration", "Futures Account Balance V3".
"""

import asyncio
from collections.abc import Callable, Sequence
from decimal import Decimal

import msgspec

from connectors.binance.account_client import AccountClient
from connectors.binance.signing import Signer
from connectors.binance.wallet import QUOTE_ASSET
from flows.domain.errors import ConfigurationError
from flows.domain.units import BPS

_TIMEOUT_S = 10.0


class AccountTerms(msgspec.Struct, frozen=True):
    """What the exchange grants the account."""

    wallet: Decimal
    """Balance in the quote asset."""
    taker_fee_bps: Decimal
    """The highest of the symbols asked for."""
    leverage: dict[str, int]


class _Mode(msgspec.Struct):
    dualSidePosition: bool  # noqa: N815 - the exchange's own name


class _Rate(msgspec.Struct):
    takerCommissionRate: Decimal  # noqa: N815 - the exchange's own name


class _Balance(msgspec.Struct):
    asset: str
    balance: Decimal


class _SymbolConfig(msgspec.Struct):
    symbol: str
    leverage: int


def read_account(
    signer: Signer, base: str, symbols: Sequence[str], clock: Callable[[], int]
) -> AccountTerms:
    """The account's terms; sets the signer's skew to the exchange's clock.

    Raises ConfigurationError where it cannot be traded on, and MarketDataError where
    the exchange gives no usable answer.
    """
    return asyncio.run(_terms(signer, base, symbols, clock))


async def _terms(
    signer: Signer, base: str, symbols: Sequence[str], clock: Callable[[], int]
) -> AccountTerms:
    async with AccountClient(signer, base, clock, timeout_s=_TIMEOUT_S) as client:
        await client.measure_skew()
        mode = await client.get("/fapi/v1/positionSide/dual", _Mode)
        if mode.dualSidePosition:
            msg = "Expected an account in one-way mode, was in hedge mode"
            raise ConfigurationError(msg)
        balances = await client.get("/fapi/v3/balance", list[_Balance])
        configs = await client.get("/fapi/v1/symbolConfig", list[_SymbolConfig])
        rates = [
            await client.get("/fapi/v1/commissionRate", _Rate, {"symbol": symbol})
            for symbol in symbols
        ]
    wallet = sum((b.balance for b in balances if b.asset == QUOTE_ASSET), Decimal(0))
    return AccountTerms(
        wallet=wallet,
        taker_fee_bps=max(rate.takerCommissionRate for rate in rates) * BPS,
        leverage={c.symbol: c.leverage for c in configs if c.symbol in symbols},
    )
