"""Paths, routes and control messages, as the protocol documents them."""

import json
from typing import Any

import pytest

from connectors.exchange.rest_reply import Reply
from connectors.exchange.session import (
    MESSAGES_PER_S,
    QUEUE_LIMIT,
    STREAM_LIMIT,
    Close,
    Cut,
    Ping,
    Pong,
    Session,
)
from flows.domain.units import NS_PER_S
from tests.connectors.exchange.exchange_samples import (
    DEPTH,
    asked,
    connected,
    messages,
    pass_ms,
    quiet_venue,
    received,
    synthetic_venue,
    texts,
)

TRADE, AGGREGATE = "btcusdt@trade", "btcusdt@aggTrade"


@pytest.mark.parametrize(
    ("path", "is_wrapped"),
    [
        (f"/public/ws/{DEPTH}", False),
        (f"/public/ws/{DEPTH}/ethusdt@depth@100ms", False),
        (f"/public/stream?streams={DEPTH}/btcusdt@bookTicker", True),
        (f"/public/stream?streams={DEPTH.replace('@', '%40')}", True),
        (f"/ws/{DEPTH}", False),
        (f"/stream?streams={DEPTH}", True),
    ],
)
def test_connect_each_form_of_path_delivers(path: str, is_wrapped: bool) -> None:
    venue = synthetic_venue()
    session = connected(venue, path)
    pass_ms(venue, 500)
    frames = messages(venue, session)
    assert frames
    assert all(("stream" in frame) == is_wrapped for frame in frames)
    names = {frame["stream"] for frame in frames} if is_wrapped else {DEPTH}
    assert DEPTH in names


@pytest.mark.parametrize("path", ["/", "/public", "/other/ws", "/fapi/v1/depth"])
def test_connect_unknown_path_is_refused(path: str) -> None:
    refused = synthetic_venue().connect(path)
    assert isinstance(refused, Reply)
    assert refused.status == 404


@pytest.mark.parametrize(
    ("route", "name", "is_delivered"),
    [
        ("/public", DEPTH, True),
        ("/public", TRADE, True),
        ("/public", "btcusdt@bookTicker", True),
        ("/public", AGGREGATE, False),
        ("/public", "btcusdt@markPrice@1s", False),
        ("/public", "BTCUSDT@depth@100ms", False),
        ("/public", "nosuch@depth", False),
        ("/public", "nonsense", False),
        ("/market", AGGREGATE, True),
        ("/market", "btcusdt@markPrice@1s", True),
        ("/market", DEPTH, False),
        ("/market", "BTCUSDT@aggTrade", False),
        ("", DEPTH, True),
        ("", AGGREGATE, False),
        ("", "btcusdt@markPrice@1s", False),
        ("/private", DEPTH, False),
    ],
)
def test_subscribe_by_route_acknowledged_and_delivered_or_silent(
    route: str, name: str, is_delivered: bool
) -> None:
    venue = synthetic_venue()
    session = connected(venue, f"{route}/ws")
    answer = asked(venue, session, method="SUBSCRIBE", params=[name], id=1)
    assert answer == {"result": None, "id": 1}
    pass_ms(venue, 8_000)
    assert bool(texts(venue, session)) == is_delivered


@pytest.mark.parametrize("request_id", [1, "7f3c-a-uuid", -4, None, 1.5, [1], {"a": 2}])
def test_subscribe_any_json_id_is_echoed(request_id: Any) -> None:
    venue = synthetic_venue()
    session = connected(venue, "/public/ws")
    answer = asked(venue, session, method="SUBSCRIBE", params=[], id=request_id)
    assert answer == {"result": None, "id": request_id}


def test_unsubscribe_named_stream_ends_it_alone() -> None:
    venue = synthetic_venue()
    session = connected(venue, f"/public/ws/{DEPTH}/{TRADE}")
    session.send(json.dumps({"method": "UNSUBSCRIBE", "params": [DEPTH], "id": 2}))
    assert messages(venue, session) == [{"result": None, "id": 2}]
    pass_ms(venue, 5_000)
    assert {frame["e"] for frame in messages(venue, session)} == {"trade"}


def test_list_subscriptions_keeps_order_and_silent_ones() -> None:
    venue = synthetic_venue()
    session = connected(venue, f"/public/ws/{DEPTH}")
    names = [AGGREGATE, "BTCUSDT@depth"]
    asked(venue, session, method="SUBSCRIBE", params=names, id=1)
    answer = asked(venue, session, method="LIST_SUBSCRIPTIONS", id="x")
    assert answer == {"result": [DEPTH, *names], "id": "x"}


@pytest.mark.parametrize(("form", "before"), [("ws", False), ("stream", True)])
def test_properties_combined_is_read_and_set(form: str, before: bool) -> None:
    venue = synthetic_venue()
    session = connected(venue, f"/public/{form}")
    get = {"method": "GET_PROPERTY", "params": ["combined"]}
    assert asked(venue, session, **get, id=1)["result"] is before
    asked(venue, session, method="SUBSCRIBE", params=[DEPTH], id=2)
    change = {"method": "SET_PROPERTY", "params": ["combined", not before]}
    assert asked(venue, session, **change, id=3) == {"result": None, "id": 3}
    assert asked(venue, session, **get, id=4)["result"] is not before
    pass_ms(venue, 300)
    assert all(("stream" in m) is not before for m in messages(venue, session))


@pytest.mark.parametrize(
    ("text", "code", "message"),
    [
        ("hello", 3, "Invalid JSON: expected value at line 1 column 1"),
        (b"\xff\xfe", 3, "Invalid JSON: expected value at line 1 column 1"),
        ('{"method":"SET_PROPERTY","params":["other",true]}', 0, "Unknown property"),
        ('{"method":"GET_PROPERTY","params":["other"]}', 0, "Unknown property"),
        (
            '{"method":"SET_PROPERTY","params":["combined","yes"]}',
            1,
            "Invalid value type: expected Boolean",
        ),
        (
            '{"method":"SET_PROPERTY","params":["combined"]}',
            1,
            "Invalid value type: expected Boolean",
        ),
        ('{"method":"GET_PROPERTY","params":[1]}', 2, "property name must be a string"),
        ('{"method":"GET_PROPERTY","params":["combined",1]}', 2, "too many parameters"),
        ('{"method":"LIST_SUBSCRIPTIONS","params":[1]}', 2, "too many parameters"),
        ('{"method":"SUBSCRIBE","params":[1]}', 2, "stream name must be a string"),
        ('{"method":"SUBSCRIBE","params":"a"}', 2, "params must be an array"),
        ('{"method":"BUY","id":1}', 2, "unknown variant `BUY`, expected one of "),
        ('{"method":5}', 2, "unknown variant `5`, expected one of "),
        ('{"id":1}', 2, "missing field `method` at line 1 column 8"),
        ("[1]", 2, "expected an object"),
    ],
)
def test_send_bad_message_gets_documented_error(
    text: str | bytes, code: int, message: str
) -> None:
    venue = synthetic_venue()
    session = connected(venue, "/public/ws")
    session.send(text)
    [answer] = messages(venue, session)
    assert answer["code"] == code
    assert message in answer["msg"]
    assert session.is_open


def test_subscribe_beyond_stream_limit_is_refused_whole() -> None:
    venue = synthetic_venue()
    session = connected(venue, "/public/ws")
    names = [f"s{n}@depth" for n in range(STREAM_LIMIT)]
    ok = asked(venue, session, method="SUBSCRIBE", params=names, id=1)
    again = asked(venue, session, method="SUBSCRIBE", params=names[:3], id=2)
    more = asked(venue, session, method="SUBSCRIBE", params=["more@depth"], id=3)
    assert ok["result"] is again["result"] is None
    error = {"code": 4, "msg": "Too many subscriptions"}
    assert more == {"error": error, "id": 3}
    assert len(session.subscriptions) == STREAM_LIMIT


def test_connect_beyond_stream_limit_is_closed() -> None:
    venue = synthetic_venue()
    names = "/".join(f"s{n}@depth" for n in range(STREAM_LIMIT + 1))
    session = connected(venue, f"/public/ws/{names}")
    assert received(venue, session) == [Close(1008, "Too many subscriptions")]


def one_message(session: Session, kind: str) -> bool:
    """Send it; whether the connection stays open."""
    match kind:
        case "text":
            session.send("{}")
        case "ping":
            session.ping()
        case _:
            session.pong()
    return session.is_open


@pytest.mark.parametrize("kind", ["text", "ping", "pong"])
def test_send_eleventh_message_in_a_second_closes_1008(kind: str) -> None:
    venue = synthetic_venue()
    session = connected(venue, "/public/ws")
    stays = [one_message(session, kind) for _ in range(MESSAGES_PER_S + 1)]
    assert stays == [True] * MESSAGES_PER_S + [False]
    assert received(venue, session)[-1] == Close(1008, "Too many requests")
    assert not venue.sessions


def test_send_ten_messages_every_second_stays_open() -> None:
    venue = synthetic_venue()
    session = connected(venue, "/public/ws")
    for _ in range(5):
        for _ in range(MESSAGES_PER_S):
            session.send('{"method":"LIST_SUBSCRIPTIONS","id":1}')
        pass_ms(venue, 1_000)
    assert session.is_open
    assert len(texts(venue, session)) == 5 * MESSAGES_PER_S


def test_ping_from_client_is_answered_with_its_payload() -> None:
    venue = synthetic_venue()
    session = connected(venue, "/public/ws")
    session.ping(b"mine")
    assert received(venue, session) == [Pong(b"mine")]


def test_ping_from_server_every_three_minutes_answer_keeps_open() -> None:
    venue = quiet_venue()
    session = connected(venue, "/public/ws")
    pings = 0
    for _ in range(20):
        venue.advance(venue.now_ns + 180 * NS_PER_S)
        for item in received(venue, session):
            assert isinstance(item, Ping)
            session.pong(item.payload)
            pings += 1
    assert pings == 20
    assert session.is_open


@pytest.mark.parametrize("answer", [None, b"", b"other"])
def test_ping_from_server_without_its_pong_closes(answer: bytes | None) -> None:
    venue = quiet_venue()
    session = connected(venue, "/public/ws")
    for _ in range(5):
        venue.advance(venue.now_ns + 180 * NS_PER_S)
        if answer is not None:
            session.pong(answer)
    items = received(venue, session)
    assert len([item for item in items if isinstance(item, Ping)]) == 1
    assert items[-1] == Close(1008, "Pong timeout")


def test_receive_slow_client_is_cut_at_bound() -> None:
    venue = quiet_venue()
    session = connected(venue, "/public/ws")
    for _ in range(QUEUE_LIMIT + 1):
        session.text(b"{}")
    assert not session.is_open
    assert received(venue, session) == [Cut()]


def test_hang_up_open_session_is_forgotten() -> None:
    venue = synthetic_venue()
    session = connected(venue, f"/public/ws/{DEPTH}")
    session.hang_up()
    pass_ms(venue, 500)
    assert received(venue, session) == []
    assert not venue.sessions
    assert not venue.is_wanted(DEPTH)
