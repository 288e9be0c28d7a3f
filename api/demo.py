"""The whole bot on a market of this machine, for somebody who sees it first.

A loopback exchange makes the market; `mft up` trades it on paper, keeps the archive and
serves the page. Both are processes of their own, and end with the demonstration.
"""

import json
import re
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any
from urllib.error import HTTPError, URLError
from urllib.request import ProxyHandler, Request, build_opener

from connectors.output import is_engine_in
from flows.domain.errors import StoreError, TradingError

SYMBOLS = "BTCUSDT,ETHUSDT,SOLUSDT,XRPUSDT,DOGEUSDT,ADAUSDT"
SEED = 7
TRADE_WITHIN_S = 180

_MFT = (sys.executable, "-m", "api.cli.main")
_ASSET = re.compile(r'(?:src|href)="(/assets/[^"]+)"')
_WITHIN_S = 30
_END_WITHIN_S = 15
_LOOK_EVERY_S = 0.2
_DIRECTLY = build_opener(ProxyHandler({}))
"""What is on this machine is asked without any proxy."""

Json = dict[str, Any]


class Demo:
    """A running demonstration: its address, and whoever asks there."""

    def __init__(self, data: Path, url: str, token: str) -> None:
        self.data = data
        self.url = url
        self.token = token
        """The operator's."""

    def ask(self, path: str, body: object = None) -> object:
        """What the API answers. Raises StoreError where it does not."""
        headers = {"Authorization": f"Bearer {self.token}"}
        data = None
        if body is not None:
            headers["Content-Type"] = "application/json"
            data = json.dumps(body).encode()
        answer: object = json.loads(self._get(path, headers, data))
        return answer

    def first_trade(self) -> Json:
        """Wait for the first round trip. Raises StoreError where none comes."""
        end = time.monotonic() + TRADE_WITHIN_S
        while time.monotonic() < end:
            found = self.ask("/engine/events?kind=trade_closed&limit=1000")
            if isinstance(found, list) and found:
                return dict(found[-1])
            time.sleep(_LOOK_EVERY_S)
        raise StoreError(f"No trade within {TRADE_WITHIN_S} s; see {self.url}")

    def page_files(self) -> list[str]:
        """The page and its parts, each asked for; empty where it is not built.

        Raises StoreError where a part is not there.
        """
        try:
            page = self._get("/")
        except StoreError:
            return []
        names = _ASSET.findall(page.decode())
        for name in names:
            self._get(name)
        return ["/", *names]

    def stop(self) -> None:
        """End the engine in order: everything closed and flushed."""
        self.ask("/engine/stop", {"reason": "the demonstration is over"})
        end = time.monotonic() + _END_WITHIN_S
        while is_engine_in(self.data) and time.monotonic() < end:
            time.sleep(_LOOK_EVERY_S)

    def _get(
        self, path: str, headers: Mapping[str, str] = {}, data: bytes | None = None
    ) -> bytes:
        request = Request(self.url + path, data, dict(headers))  # noqa: S310 - our own
        try:
            with _DIRECTLY.open(request, timeout=_WITHIN_S) as reply:
                body: bytes = reply.read()
        except HTTPError as error:
            msg = f"{request.full_url}: {error.code} {error.read().decode()[:200]}"
            raise StoreError(msg) from error
        except (URLError, OSError) as error:
            raise StoreError(f"{request.full_url}: {error}") from error
        return body


@contextmanager
def demonstration(
    directory: Path, port: int, tell: Callable[[str], object]
) -> Iterator[Demo]:
    """Everything running, and in the end nothing of it. Raises TradingError."""
    data, log = directory / "data", directory / "demo.log"
    exchange = ("exchange", "--synthetic", SYMBOLS, "--seed", str(SEED), "--port", "0")
    with _running(exchange, log) as lines:
        market = _line("exchange: ", lines, log).split()[1]
        tell(f"Synthetic market (no edge built in): {market}")
        up = ["up", "--symbols", SYMBOLS, "--exchange", market]
        up += ["--data", str(data), "--port", str(_free(port))]
        with _running(up, log) as told:
            token = _line("operator token: ", told, log).split()[2]
            demo = Demo(data, _line("http", told, log).strip(), token)
            try:
                yield demo
            finally:
                with suppress(TradingError):  # it has ended, or is ended with its API
                    demo.stop()


def _free(port: int) -> int:
    """The port, or 0 for any where it is taken."""
    with socket.socket() as found:
        found.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            found.bind(("127.0.0.1", port))
        except OSError:
            return 0
    return port


@contextmanager
def _running(arguments: Sequence[str], log: Path) -> Iterator[Iterator[str]]:
    """A command and the lines it prints; away from the signals of our terminal."""
    with log.open("ab") as errors:
        process = subprocess.Popen(  # noqa: S603 - this program itself
            [*_MFT, *arguments],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=errors,
            start_new_session=True,
            text=True,
        )
    with process:
        assert process.stdout is not None  # noqa: S101 - it was asked for
        try:
            yield iter(process.stdout)
        finally:
            process.terminate()
            try:
                process.wait(_END_WITHIN_S)
            except subprocess.TimeoutExpired:
                process.kill()


def _line(start: str, lines: Iterator[str], log: Path) -> str:
    """The next line that begins so. Raises StoreError where they end before."""
    for line in lines:
        if line.startswith(start):
            return line
    raise StoreError(f"The demonstration did not start; {log} says why")
