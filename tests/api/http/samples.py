"""An API whose engine is a socket that a test answers at."""

import asyncio
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import msgspec
from starlette.testclient import TestClient

from api.http.app import create_app
from api.http.credentials import Role
from api.http.desk import TOKENS, Desk
from connectors.control.protocol import Handled, Request
from connectors.control.server import ControlServer
from connectors.output import CONTROL
from flows.domain.event import Verb

HOST = "http://127.0.0.1:8080"


class Engine:
    """Stands in an engine's place: keeps what it is told, shows what it is given."""

    def __init__(self, data: Path, state: dict[str, Any]) -> None:
        self.told: list[tuple[str, str, str]] = []
        self.state = state
        self.refuses = ""
        self.server = ControlServer(data / CONTROL, self)
        self._places = 0
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, daemon=True)

    def tell(self, verb: Verb, request: Request) -> int:
        self.told.append((verb.value, request.operator, request.reason))
        self._places += 1
        place = self._places
        self._loop.call_soon(lambda: self._answer(verb, place))
        return place

    def _answer(self, verb: Verb, place: int) -> None:
        handled = Handled(verb, place, not self.refuses, self.refuses)
        self.server.acknowledge(place, handled)

    def status(self) -> bytes:
        return msgspec.json.encode(self.state)

    def open(self) -> None:
        self._thread.start()
        self._do(self.server.open)

    def close(self) -> None:
        self._do(self.server.close)
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()

    def _do(self, work: Callable[[], Any]) -> None:
        asyncio.run_coroutine_threadsafe(work(), self._loop).result(5)


class Api:
    """A client of an API over a directory."""

    def __init__(self, data: Path) -> None:
        (data / TOKENS).unlink(missing_ok=True)
        self.desk = Desk(data)
        self.tokens = {role.value: self.desk.keys.fresh[role] for role in Role}
        self.app = create_app(self.desk)
        self.client = TestClient(self.app, base_url=HOST)

    def ask(self, method: str, path: str, who: str = "", **options: Any) -> Any:
        headers = self.bearer(who) if who else {}
        headers |= options.pop("headers", {})
        return self.client.request(method, path, headers=headers, **options)

    def bearer(self, who: str) -> dict[str, str]:
        return {"Authorization": f"Bearer {self.tokens[who]}"}

    def login(self, who: str) -> dict[str, str]:
        """A page's session; the header that its changes need."""
        told = self.client.post("/session", json={"token": self.tokens[who]})
        assert told.status_code == 200
        return {"X-CSRF-Token": told.json()["csrf"]}


@contextmanager
def serving(data: Path) -> Iterator[Api]:
    """An API that follows the engine of a directory."""
    api = Api(data)
    with api.client:
        yield api


@contextmanager
def engine_in(data: Path, **state: Any) -> Iterator[Engine]:
    """An engine's place, filled."""
    engine = Engine(data, state)
    engine.open()
    try:
        yield engine
    finally:
        engine.close()


def merged(target: Any, patch: Any) -> Any:
    """RFC 7386, section 2."""
    if not isinstance(patch, dict):
        return patch
    result = dict(target) if isinstance(target, dict) else {}
    for name, value in patch.items():
        if value is None:
            result.pop(name, None)
        else:
            result[name] = merged(result.get(name), value)
    return result
