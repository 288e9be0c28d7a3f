"""Listen key endpoints: the API key alone opens them, without signature or parameters.

Source: Binance USD-M "User Data Streams" REST endpoints.
"""

from connectors.exchange.rest_reply import Params
from connectors.exchange.trading.endpoint import Access, Endpoint, Endpoints
from connectors.exchange.trading.trading import Trading


def _open(trading: Trading, _params: Params) -> object:
    return {"listenKey": trading.stream.open(trading.venue.now_ns)}


def _extend(trading: Trading, _params: Params) -> object:
    return {"listenKey": trading.stream.extend(trading.venue.now_ns)}


def _close(trading: Trading, _params: Params) -> object:
    trading.stream.close()
    return {}


STREAM_ENDPOINTS: Endpoints = {
    ("POST", "/fapi/v1/listenKey"): Endpoint(_open, access=Access.KEY),
    ("PUT", "/fapi/v1/listenKey"): Endpoint(_extend, access=Access.KEY),
    ("DELETE", "/fapi/v1/listenKey"): Endpoint(_close, access=Access.KEY),
}
