"""`mft up` on a loopback exchange, and its page in a browser."""

import json
import os
import shutil
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.error import URLError
from urllib.request import Request, urlopen

import pytest
from playwright.sync_api import Page, expect, sync_playwright

from api.http.routes.page import PAGE
from tests.flows.engine_process import Running, free_port, rows_of, wait_for
from tests.flows.replay_samples import ROOT

AXE = ROOT / "dashboards" / "ui" / "node_modules" / "axe-core" / "axe.min.js"
PATIENCE_MS = 60_000
SHOTS = ROOT / "out" / "page"
"""Where the screenshots of the last run are."""
_FLAGS = (
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--no-first-run",
)


def need_page() -> str:
    """The browser; skips where it, or what builds the page, is not there."""
    names = ("chromium", "chromium-browser", "google-chrome")
    chromium = next(filter(None, map(shutil.which, names)), None)
    if chromium is None:
        pytest.skip("needs Chromium: sudo apt-get install chromium")
    if not (PAGE / "index.html").exists():
        pytest.skip("needs the page: Node.js 20, then make ui")
    return chromium


def resident_mib(pid: int) -> int:
    """Memory of a process."""
    status = Path(f"/proc/{pid}/status").read_text()
    [line] = [one for one in status.splitlines() if one.startswith("VmRSS:")]
    return int(line.split()[1]) // 1_024


class Desk:
    """An operator's machine: exchange, engine, archive and API."""

    def __init__(self, data: Path, exchange: str, *options: object) -> None:
        self.data = data
        self.port = free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        self.tokens: dict[str, str] = {}
        self._arguments = ("up", "--exchange", exchange, "--data", data, *options)
        self.begin()

    def begin(self) -> None:
        """Start `mft up`, at the same address each time."""
        self.up = Running(*self._arguments, "--port", self.port)
        while not (line := self.up.line()).startswith("http"):
            assert line, self.up.process.communicate()[1]
            role, _, token = line.split()[:3]
            self.tokens[role] = token

    def kill_api(self) -> None:
        """Kill `mft up` alone; engine and archive go on."""
        self.up.process.kill()
        self.up.process.communicate()

    def ask(self, path: str, who: str = "viewer", body: object = None) -> Any:
        headers = {"Authorization": f"Bearer {self.tokens[who]}"}
        data = None if body is None else json.dumps(body).encode()
        if data is not None:
            headers["Content-Type"] = "application/json"
        request = Request(self.url + path, data, headers)  # noqa: S310 - loopback
        with urlopen(request, timeout=30) as reply:  # noqa: S310 - loopback
            return json.load(reply)

    @property
    def engine(self) -> dict[str, Any] | None:
        try:
            told: dict[str, Any] | None = self.ask("/engine/status")["engine"]
        except URLError:
            return None
        return told

    def is_trading(self) -> bool:
        engine = self.engine
        return engine is not None and any(
            book["state"] == "SYNCED" for book in engine["books"].values()
        )

    def holds(self) -> bool:
        engine = self.engine
        return engine is not None and bool(engine["positions"])

    def journalled(self, kind: str) -> list[dict[str, Any]]:
        """What the last run has journalled of a kind."""
        return [json.loads(row.body) for row in rows_of(self.data) if row.kind == kind]

    def pids_of(self, command: bytes) -> list[int]:
        """Processes of an `mft` command on the directory."""
        return [
            int(entry.name)
            for entry in Path("/proc").iterdir()
            if entry.name.isdigit() and self._is(entry, command)
        ]

    def end(self) -> None:
        """Kill everything."""
        self.up.end()
        for command in (b"trade", b"archive", b"scan"):
            for pid in self.pids_of(command):
                os.kill(pid, signal.SIGKILL)

    def _is(self, process: Path, command: bytes) -> bool:
        try:
            arguments = (process / "cmdline").read_bytes().split(b"\0")
        except OSError:
            return False
        place = str(self.data).encode()
        return command in arguments and any(one.startswith(place) for one in arguments)


@contextmanager
def desk_in(data: Path, symbols: str, *options: object) -> Iterator[Desk]:
    """A desk that trades a synthetic market on paper."""
    exchange = Running("exchange", "--synthetic", symbols, "--port", 0, "--seed", 3)
    desk = None
    try:
        url = exchange.line().split()[1]
        desk = Desk(data, url, "--symbols", symbols, *options)
        wait_for(desk.is_trading)
        yield desk
    finally:
        if desk is not None:
            desk.end()
        exchange.end()


@contextmanager
def browser_page(
    chromium: str, *, width: int = 1_500, height: int = 1_000, scheme: str = "dark"
) -> Iterator[Page]:
    """A page of a browser that knows nobody; a script's error fails the test."""
    errors: list[str] = []
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium, args=[*_FLAGS])
        context = browser.new_context(
            viewport={"width": width, "height": height},
            color_scheme="light" if scheme == "light" else "dark",
        )
        page = context.new_page()
        page.set_default_timeout(PATIENCE_MS)
        page.on("pageerror", lambda error: errors.append(error.stack or str(error)))
        try:
            yield page
        finally:
            browser.close()
    assert not errors, errors


def log_in(page: Page, desk: Desk, who: str = "operator") -> None:
    page.goto(desk.url)
    page.get_by_label("Token").fill(desk.tokens[who])
    page.get_by_role("button", name="Log in").click()
    page.wait_for_selector("[data-name=synced]")


def value_of(page: Page, name: str) -> str:
    """The exact number behind what is shown."""
    value = page.locator(f"[data-name={name}]").first.get_attribute("data-value")
    assert value is not None
    return value


def shoot(page: Page, name: str) -> None:
    SHOTS.mkdir(parents=True, exist_ok=True)
    page.screenshot(path=SHOTS / f"{name}.png", full_page=True)


def trading(page: Page) -> None:
    expect(page.locator("[data-name=activity]")).to_have_text("TRADING")


def hold_kill(page: Page, seconds: float) -> None:
    page.get_by_role("button", name="KILL").hover()
    page.mouse.down()
    page.wait_for_timeout(seconds * 1_000)
    page.mouse.up()


def reset(page: Page, reason: str) -> None:
    page.get_by_role("button", name="Reset the kill switch").click()
    page.get_by_label("Reason").fill(reason)
    page.get_by_role("button", name="Reset", exact=True).click()


def violations(page: Page) -> list[str]:
    """What axe finds."""
    page.evaluate(AXE.read_text(encoding="utf-8"))
    found = page.evaluate("axe.run()")["violations"]
    return [f"{one['id']}: {[n['html'] for n in one['nodes']]}" for one in found]
