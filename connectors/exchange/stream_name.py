"""Names of market streams: what they deliver and on which route."""

import re
from enum import Enum
from functools import lru_cache

from flows.domain.units import NS_PER_MS


class Route(Enum):
    """The path under which a connection was opened."""

    PUBLIC = "public"
    MARKET = "market"
    PRIVATE = "private"
    API = "ws-fapi"
    """The WebSocket API: requests and replies, no streams."""
    UNROUTED = ""
    """`/ws` and `/stream` as before April 2026: public data only, nothing refused."""


_UNNAMED_MS = 250
SPEEDS_MS = (0, 100, _UNNAMED_MS, 500)
"""Depth speeds; each is a chain of ids of its own. The unnamed one has two names."""

PARTIAL_LEVELS = (5, 10, 20)

_PUBLIC = re.compile(r"depth\d*(@\d+ms)?|bookTicker|trade|rpiDepth@500ms")


@lru_cache(maxsize=8_192)
def is_delivered(name: str, route: Route) -> bool:
    """Whether a subscription to `name` on `route` can ever deliver anything.

    A name on the wrong route, or with an uppercase symbol, is acknowledged all the same
    and stays silent.
    """
    is_stream = "@" in name or name.startswith("!")
    if route is Route.PRIVATE or not is_stream:
        return route is Route.PRIVATE and not is_stream  # a listen key, of whomever
    symbol, _, kind = name.partition("@")
    if not name.startswith("!") and symbol != symbol.lower():
        return False
    is_public = name == "!bookTicker" or bool(_PUBLIC.fullmatch(kind))
    if route is Route.UNROUTED:
        return is_public
    return route is (Route.PUBLIC if is_public else Route.MARKET)


@lru_cache(maxsize=4_096)
def depth_names(stream: str, speed_ns: int, levels: int | None) -> tuple[str, ...]:
    """Every name of one depth stream of a symbol."""
    speed_ms = speed_ns // NS_PER_MS
    base = f"{stream}@depth{levels or ''}"
    named = f"{base}@{speed_ms}ms"
    return (base, named) if speed_ms == _UNNAMED_MS else (named,)
