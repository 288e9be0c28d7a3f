"""The description of the interface, and an interface that keeps to it."""

import socket
import threading
from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pytest
import schemathesis
import uvicorn
from hypothesis import HealthCheck, Phase, given, settings

from api.http import guard
from api.http.scans import Scans
from api.http.schema import OPEN, Problem
from api.http.supervisor import Supervisor
from tests.api.http.samples import Api, engine_in
from tests.api.http.test_engine import BOOK, whole_state
from tests.api.http.test_history import archived
from tests.flows.engine_process import wait_for

__all__ = ["archived"]

EXAMPLES = 12
NOTHING = ("true",)
"""A command that does nothing, in the place of engines and scans."""


@pytest.fixture(scope="module")
def served(archived: Path) -> Iterator[tuple[Api, str]]:
    """An API over HTTP: a real archive, a stand-in for the engine, no other process.

    As many wrong tokens as it likes: that they are counted is shown elsewhere.
    """
    state = whole_state() | {"books": {"BTCUSDT": BOOK}}
    with pytest.MonkeyPatch.context() as patch, engine_in(archived, **state):
        patch.setattr(guard, "MOST_FAILURES", 1_000_000)
        api = Api(archived)
        api.desk.supervisor = Supervisor(archived, command=NOTHING)
        api.desk.scans = Scans(archived, command=NOTHING)
        listening = socket.create_server(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{listening.getsockname()[1]}"
        server = uvicorn.Server(uvicorn.Config(api.app, log_config=None))
        thread = threading.Thread(target=server.run, args=([listening],))
        thread.start()
        try:
            wait_for(lambda: api.desk.link.engine)
            yield api, url
        finally:
            server.should_exit = True
            thread.join()


def operations() -> list[tuple[str, str]]:
    """Method and path of everything that is described."""
    with TemporaryDirectory() as folder:
        paths = Api(Path(folder)).app.openapi()["paths"]
    return [(method, path) for path in paths for method in paths[path]]


@pytest.mark.parametrize(("method", "path"), operations())
def test_route_any_request_is_answered_as_described(
    served: tuple[Api, str], method: str, path: str
) -> None:
    api, url = served
    schema = schemathesis.openapi.from_dict(api.app.openapi())
    schema.config.update(base_url=url)
    asked = 0

    @settings(
        max_examples=EXAMPLES,
        deadline=None,
        database=None,
        derandomize=True,
        phases=[Phase.explicit, Phase.generate],
        suppress_health_check=list(HealthCheck),
    )
    @given(case=schema[path][method.upper()].as_strategy())
    def ask(case: Any) -> None:
        nonlocal asked
        asked += 1
        case.call_and_validate(headers=api.bearer("operator"))

    ask()
    assert asked > 0


def test_description_every_error_is_a_problem_and_every_body_has_an_example() -> None:
    with TemporaryDirectory() as folder:
        described = Api(Path(folder)).app.openapi()
    reference = {"$ref": f"#/components/schemas/{Problem.__name__}"}
    for path, methods in described["paths"].items():
        for method, operation in methods.items():
            assert operation["description"], path
            statuses = operation["responses"]
            assert ("401" in statuses) == ((method, path) != ("get", "/health/live"))
            assert (operation.get("security") == []) == ((method, path) in OPEN)
            for status, told in statuses.items():
                if status >= "400" and (path, status) != ("/health/ready", "503"):
                    [(kind, content)] = told["content"].items()
                    assert kind == "application/problem+json"
                    assert content["schema"] == reference
