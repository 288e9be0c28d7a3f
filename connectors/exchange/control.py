"""Control messages of a market stream connection, and what the exchange answers.

Names are taken as they come: the exchange acknowledges what it will never deliver. Any
JSON value serves as `id`, because the official SDK sends UUID strings. Source: Binance
USD-M "Live Subscribing/Unsubscribing to streams".
"""

from collections.abc import Callable
from typing import Any, Protocol

import msgspec

_METHODS = (
    "SUBSCRIBE",
    "UNSUBSCRIBE",
    "LIST_SUBSCRIPTIONS",
    "SET_PROPERTY",
    "GET_PROPERTY",
)
_UNKNOWN_PROPERTY = {"code": 0, "msg": "Unknown property"}
_NO_BOOLEAN = {"code": 1, "msg": "Invalid value type: expected Boolean"}
_NO_JSON = {"code": 3, "msg": "Invalid JSON: expected value at line 1 column 1"}

Params = list[Any]
_Answer = dict[str, Any]


class Subscriber(Protocol):
    """What a control message may ask of its connection."""

    subscriptions: dict[str, None]
    is_combined: bool

    def text(self, body: bytes) -> None:
        """Send to the client."""

    def subscribe(self, names: list[str]) -> bool:
        """Add streams; False where they would be too many."""

    def unsubscribe(self, names: list[str]) -> None:
        """Remove streams."""


class _Refusal(Exception):  # noqa: N818 - an answer of the protocol, no failure
    def __init__(self, reply: dict[str, Any]) -> None:
        super().__init__(reply)
        self.reply = reply


def answer(subscriber: Subscriber, text: str | bytes) -> None:
    """Do what a client's message asks, and reply."""
    try:
        reply = _reply(subscriber, text)
    except _Refusal as refusal:
        reply = refusal.reply
    subscriber.text(msgspec.json.encode(reply))


def _reply(subscriber: Subscriber, text: str | bytes) -> dict[str, Any]:
    try:
        message = msgspec.json.decode(text)
    except (msgspec.DecodeError, UnicodeDecodeError):
        raise _Refusal(_NO_JSON) from None
    if not isinstance(message, dict):
        raise _invalid("expected an object")
    method, request_id = message.get("method"), message.get("id")
    if method is None:
        raise _invalid(f"missing field `method` at line 1 column {len(text)}")
    handle = _HANDLERS.get(method) if isinstance(method, str) else None
    if handle is None:
        variants = ", ".join(f"`{name}`" for name in _METHODS)
        raise _invalid(f"unknown variant `{method}`, expected one of {variants}")
    params = message.get("params", [])
    if not isinstance(params, list):
        raise _invalid("params must be an array")
    return handle(subscriber, params, request_id)


def _invalid(what: str) -> _Refusal:
    return _Refusal({"code": 2, "msg": f"Invalid request: {what}"})


def _names(params: Params) -> list[str]:
    if not all(isinstance(name, str) for name in params):
        raise _invalid("stream name must be a string")
    return params


def _subscribe(subscriber: Subscriber, params: Params, request_id: object) -> _Answer:
    if not subscriber.subscribe(_names(params)):
        error = {"code": 4, "msg": "Too many subscriptions"}
        return {"error": error, "id": request_id}
    return {"result": None, "id": request_id}


def _unsubscribe(subscriber: Subscriber, params: Params, request_id: object) -> _Answer:
    subscriber.unsubscribe(_names(params))
    return {"result": None, "id": request_id}


def _list_subscriptions(
    subscriber: Subscriber, params: Params, request_id: object
) -> _Answer:
    if params:
        raise _invalid("too many parameters")
    return {"result": list(subscriber.subscriptions), "id": request_id}


def _set_property(
    subscriber: Subscriber, params: Params, request_id: object
) -> _Answer:
    _check_property(params, 2)
    if not isinstance(params[1], bool):
        raise _Refusal(_NO_BOOLEAN)
    subscriber.is_combined = params[1]
    return {"result": None, "id": request_id}


def _get_property(
    subscriber: Subscriber, params: Params, request_id: object
) -> _Answer:
    _check_property(params, 1)
    return {"result": subscriber.is_combined, "id": request_id}


def _check_property(params: Params, expected: int) -> None:
    if not params or not isinstance(params[0], str):
        raise _invalid("property name must be a string")
    if len(params) > expected:
        raise _invalid("too many parameters")
    if params[0] != "combined":
        raise _Refusal(_UNKNOWN_PROPERTY)
    if len(params) < expected:
        raise _Refusal(_NO_BOOLEAN)


_Handler = Callable[[Subscriber, Params, object], _Answer]
_HANDLERS: dict[str, _Handler] = dict(
    zip(
        _METHODS,
        (_subscribe, _unsubscribe, _list_subscriptions, _set_property, _get_property),
        strict=True,
    )
)
