"""What readers of the stream and the page cost; measured, and judged by nobody.

`make load` prints it as JSON. Every figure is of this one run, with exchange, engine,
archive, API, readers and browser on the same machine.
"""

import argparse
import asyncio
import json
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any
from urllib.error import HTTPError

from websockets.asyncio.client import connect
from websockets.exceptions import ConnectionClosed

from tests.dashboards.desk import (
    Desk,
    browser_page,
    desk_in,
    log_in,
    need_page,
    resident_mib,
)
from tests.flows.engine_process import wait_for

SYMBOLS = ",".join(f"S{place:02}USDT" for place in range(20))
READERS, NEVER = 180, 20
ROUNDS = 3
PHASE_S = 30
_NS_PER_US = 1_000

_WATCH = """() => {
  const seen = window.seen = { tasks: [], frames: 0, rows: 0 };
  new PerformanceObserver((list) => {
    for (const task of list.getEntries()) seen.tasks.push(task.duration);
  }).observe({ type: "longtask" });
  const count = () => { seen.frames += 1; requestAnimationFrame(count); };
  requestAnimationFrame(count);
  new MutationObserver(() => { seen.rows += 1; }).observe(
    document.querySelector(".books tbody"), { subtree: true, characterData: true },
  );
}"""
"""Long tasks (50 ms and more), frames drawn, and changes of the table of books."""


async def _read(url: str, token: str) -> None:
    """Be 200 readers, of whom 20 never read, until ended."""
    headers = {"Authorization": f"Bearer {token}"}

    async def reader(*, is_idle: bool) -> None:
        with suppress(ConnectionClosed, OSError):
            most = 1 if is_idle else 16
            async with connect(url, additional_headers=headers, max_queue=most) as one:
                while not is_idle:
                    await one.recv(decode=False)
                await asyncio.Event().wait()

    tasks = [reader(is_idle=place < NEVER) for place in range(READERS + NEVER)]
    await asyncio.gather(*tasks)


@contextmanager
def _readers(desk: Desk) -> Iterator[None]:
    """The readers as a process of their own, which stands back for the engine."""
    url = desk.url.replace("http", "ws") + "/engine/stream"
    command = ["nice", "-n", "19", sys.executable, "-m", "tests.dashboards.load"]
    with subprocess.Popen([*command, "--read", url], stdin=subprocess.PIPE) as process:
        assert process.stdin is not None
        process.stdin.write(desk.tokens["viewer"].encode() + b"\n")
        process.stdin.close()
        try:
            yield
        finally:
            process.kill()


def _restart(desk: Desk) -> None:
    """A fresh engine, whose figures begin at nothing."""
    desk.ask("/engine/stop", "operator", {})
    wait_for(lambda: desk.engine is None)

    def is_started() -> bool:
        with suppress(HTTPError):  # 409 as long as the last one ends
            desk.ask("/engine/start", "operator", {})
            return True
        return False

    wait_for(is_started)
    wait_for(desk.is_trading)


def _p99_us(desk: Desk, seconds: float) -> float:
    """The engine's p99 from a frame to its journalled decision, over a fresh run."""
    _restart(desk)
    time.sleep(seconds)
    engine = desk.engine
    assert engine is not None
    return float(engine["latency"]["p99_ns"] / _NS_PER_US)


def measure_readers(desk: Desk, rounds: int, seconds: float) -> dict[str, Any]:
    """The engine's p99 alone and with readers, in turn."""
    alone, read = [], []
    memory = [resident_mib(desk.up.process.pid)]
    for _ in range(rounds):
        alone.append(_p99_us(desk, seconds))
        with _readers(desk):
            read.append(_p99_us(desk, seconds))
            memory.append(resident_mib(desk.up.process.pid))
    ratio = statistics.median(read) / statistics.median(alone)
    return {
        "readers": READERS + NEVER,
        "p99_alone_us": alone,
        "p99_with_readers_us": read,
        "p99_ratio_of_medians": round(ratio, 3),
        "api_rss_mib": memory,
    }


def measure_page(desk: Desk, seconds: float) -> dict[str, Any]:
    """What a browser has to do for the page."""
    with browser_page(need_page()) as page:
        log_in(page, desk)
        page.wait_for_selector(".books tbody tr")
        page.wait_for_timeout(3_000)  # past the first drawing
        page.evaluate(_WATCH)
        page.wait_for_timeout(seconds * 1_000)
        seen = page.evaluate("window.seen")
        page_symbols = page.locator(".books tbody tr").count()
    tasks = seen["tasks"]
    return {
        "symbols": page_symbols,
        "seconds": seconds,
        "updates_per_s": round(seen["rows"] / seconds, 1),
        "frames_per_s": round(seen["frames"] / seconds, 1),
        "long_tasks": len(tasks),
        "longest_task_ms": max(tasks, default=0),
        "share_in_long_tasks": round(sum(tasks) / seconds / 1_000, 4),
    }


def main() -> None:
    """Measure both."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--read", metavar="URL", help="Be the readers of a stream.")
    parser.add_argument("--seconds", type=float, default=PHASE_S)
    parser.add_argument("--rounds", type=int, default=ROUNDS)
    asked = parser.parse_args()
    if asked.read:
        asyncio.run(_read(asked.read, sys.stdin.readline().strip()))
        return
    with tempfile.TemporaryDirectory() as place:
        with desk_in(Path(place) / "page", SYMBOLS) as desk:
            page = measure_page(desk, asked.seconds)
        with desk_in(Path(place) / "readers", SYMBOLS) as desk:
            readers = measure_readers(desk, asked.rounds, asked.seconds)
    sys.stdout.write(json.dumps({"page": page, "stream": readers}, indent=2) + "\n")


if __name__ == "__main__":
    main()
