"""What an exchange's answer to an order says of its fate: one table.

Money is lost where a failure is believed that was none. So an answer counts as a
refusal only where the documentation says that nothing was executed; everything else
leaves the outcome UNKNOWN until a query or an event tells it. Source: Binance USD-M
"General Info" (HTTP return codes) and "Error Codes".
"""

from enum import Enum

import msgspec


class Outcome(Enum):
    """What is known of a request once it was answered."""

    DONE = "done"
    REFUSED = "refused"
    """Nothing was executed, and the same request would fare no better."""
    LATER = "later"
    """Nothing was executed; the same request may be sent again after a while."""
    UNKNOWN = "unknown"
    """It may have been executed: to be asked for, never to be sent again."""


class Answer(msgspec.Struct, frozen=True):
    """An answer with what it means."""

    outcome: Outcome
    code: int = 0
    """The exchange's error code; 0 where it told none."""
    text: str = ""


class _Error(msgspec.Struct):
    code: int = 0
    msg: str = ""


_decode = msgspec.json.Decoder(_Error).decode

UNKNOWN_ORDER = -2011
"""A cancellation's: not open, so filled, cancelled before, or never there."""
NO_SUCH_ORDER = -2013
"""A query's: never arrived, or not visible yet."""

_UNKNOWN_CODES = frozenset({-1000, -1001, -1006, -1007, -4116, -4117})
"""-4116 is a duplicated id: an earlier copy arrived. -1001 says of itself that it was
not processed; asking is cheap."""
_LATER_CODES = frozenset({-1003, -1008, -1015, -1016, -1021, -5028})
_OK = 200
_CLIENT_ERRORS = range(400, 500)
_REQUEST_TIMEOUT = 408
_TOO_MANY = frozenset({418, 429})
_WEB_FIREWALL = 403
_UNAVAILABLE = 503
_SERVICE_UNAVAILABLE = "Service Unavailable."
_LONGEST_TEXT = 200


def judge(status: int, body: bytes) -> Answer:
    """What an answer to an order request says.

    | answer | outcome |
    |---|---|
    | 200 | DONE |
    | -1000, -1001, -1006, -1007, -4116, -4117; 408 | UNKNOWN |
    | -1003, -1008, -1015, -1016, -1021, -5028; 403, 418, 429 | LATER |
    | 503 "Service Unavailable." | LATER |
    | any other code with 400 to 499 | REFUSED |
    | anything else: 5xx, no JSON, a redirect | UNKNOWN |
    """
    if status == _OK:
        return Answer(Outcome.DONE)
    try:
        error = _decode(body)
    except (msgspec.DecodeError, RecursionError):
        error = _Error(0, body.decode(errors="replace"))
    code, text = error.code, error.msg[:_LONGEST_TEXT]
    return Answer(_outcome_of(status, code, text), code, text)


def _outcome_of(status: int, code: int, text: str) -> Outcome:
    if code in _UNKNOWN_CODES or status == _REQUEST_TIMEOUT:
        return Outcome.UNKNOWN
    if code in _LATER_CODES or status in _TOO_MANY or status == _WEB_FIREWALL:
        return Outcome.LATER
    if status == _UNAVAILABLE and text.strip() == _SERVICE_UNAVAILABLE:
        return Outcome.LATER
    if status in _CLIENT_ERRORS and code < 0:
        return Outcome.REFUSED
    return Outcome.UNKNOWN
