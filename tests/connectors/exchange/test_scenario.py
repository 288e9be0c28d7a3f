"""Scenario files, random scenarios and the administration of faults."""

import json
from pathlib import Path

import pytest

from connectors.exchange.admin import admin_reply
from connectors.exchange.fault import Fault, Kind
from connectors.exchange.scenario import random_faults, read_scenario
from flows.domain.errors import ConfigurationError
from tests.connectors.exchange.exchange_samples import (
    BTC,
    DEPTH,
    ETH,
    connected,
    pass_ms,
    synthetic_venue,
)

TOML = """
[[fault]]
at_ms = 2000
kind = "cut"
route = "public"

[[fault]]
at_ms = 1000
kind = "gap"
symbol = "BTCUSDT"
count = 2
"""
LINES = """
{"kind": "cut", "at_ms": 2000, "route": "public"}

{"kind": "gap", "at_ms": 1000, "symbol": "BTCUSDT", "count": 2}
"""
FAULTS = [
    Fault(Kind.GAP, at_ms=1_000, symbol=BTC, count=2),
    Fault(Kind.CUT, at_ms=2_000, route="public"),
]


@pytest.mark.parametrize("text", [TOML, LINES])
def test_read_scenario_either_form_same_faults(tmp_path: Path, text: str) -> None:
    file = tmp_path / "scenario"
    file.write_text(text)
    assert read_scenario(file, [BTC], seed=0) == FAULTS


def test_read_scenario_random_table_draws_by_seed(tmp_path: Path) -> None:
    file = tmp_path / "scenario.toml"
    file.write_text("[random]\nfaults = 30\nover_ms = 60000\n" + TOML)
    drawn = read_scenario(file, [BTC, ETH], seed=3)
    assert len(drawn) == 32
    assert set(FAULTS) < set(drawn)
    assert drawn == read_scenario(file, [BTC, ETH], seed=3)
    assert drawn != read_scenario(file, [BTC, ETH], seed=4)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("[[fault]]\nkind = 'gapp'", "Invalid enum value 'gapp'"),
        ('{"kind": "gap"}\n{"kind": "gap", "x": 1}', "line 2: Not a fault"),
        ('{"kind": "gap"}\n{', "line 2: "),
        ("fault = ", "not a scenario"),
        ("[[faults]]\nkind = 'gap'", "Unknown tables: faults"),
        ("[random]\nfaults = 3", "missing required field `over_ms`"),
    ],
)
def test_read_scenario_damaged_names_file_and_cause(
    tmp_path: Path, text: str, message: str
) -> None:
    file = tmp_path / "scenario"
    file.write_text(text)
    with pytest.raises(ConfigurationError, match=message) as caught:
        read_scenario(file, [BTC], seed=0)
    assert str(caught.value).startswith(str(file))


def test_read_scenario_absent_file_is_bad_configuration(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match="No such file"):
        read_scenario(tmp_path / "none", [BTC], seed=0)


def test_random_faults_one_a_kind_hold_every_kind() -> None:
    for seed in range(20):
        faults = random_faults([BTC, ETH], seed=seed, count=len(Kind), over_ms=600_000)
        assert {fault.kind for fault in faults} == set(Kind)
        assert [f.at_ms for f in faults] == sorted(f.at_ms for f in faults)


def test_random_faults_venue_survives_all_of_them() -> None:
    faults = random_faults([BTC, ETH], seed=1, count=2 * len(Kind), over_ms=15_000)
    venue = synthetic_venue(faults=faults)
    for _ in range(40):
        if not venue.sessions:
            venue.connect(f"/public/ws/{DEPTH}")
        pass_ms(venue, 500)
        venue.request("GET", "/fapi/v1/depth", {"symbol": BTC})
    assert len(venue.desk.done) >= 8


def test_admin_faults_posted_happen_now() -> None:
    venue = synthetic_venue()
    session = connected(venue, f"/public/ws/{DEPTH}")
    body = json.dumps([{"kind": "cut"}, {"kind": "gap", "at_ms": 60_000}]).encode()
    reply = admin_reply(venue, "POST", "/admin/faults", {}, body)
    assert (reply.status, json.loads(reply.body)) == (200, {"ordered": 2})
    assert not session.is_open
    state = json.loads(admin_reply(venue, "GET", "/admin/state", {}).body)
    assert state["faults_done"] == {"cut": 1}


@pytest.mark.parametrize("body", [b"", b"{", b'{"kind":"nope"}', b'[{"x":1}]', b"\xff"])
def test_admin_faults_damaged_order_changes_nothing(body: bytes) -> None:
    venue = synthetic_venue()
    reply = admin_reply(venue, "POST", "/admin/faults", {}, body)
    assert reply.status == 400
    assert json.loads(reply.body)["msg"]
    assert venue.desk.active == []


def test_admin_faults_cleared_are_gone() -> None:
    venue = synthetic_venue()
    order = b'{"kind":"silence","for_ms":60000}'
    admin_reply(venue, "POST", "/admin/faults", {}, order)
    state = json.loads(admin_reply(venue, "GET", "/admin/state", {}).body)
    assert [fault["kind"] for fault in state["faults_active"]] == ["silence"]
    admin_reply(venue, "DELETE", "/admin/faults", {})
    assert venue.desk.active == []


def test_admin_book_at_an_earlier_id_is_that_book() -> None:
    venue = synthetic_venue()
    pass_ms(venue, 1_000)
    params = {"symbol": BTC}
    then = json.loads(admin_reply(venue, "GET", "/admin/book", params).body)
    pass_ms(venue, 3_000)
    at = params | {"update_id": str(then["lastUpdateId"])}
    assert json.loads(admin_reply(venue, "GET", "/admin/book", at).body) == then
    top = json.loads(admin_reply(venue, "GET", "/admin/book", at | {"limit": "3"}).body)
    assert top["bids"] == then["bids"][:3]


@pytest.mark.parametrize(
    ("method", "path", "params", "status"),
    [
        ("GET", "/admin/book", {}, 400),
        ("GET", "/admin/book", {"symbol": "NOPE"}, 400),
        ("GET", "/admin/book", {"symbol": BTC, "update_id": "5"}, 404),
        ("GET", "/admin/book", {"symbol": BTC, "update_id": "9" * 18}, 404),
        ("GET", "/admin/nothing", {}, 404),
        ("PUT", "/admin/faults", {}, 404),
    ],
)
def test_admin_bad_request_is_refused(
    method: str, path: str, params: dict[str, str], status: int
) -> None:
    assert admin_reply(synthetic_venue(), method, path, params).status == status


def test_admin_state_counts_what_happened() -> None:
    venue = synthetic_venue()
    connected(venue, f"/public/stream?streams={DEPTH}")
    pass_ms(venue, 1_000)
    venue.request("GET", "/fapi/v1/time", {})
    state = json.loads(admin_reply(venue, "GET", "/admin/state", {}).body)
    [connection] = state["connections"]
    assert connection["streams"] == [DEPTH]
    assert connection["sent"] == connection["waiting"] == state["published"]
    assert (state["requests"], state["uptime_s"]) == (1, 1)
    assert state["used_weight"] == {"127.0.0.1": 1}
    assert set(state["symbols"]) == {BTC, ETH}
