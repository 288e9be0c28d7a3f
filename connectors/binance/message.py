"""Messages of a market stream connection: data by stream name, or a word about it."""

import msgspec

from connectors.binance.wire import check_levels, decode
from flows.domain.errors import MalformedFrame
from flows.domain.event import (
    BookTicker,
    DepthDelta,
    DepthSnapshot,
    Event,
    MarketTrade,
)
from flows.domain.frame import RawFrame

_ABSENT = msgspec.Raw(b"")


class _Error(msgspec.Struct):
    code: int
    msg: str = ""


class _Occasion(msgspec.Struct):
    e: str = ""


class _Wire(msgspec.Struct, gc=False):
    stream: str = ""
    data: msgspec.Raw = _ABSENT
    error: _Error | None = None
    event: _Occasion | None = None
    code: int | None = None
    msg: str = ""


class Data(msgspec.Struct, frozen=True, gc=False):
    """A payload of a stream, exactly as received, and what it says."""

    stream: str
    payload: bytes
    event: Event


class Word(msgspec.Struct, frozen=True, gc=False):
    """A message about the connection itself."""

    is_shutdown: bool = False
    """The exchange announces that it is about to end the connection."""
    error: str = ""
    """The exchange refuses a control message."""


_decode = msgspec.json.Decoder(_Wire).decode


def read_message(text: bytes | str) -> Data | Word:
    """Read one message of a `/stream` connection.

    Raises MalformedFrame where it is not JSON, or its payload not what its stream
    promises. Source: Binance USD-M "Websocket Market Streams", combined streams.
    """
    body = text.encode() if isinstance(text, str) else text
    try:
        wire = _decode(body)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        msg = f"not a message of the exchange: {error}"
        raise MalformedFrame(msg) from error
    if wire.stream and wire.data is not _ABSENT:
        payload = bytes(wire.data)
        return Data(wire.stream, payload, read_payload(wire.stream, payload))
    if wire.event is not None:
        return Word(is_shutdown=wire.event.e == "serverShutdown")
    if wire.error is not None:
        return Word(error=f"{wire.error.code} {wire.error.msg}")
    return Word(error="" if wire.code is None else f"{wire.code} {wire.msg}")


def read_payload(stream: str, payload: bytes) -> Event:
    """What a payload says, its numbers checked. Raises MalformedFrame.

    The event bears no time: the frame made of the payload later does.
    """
    event = decode(RawFrame(0, stream, payload))
    if isinstance(event, DepthDelta | DepthSnapshot):
        try:
            check_levels(event.bids)
            check_levels(event.asks)
        except ValueError as error:
            msg = f"malformed {stream} frame: {error}"
            raise MalformedFrame(msg) from error
    return event


def id_of(event: Event) -> int | None:
    """The id by which events of a stream are ordered, where they have one."""
    match event:
        case DepthDelta():
            return event.last_id
        case BookTicker():
            return event.update_id
        case MarketTrade():
            return event.trade_id
    return None
