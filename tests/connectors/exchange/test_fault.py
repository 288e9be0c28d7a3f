"""Each fault does what it says, to whom it says, and can be made again."""

import json
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest

from connectors.exchange.fault import INSTANT_KINDS, Kind, fault_of
from connectors.exchange.rest_reply import Reply
from connectors.exchange.session import Close, Cut, Session
from connectors.exchange.venue import LONGEST_CONNECTION_NS, Venue
from flows.domain.errors import ConfigurationError
from flows.domain.symbol_book import BookState
from flows.domain.units import NS_PER_MS
from tests.connectors.exchange.exchange_samples import (
    BTC,
    DEPTH,
    ETH,
    BookClient,
    connected,
    fault,
    messages,
    pass_ms,
    quiet_venue,
    received,
    requested,
    synthetic_venue,
    texts,
)

GUIDE = Path(__file__).resolve().parents[3] / "docs/loopback-exchange.md"
OTHER = "ethusdt@depth@100ms"


def started(
    kind: str, *, to: str = f"/public/ws/{DEPTH}", **parameters: Any
) -> tuple[Venue, Session]:
    """A venue with one connection, a fault in force and nothing yet received."""
    venue = synthetic_venue()
    session = connected(venue, to)
    pass_ms(venue, 1_000)
    received(venue, session)
    venue.order(fault(kind, **parameters))
    venue.advance(venue.now_ns)
    return venue, session


def gaps(frames: list[dict[str, Any]]) -> int:
    return sum(after["pu"] != before["u"] for before, after in pairwise(frames))


@pytest.mark.parametrize("count", [1, 3])
def test_gap_frames_are_lost_and_chain_breaks_once(count: int) -> None:
    venue, session = started("gap", count=count)
    pass_ms(venue, 2_000)
    frames = messages(venue, session)
    assert 18 - count <= len(frames) <= 21 - count
    previous_ids = {frame["pu"] for frame in frames}
    assert previous_ids - {frame["u"] for frame in frames} == {frames[0]["pu"]}
    assert venue.desk.done == {"gap": count}


def test_gap_between_frames_leaves_one_break() -> None:
    venue, session = started("gap", at_ms=1_550)
    pass_ms(venue, 2_000)
    assert gaps(messages(venue, session)) == 1


def test_gap_of_one_symbol_leaves_others_alone() -> None:
    path = f"/public/stream?streams={DEPTH}/{OTHER}"
    venue, session = started("gap", to=path, symbol=BTC, at_ms=1_550, count=2)
    pass_ms(venue, 2_000)
    frames = messages(venue, session)
    by_symbol = {
        symbol: [f["data"] for f in frames if f["data"]["s"] == symbol]
        for symbol in (BTC, ETH)
    }
    assert gaps(by_symbol[BTC]) == 1
    assert gaps(by_symbol[ETH]) == 0


def test_gap_on_one_connection_leaves_the_other_whole() -> None:
    venue = synthetic_venue()
    first = connected(venue, f"/public/ws/{DEPTH}")
    second = connected(venue, f"/public/ws/{DEPTH}")
    venue.order(fault("gap", at_ms=500, connection=2, count=2))
    pass_ms(venue, 2_000)
    assert gaps(messages(venue, first)) == 0
    assert gaps(messages(venue, second)) == 1


def state_after(client: BookClient, milliseconds: int) -> BookState:
    pass_ms(client.venue, milliseconds)
    client.take_in()
    return client.book.state


def test_gap_with_real_book_leaves_synced_and_comes_back() -> None:
    venue = synthetic_venue()
    client = BookClient(venue, DEPTH)
    assert state_after(client, 1_050) is BookState.BRIDGING
    client.snapshot()
    assert state_after(client, 500) is BookState.SYNCED
    venue.order(fault("gap"))
    assert state_after(client, 500) is BookState.GAP
    client.snapshot()
    assert state_after(client, 500) is BookState.SYNCED
    assert client.book.counts.gaps == 1


def test_duplicate_frames_come_twice() -> None:
    venue, session = started("duplicate", count=2)
    pass_ms(venue, 1_000)
    ids = [frame["u"] for frame in messages(venue, session)]
    assert ids[0] == ids[1]
    assert ids[2] == ids[3]
    assert len(ids) == len(set(ids)) + 2


def test_reorder_frame_comes_after_the_next() -> None:
    venue, session = started("reorder")
    pass_ms(venue, 1_000)
    ids = [frame["u"] for frame in messages(venue, session)]
    assert ids[0] > ids[1]
    assert ids[2:] == sorted(ids[2:])
    assert [ids[1], ids[0], *ids[2:]] == sorted(ids)


def test_malformed_frame_is_no_json_once() -> None:
    venue, session = started("malformed")
    pass_ms(venue, 500)
    first, *rest = texts(venue, session)
    with pytest.raises(json.JSONDecodeError):
        json.loads(first)
    assert all(json.loads(text) for text in rest)


def test_malformed_text_given_is_sent_instead() -> None:
    venue, session = started("malformed", text='{"e":"depthUpdate","u":"x"}')
    pass_ms(venue, 500)
    assert texts(venue, session)[0] == b'{"e":"depthUpdate","u":"x"}'


def test_truncated_frame_ends_half_way() -> None:
    path = f"/public/stream?streams={DEPTH}"
    venue, session = started("truncated", to=path)
    pass_ms(venue, 500)
    first = texts(venue, session)[0]
    assert first.startswith(b'{"stream":"btcusdt@depth@100ms","data":{"e":')
    with pytest.raises(json.JSONDecodeError):
        json.loads(first)


def test_silence_one_stream_on_a_live_socket() -> None:
    path = f"/public/stream?streams={DEPTH}/btcusdt@bookTicker"
    venue, session = started("silence", to=path, stream=DEPTH, for_ms=3_000)
    pass_ms(venue, 2_900)
    names = {frame["stream"] for frame in messages(venue, session)}
    assert names == {"btcusdt@bookTicker"}
    pass_ms(venue, 1_100)
    assert DEPTH in {frame["stream"] for frame in messages(venue, session)}


def test_deaf_subscription_is_acknowledged_listed_and_silent() -> None:
    venue = synthetic_venue()
    venue.order(fault("deaf", stream=DEPTH))
    venue.advance(venue.now_ns)
    deaf = connected(venue, f"/public/ws/{DEPTH}")
    healthy = connected(venue, f"/public/ws/{DEPTH}")
    pass_ms(venue, 1_000)
    assert texts(venue, deaf) == []
    assert len(texts(venue, healthy)) > 5
    deaf.send('{"method":"LIST_SUBSCRIPTIONS","id":1}')
    assert messages(venue, deaf) == [{"result": [DEPTH], "id": 1}]


def test_unknown_event_comes_once_on_the_stream() -> None:
    path = f"/public/stream?streams={DEPTH}"
    venue, session = started("unknown_event", to=path, text="somethingNew")
    [event] = messages(venue, session)
    assert event["stream"] == DEPTH
    assert event["data"]["e"] == "somethingNew"


def test_cut_ends_without_close_frame_by_route() -> None:
    venue = synthetic_venue()
    public = connected(venue, f"/public/ws/{DEPTH}")
    market = connected(venue, "/market/ws/btcusdt@aggTrade")
    venue.order(fault("cut", route="public", at_ms=1_000))
    pass_ms(venue, 2_000)
    assert received(venue, public)[-1] == Cut()
    assert not public.is_open
    assert market.is_open
    assert list(venue.sessions) == [market.serial]


@pytest.mark.parametrize(
    ("parameters", "end"),
    [({}, Close(1001, "24 hours are over")), ({"without_close": True}, Cut())],
)
def test_day_cut_ends_as_after_a_day(parameters: dict[str, Any], end: object) -> None:
    venue, session = started("day_cut", **parameters)
    assert received(venue, session)[-1] == end


def test_connect_after_a_day_is_over() -> None:
    venue = quiet_venue()
    session = connected(venue, "/public/ws")
    for hour in range(25):
        assert session.is_open == (hour <= 23)
        for _ in range(20):
            venue.advance(venue.now_ns + LONGEST_CONNECTION_NS // 480)
            for item in received(venue, session):
                session.pong(getattr(item, "payload", b""))
    assert not session.is_open


def test_server_shutdown_is_announced_then_closed() -> None:
    venue, session = started("server_shutdown", delay_ms=2_000)
    first = messages(venue, session)[0]
    assert first["event"]["e"] == "serverShutdown"
    pass_ms(venue, 1_900)
    assert session.is_open
    pass_ms(venue, 200)
    assert received(venue, session)[-1] == Close(1001, "Server shutdown")


def test_refused_connection_for_a_while_then_not() -> None:
    venue, _ = started("refused_connection", for_ms=2_000)
    refused = venue.connect("/public/ws")
    assert isinstance(refused, Reply)
    assert refused.status == 503
    pass_ms(venue, 2_000)
    assert connected(venue, "/public/ws").is_open


def test_latency_delays_and_keeps_the_order() -> None:
    venue, session = started("latency", delay_ms=300, jitter_ms=400, for_ms=3_000)
    sent_ns, arrivals = venue.now_ns, []
    for _ in range(400):
        pass_ms(venue, 10)
        arrivals += [(venue.now_ns, m["u"], m["E"]) for m in messages(venue, session)]
    assert [u for _, u, _ in arrivals] == sorted({u for _, u, _ in arrivals})
    late = [now // NS_PER_MS - event_ms for now, _, event_ms in arrivals]
    assert arrivals[0][0] >= sent_ns + 300 * NS_PER_MS
    assert max(late) > 400
    reply = venue.request("GET", "/fapi/v1/time", {})
    assert reply.delay_ns == 0


def test_latency_of_requests_delays_replies() -> None:
    venue, session = started("latency", delay_ms=300, path="*/time")
    assert venue.request("GET", "/fapi/v1/time", {}).delay_ns == 300 * NS_PER_MS
    assert venue.request("GET", "/fapi/v1/ping", {}).delay_ns == 0
    pass_ms(venue, 200)
    assert texts(venue, session)


def test_latency_of_a_route_leaves_requests_alone() -> None:
    venue, session = started("latency", delay_ms=300, route="public")
    pass_ms(venue, 200)
    assert texts(venue, session) == []
    assert venue.request("GET", "/fapi/v1/ping", {}).delay_ns == 0


def test_slow_snapshot_shows_the_book_of_its_request() -> None:
    venue, _ = started("slow_snapshot", delay_ms=2_000, symbol=BTC)
    other = venue.request("GET", "/fapi/v1/depth", {"symbol": ETH})
    slow = venue.request("GET", "/fapi/v1/depth", {"symbol": BTC})
    again = venue.request("GET", "/fapi/v1/depth", {"symbol": BTC})
    assert [r.delay_ns for r in (other, slow, again)] == [0, 2_000 * NS_PER_MS, 0]
    assert json.loads(slow.body)["lastUpdateId"] == venue.symbols[BTC].true.update_id


def test_old_snapshot_is_the_true_book_of_then() -> None:
    venue = synthetic_venue()
    pass_ms(venue, 3_000)
    _, then = requested(venue, "depth", symbol=BTC, limit="1000")
    pass_ms(venue, 5_000)
    venue.order(fault("old_snapshot", age_ms=5_000, symbol=BTC))
    venue.advance(venue.now_ns)
    _, old = requested(venue, "depth", symbol=BTC, limit="1000")
    _, fresh = requested(venue, "depth", symbol=BTC, limit="1000")
    for key in ("lastUpdateId", "bids", "asks"):
        assert old[key] == then[key]
    assert fresh["lastUpdateId"] > old["lastUpdateId"]


@pytest.mark.parametrize("speed", ["0ms", "100ms", "250ms", "500ms"])
def test_between_snapshot_id_lies_between_two_frames(speed: str) -> None:
    path = f"/public/ws/btcusdt@depth@{speed}"
    venue, session = started("between_snapshot", to=path)
    pass_ms(venue, 33)
    _, body = requested(venue, "depth", symbol=BTC)
    pass_ms(venue, 2_000)
    snapshot_id = body["lastUpdateId"]
    frames = messages(venue, session)
    assert not any(frame["U"] <= snapshot_id <= frame["u"] for frame in frames)
    assert [f for f in frames if f["pu"] <= snapshot_id < f["U"]]
    assert gaps(frames) == 0


@pytest.mark.parametrize(("kind", "status"), [("rate_limit", 429), ("ban", 418)])
def test_limits_ordered_refuse_everything_for_their_time(
    kind: str, status: int
) -> None:
    venue, _ = started(kind, for_ms=3_000)
    reply = venue.request("GET", "/fapi/v1/ping", {})
    assert (reply.status, reply.headers["Retry-After"]) == (status, "3")
    assert json.loads(reply.body)["code"] == -1003
    pass_ms(venue, 3_000)
    assert requested(venue, "ping") == (200, {})


@pytest.mark.parametrize("status", [500, 503])
def test_server_error_so_often_then_not(status: int) -> None:
    venue, _ = started("server_error", status=status, count=2, text="Service down.")
    replies = [venue.request("GET", "/fapi/v1/ping", {}) for _ in range(3)]
    assert [reply.status for reply in replies] == [status, status, 200]
    assert replies[0].body == b"Service down."


def test_clear_faults_in_force_end() -> None:
    venue, session = started("silence", for_ms=60_000)
    venue.desk.clear()
    pass_ms(venue, 500)
    assert len(texts(venue, session)) >= 4


@pytest.mark.parametrize("kind", [kind.value for kind in Kind])
def test_fault_same_seed_goes_wrong_the_same_way(kind: str) -> None:
    def run() -> list[object]:
        venue, session = started(kind, delay_ms=30, jitter_ms=200)
        items: list[object] = []
        for _ in range(20):
            pass_ms(venue, 100)
            items += received(venue, session)
            reply = venue.request("GET", "/fapi/v1/depth", {"symbol": BTC})
            items.append((reply.status, reply.body, reply.delay_ns))
        return [*items, dict(venue.desk.done)]

    assert run() == run()


@pytest.mark.parametrize("kind", sorted(kind.value for kind in INSTANT_KINDS))
def test_fault_at_its_time_and_not_before(kind: str) -> None:
    venue = synthetic_venue(faults=[fault(kind, at_ms=700)])
    connected(venue, f"/public/ws/{DEPTH}")
    pass_ms(venue, 699)
    assert venue.desk.done == {}
    pass_ms(venue, 1)
    assert venue.desk.done == {kind: 1}


@pytest.mark.parametrize(
    ("order", "message"),
    [
        ({"kind": "earthquake"}, "Invalid enum value 'earthquake'"),
        ({}, "missing required field `kind`"),
        ({"kind": "gap", "cuont": 3}, "unknown field `cuont`"),
        ({"kind": "gap", "count": "many"}, "Expected `int | null`"),
        ({"kind": "gap", "count": 0}, "too small"),
        ({"kind": "gap", "at_ms": -1}, "too small"),
        ([], "Expected `object`"),
    ],
)
def test_fault_of_bad_order_says_why(order: object, message: str) -> None:
    with pytest.raises(ConfigurationError, match=message.replace("|", r"\|")):
        fault_of(order)


@pytest.mark.parametrize("kind", [kind.value for kind in Kind])
def test_fault_each_kind_is_documented(kind: str) -> None:
    assert f"\n| `{kind}` | " in GUIDE.read_text(encoding="utf-8")
