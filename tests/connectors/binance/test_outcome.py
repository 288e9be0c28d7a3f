"""What answers say of an order's fate."""

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from connectors.binance.outcome import Outcome, judge
from tests.domain.scene import repeatable


def body(code: int, text: str = "") -> bytes:
    return msgspec.json.encode({"code": code, "msg": text})


@pytest.mark.parametrize(
    ("status", "code", "text", "outcome"),
    [
        (200, 0, "", Outcome.DONE),
        (400, -1000, "", Outcome.UNKNOWN),
        (503, -1000, "Unknown error, please check your request", Outcome.UNKNOWN),
        (503, -1001, "Internal error; unable to process", Outcome.UNKNOWN),
        (408, -1007, "Timeout waiting for response from backend", Outcome.UNKNOWN),
        (400, -1006, "", Outcome.UNKNOWN),
        (400, -4116, "ClientOrderId is duplicated.", Outcome.UNKNOWN),
        (400, -4117, "", Outcome.UNKNOWN),
        (408, 0, "", Outcome.UNKNOWN),
        (429, -1003, "Too many requests", Outcome.LATER),
        (418, -1003, "banned until", Outcome.LATER),
        (503, -1008, "Server is currently overloaded", Outcome.LATER),
        (400, -1015, "Too many new orders", Outcome.LATER),
        (503, -1016, "This service is no longer available.", Outcome.LATER),
        (400, -1021, "Timestamp", Outcome.LATER),
        (400, -5028, "", Outcome.LATER),
        (400, -1022, "Signature", Outcome.REFUSED),
        (401, -2015, "Invalid API-key", Outcome.REFUSED),
        (400, -2010, "", Outcome.REFUSED),
        (400, -2019, "Margin is insufficient.", Outcome.REFUSED),
        (400, -2022, "ReduceOnly Order is rejected.", Outcome.REFUSED),
        (400, -4164, "", Outcome.REFUSED),
        (400, -9999, "a code of tomorrow", Outcome.REFUSED),
    ],
)
def test_judge_documented_answer_is_as_documented(
    status: int, code: int, text: str, outcome: Outcome
) -> None:
    answer = judge(status, body(code, text))
    assert answer.outcome is outcome
    if outcome is not Outcome.DONE:
        assert (answer.code, answer.text) == (code, text)


@pytest.mark.parametrize(
    ("status", "content", "outcome"),
    [
        (503, b"Service Unavailable.", Outcome.LATER),
        (503, b"Service Unavailable.\n", Outcome.LATER),
        (503, b"Service Unavailable", Outcome.UNKNOWN),
        (403, b"<html>forbidden</html>", Outcome.LATER),
        (400, b"<html>bad request</html>", Outcome.UNKNOWN),
        (400, b'{"code": "odd"}', Outcome.UNKNOWN),
        (404, b"{}", Outcome.UNKNOWN),
        (301, b"", Outcome.UNKNOWN),
        (500, b"", Outcome.UNKNOWN),
        (502, b"\xff\xfe", Outcome.UNKNOWN),
        (504, b"[" * 100_000, Outcome.UNKNOWN),
    ],
)
def test_judge_answer_without_a_code_is_believed_only_where_documented(
    status: int, content: bytes, outcome: Outcome
) -> None:
    answer = judge(status, content)
    assert answer.outcome is outcome
    assert len(answer.text) <= 200


@repeatable
@given(st.integers(500, 599), st.integers(-9_999, 0), st.text())
def test_judge_server_error_is_never_taken_for_a_refusal(
    status: int, code: int, text: str
) -> None:
    assert judge(status, body(code, text)).outcome is not Outcome.REFUSED


@repeatable
@given(st.integers(100, 599), st.binary())
def test_judge_any_answer_gives_an_outcome(status: int, content: bytes) -> None:
    is_done = judge(status, content).outcome is Outcome.DONE
    assert is_done == (status == 200)
