"""A control server on a loop of its own, before an engine that tests play."""

import asyncio
from collections.abc import Callable, Iterator
from concurrent.futures import Future
from contextlib import contextmanager
from pathlib import Path
from threading import Event, Thread
from typing import TypeVar

from connectors.control.protocol import Answer, Handled, Request
from connectors.control.server import ControlServer
from flows.domain.event import Verb

X = TypeVar("X")
PATIENCE_S = 30.0


class Desk:
    """Notes commands, and says at once what becomes of them unless it is held."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.told: list[tuple[Verb, Request]] = []
        self.heard = Event()
        self.is_held = False
        self.state = b'{"equity":"1"}'
        self.looks = 0
        self.loop = asyncio.new_event_loop()
        self.server = ControlServer(path, self)

    def tell(self, verb: Verb, request: Request) -> int:
        place = len(self.told)
        self.told.append((verb, request))
        if verb is Verb.STOP:
            msg = "a bug of ours"
            raise ZeroDivisionError(msg)
        if not self.is_held:
            answer = Handled(verb, place, verb is not Verb.RESET, "not now")
            self.loop.call_soon(self.server.acknowledge, place, answer)
        self.heard.set()
        return place

    def status(self) -> bytes:
        self.looks += 1
        return self.state

    def acknowledge(self, place: int, answer: Answer) -> None:
        self.loop.call_soon_threadsafe(self.server.acknowledge, place, answer)

    def close(self) -> None:
        work = asyncio.run_coroutine_threadsafe(self.server.close(), self.loop)
        work.result(PATIENCE_S)

    def on_loop(self, look: Callable[[], X]) -> X:
        """What `look` says on the server's thread."""
        found: Future[X] = Future()
        self.loop.call_soon_threadsafe(lambda: found.set_result(look()))
        return found.result(PATIENCE_S)


@contextmanager
def serving(path: Path) -> Iterator[Desk]:
    """A server that listens at `path`."""
    desk = Desk(path)
    desk.loop.run_until_complete(desk.server.open())
    thread = Thread(target=desk.loop.run_forever)
    thread.start()
    try:
        yield desk
    finally:
        desk.close()
        desk.loop.call_soon_threadsafe(desk.loop.stop)
        thread.join(PATIENCE_S)
        desk.loop.close()
