"""Measuring an exchange from outside: how fast it answers and what it delivers."""

import asyncio
import time
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, field

import aiohttp
import msgspec
from websockets.exceptions import WebSocketException

from connectors.binance.budget import USED_WEIGHT
from connectors.binance.feed import TIME_PATH, streams_of
from connectors.binance.message import Data, read_message
from connectors.binance.transport import Endpoints, StraightConnect
from flows.domain.errors import MalformedFrame, MarketDataError
from flows.domain.units import NS_PER_MS

_REQUESTS = 20
_TIMEOUT_S = 10.0
_OK = 200


@dataclass(frozen=True)
class RestProbe:
    """Requests for the time over one kept-alive connection."""

    durations_ns: list[int]
    skew_ms: int
    """Exchange clock minus ours, by the quickest request."""
    used_weight: str
    """What the exchange says we used this minute."""


@dataclass
class StreamProbe:
    """What a route delivered while it was watched."""

    opened_ns: int = 0
    first_data_ns: int | None = None
    """From the handshake to the first data frame."""
    ages_ns: list[int] = field(default_factory=list)
    """Event time to receipt, on the exchange's clock."""
    missing: list[str] = field(default_factory=list)
    """Streams that brought nothing."""


class _Time(msgspec.Struct):
    serverTime: int  # noqa: N815 - the exchange's own name


class _Event(msgspec.Struct):
    E: int | None = None


_decode_time = msgspec.json.Decoder(_Time).decode
_decode_event = msgspec.json.Decoder(_Event).decode


async def measure_rest(endpoints: Endpoints) -> RestProbe:
    """Ask for the time, several times. Raises MarketDataError that says what failed."""
    url = f"{endpoints.rest}{TIME_PATH}"
    durations, skews, weight = [], [], ""
    timeout = aiohttp.ClientTimeout(total=_TIMEOUT_S)
    try:
        async with aiohttp.ClientSession(timeout=timeout, trust_env=False) as session:
            for _ in range(_REQUESTS + 1):
                begun_ns = time.monotonic_ns()
                async with session.get(url, allow_redirects=False) as reply:
                    body = await reply.read()
                duration_ns = time.monotonic_ns() - begun_ns
                if reply.status != _OK:
                    msg = f"{url}: answered HTTP {reply.status}"
                    raise MarketDataError(msg)
                middle_ms = (time.time_ns() - duration_ns // 2) // NS_PER_MS
                skews.append((duration_ns, _decode_time(body).serverTime - middle_ms))
                durations.append(duration_ns)
                weight = reply.headers.get(USED_WEIGHT, "")
    except (aiohttp.ClientError, OSError, TimeoutError) as error:
        msg = f"{url}: cannot be reached: {str(error) or type(error).__name__}"
        raise MarketDataError(msg) from error
    except msgspec.DecodeError as error:
        msg = f"{url}: {error}"
        raise MarketDataError(msg) from error
    return RestProbe(durations[1:], min(skews)[1], weight)  # the first one connects


async def measure_streams(
    endpoints: Endpoints,
    symbols: Sequence[str],
    *,
    seconds: float,
    skew_ms: int,
) -> dict[str, StreamProbe]:
    """Watch the streams of `symbols` on both routes for a while.

    Raises MarketDataError where a route cannot be opened.
    """
    public, market = [], []
    for symbol in symbols:
        on_public, on_market = streams_of(symbol)
        public += on_public
        market += [name for name in on_market if "@markPrice" in name]
    routes = {"public": public, "market": market}
    probes = await asyncio.gather(
        *(
            _watch(endpoints, route, names, seconds, skew_ms)
            for route, names in routes.items()
        )
    )
    return dict(zip(routes, probes, strict=True))


async def _watch(
    endpoints: Endpoints, route: str, names: list[str], seconds: float, skew_ms: int
) -> StreamProbe:
    url = f"{endpoints.streams}/{route}/stream"
    probe, heard = StreamProbe(), set()
    try:
        async with StraightConnect(
            url, compression=None, proxy=None, open_timeout=_TIMEOUT_S, close_timeout=1
        ) as socket:
            probe.opened_ns = time.monotonic_ns()
            order = {"method": "SUBSCRIBE", "params": names, "id": 1}
            await socket.send(msgspec.json.encode(order).decode())
            with suppress(TimeoutError):
                async with asyncio.timeout(seconds):
                    while True:
                        text = await socket.recv(decode=False)
                        heard.add(_take(probe, text, skew_ms))
    except (WebSocketException, OSError, TimeoutError) as error:
        msg = f"{url}: cannot be opened: {str(error) or type(error).__name__}"
        raise MarketDataError(msg) from error
    probe.missing = [name for name in names if name not in heard]
    return probe


def _take(probe: StreamProbe, text: bytes, skew_ms: int) -> str:
    """Count a message; the stream it is of, if it is one of data."""
    now_ns = time.time_ns()
    try:
        message = read_message(text)
    except MalformedFrame:
        return ""
    if not isinstance(message, Data):
        return ""
    if probe.first_data_ns is None:
        probe.first_data_ns = time.monotonic_ns() - probe.opened_ns
    event_ms = _decode_event(message.payload).E
    if event_ms is not None and "@depth" in message.stream:
        probe.ages_ns.append(now_ns + skew_ms * NS_PER_MS - event_ms * NS_PER_MS)
    return message.stream


def in_ms(duration_ns: int) -> str:
    """A duration for people, in ms with two decimals."""
    micros = duration_ns // 1_000
    sign = "-" if micros < 0 else ""
    return f"{sign}{abs(micros) // 1_000}.{abs(micros) % 1_000 // 10:02} ms"


def quantile(durations: Sequence[int], per_mille: int) -> int:
    """The least duration that `per_mille` of them do not exceed."""
    ordered = sorted(durations)
    return ordered[max(-(-len(ordered) * per_mille // 1_000) - 1, 0)]
