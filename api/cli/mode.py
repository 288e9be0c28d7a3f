"""Where orders go: the mode, its exchange and its keys."""

import os
from typing import TYPE_CHECKING

from flows.domain.errors import ConfigurationError

if TYPE_CHECKING:
    from connectors.binance.signing import Credentials, Mode
    from connectors.binance.transport import Endpoints


def mode_of(text: str) -> "Mode":
    """The mode that a text names. Raises ConfigurationError."""
    from connectors.binance.signing import Mode

    try:
        mode = Mode(text)
    except ValueError:
        known = ", ".join(mode.value for mode in Mode)
        raise ConfigurationError(f"Expected --mode {known}, was {text!r}") from None
    if mode is Mode.LIVE:
        raise ConfigurationError("Live trading needs a permit; none can be issued yet")
    return mode


def endpoints_in(mode: "Mode", exchange: str | None) -> "Endpoints | None":
    """The exchange of a mode. Raises ConfigurationError where one is missing."""
    from connectors.binance.signing import Mode, check_host
    from connectors.binance.transport import DEMO, PRODUCTION, endpoints_of

    if mode is Mode.LOOPBACK and exchange is None:
        raise ConfigurationError("Expected --exchange URL with --mode loopback")
    usual = DEMO if mode is Mode.DEMO else PRODUCTION
    endpoints = usual if exchange is None else endpoints_of(exchange)
    if mode is not Mode.PAPER:
        check_host(mode, endpoints.rest)
        check_host(mode, endpoints.streams)
    return endpoints


def credentials_of(mode: "Mode") -> "Credentials | None":
    """The account's keys, where orders leave; the loopback exchange has usual ones."""
    from connectors.binance.signing import (
        KEY_VARIABLE,
        Credentials,
        Mode,
        credentials_from,
    )

    if mode is Mode.PAPER:
        return None
    if mode is Mode.LOOPBACK and not os.environ.get(KEY_VARIABLE):
        from connectors.exchange.trading.signature import DEFAULT_KEY, DEFAULT_SECRET

        return Credentials(DEFAULT_KEY, DEFAULT_SECRET)
    return credentials_from(os.environ)
