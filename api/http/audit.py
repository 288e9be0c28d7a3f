"""Who asked for what, also where there was no engine to tell."""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from threading import Thread

import msgspec
import structlog

from api.http.credentials import Caller
from api.http.problem import Refusal
from flows.domain.errors import TradingError

AUDIT = "api.audit.jsonl"

_KEPT_WITHIN_S = 0.2

_log = structlog.get_logger()


class Audit:
    """A line for each control call, in a file that only grows."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def keep(self, verb: str, caller: Caller, reason: str, outcome: str) -> None:
        """Keep a call; no disk stops a kill, be it full or hanging."""
        line = {
            "at_ns": time.time_ns(),
            "verb": verb,
            "who": caller.name,
            "reason": reason,
            "outcome": outcome,
        }

        def write() -> None:
            try:
                with self._path.open("ab") as file:
                    file.write(msgspec.json.encode(line) + b"\n")
            except OSError as error:
                _log.warning("audit_not_kept", reason=error.strerror, verb=verb)

        writing = Thread(target=write, daemon=True)
        writing.start()
        writing.join(_KEPT_WITHIN_S)

    @contextmanager
    def around(self, verb: str, caller: Caller, reason: str) -> Iterator[list[str]]:
        """Keep what became of a call; what it adds to the list says more than that."""
        outcome: list[str] = []
        try:
            yield outcome
        except (Refusal, TradingError) as error:
            self.keep(verb, caller, reason, f"refused: {error}")
            raise
        self.keep(verb, caller, reason, *(outcome or ["accepted"]))
