"""Kill an account at the exchange itself, with the evidence of every step."""

import os
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from pathlib import Path

import msgspec

from connectors.binance.account_client import AccountClient
from connectors.binance.signing import Credentials, Mode, Signer
from connectors.binance.venue_kill import Flat, Step, VenueKill
from connectors.files import whole_file
from connectors.output import KILLS
from flows.domain.errors import ConfigurationError, StoreError

REQUEST_WITHIN_S = 2.0
"""How long one request may take; the next may find a better way."""

OnStep = Callable[[Step], None]


class Access(msgspec.Struct, frozen=True):
    """Where an engine's orders go; kept in its directory for whoever must kill."""

    mode: Mode
    rest: str
    """Base URL of the exchange."""


def leave_access(path: Path, access: Access) -> None:
    """Write down where orders go. Raises StoreError."""
    try:
        with whole_file(path) as file:
            file.write(msgspec.json.encode(access))
    except OSError as error:
        msg = f"{path}: cannot be written: {error.strerror}"
        raise StoreError(msg) from error


def read_access(path: Path) -> Access | None:
    """Where the orders of a directory's engine go; None where that is not known.

    Raises ConfigurationError where the file cannot be read.
    """
    try:
        return msgspec.json.decode(path.read_bytes(), type=Access)
    except FileNotFoundError:
        return None
    except (OSError, msgspec.DecodeError, ValueError) as error:
        msg = f"{path}: does not say where orders go: {error}; give --mode"
        raise ConfigurationError(msg) from error


async def flatten(
    access: Access,
    credentials: Credentials,
    directory: Path,
    *,
    within_s: float | None = None,
    on_step: OnStep = lambda _step: None,
) -> Flat:
    """Flatten the account, or try for `within_s` seconds; never raises TradingError.

    Each step is a line of a file under `directory`; where that cannot be written, the
    kill goes on without. Raises ConfigurationError where the mode may not ask there.
    """
    signer = Signer(access.mode, access.rest, credentials)
    evidence = Evidence(directory)

    def take(step: Step) -> None:
        evidence.add(step)
        on_step(step)

    async with AccountClient(
        signer, access.rest, time.time_ns, timeout_s=REQUEST_WITHIN_S
    ) as client:
        flat = await VenueKill(client, time.time_ns, take).run(within_s)
    evidence.add(flat)
    return flat


class Evidence:
    """A file of JSON lines, as far as it can be written."""

    def __init__(self, directory: Path) -> None:
        begun = time.strftime("%Y%m%dT%H%M%SZ", time.gmtime())
        self.path = directory / KILLS / f"{begun}-{os.getpid()}.jsonl"
        with suppress(OSError):
            self.path.parent.mkdir(parents=True, exist_ok=True)

    def add(self, content: Step | Flat | Mapping[str, object]) -> None:
        """Append a line; a full disk loses it."""
        with suppress(OSError), self.path.open("ab") as file:
            file.write(msgspec.json.encode(content) + b"\n")
