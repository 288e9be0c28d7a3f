"""Apache Kafka on a loopback port, for tests: one node, KRaft, from Maven's jars.

The jars are kept in `~/.cache/mft-tests`; the first run fetches them (40 MB). Needs
Java 17 or newer and Maven.
"""

import base64
import ctypes
import hashlib
import os
import re
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Self

import pytest
from kafka import KafkaAdminClient
from kafka.errors import KafkaError

POM = Path(__file__).with_name("pom.xml")
CACHE = Path(os.environ.get("XDG_CACHE_HOME") or "~/.cache").expanduser() / "mft-tests"
_NEEDED = "needs Java 17 or newer and Maven (openjdk-17-jre-headless, maven)"
_JAVA = 17
_CLUSTER_ID = base64.urlsafe_b64encode(b"mft test broker!").decode().rstrip("=")
_START_S = 120
_FETCH_S = 900
_PR_SET_PDEATHSIG = 1
_PROPERTIES = """\
process.roles=broker,controller
node.id=1
controller.quorum.voters=1@127.0.0.1:{controller}
listeners=PLAINTEXT://127.0.0.1:{port},CONTROLLER://127.0.0.1:{controller}
advertised.listeners=PLAINTEXT://127.0.0.1:{port}
controller.listener.names=CONTROLLER
log.dirs={directory}/data
auto.create.topics.enable=true
offsets.topic.replication.factor=1
transaction.state.log.replication.factor=1
transaction.state.log.min.isr=1
"""


class KafkaBroker:
    """A broker in a process of its own, which dies with the test's."""

    def __init__(self, directory: Path) -> None:
        self._jars = _jars()
        self._directory = directory
        self.port, controller = _free_ports(2)
        self.address = f"127.0.0.1:{self.port}"
        self._settings = directory / "server.properties"
        self._settings.write_text(
            _PROPERTIES.format(
                port=self.port, controller=controller, directory=directory
            )
        )
        formatting = self._java(
            "kafka.tools.StorageTool", "format", "-t", _CLUSTER_ID, "-c", self._settings
        )
        assert formatting.wait(timeout=_START_S) == 0, self._log()

    def url(self, topic: str) -> str:
        """The URL of a topic."""
        return f"kafka://{self.address}/{topic}"

    def __enter__(self) -> Self:
        self._process = self._java("kafka.Kafka", self._settings)
        try:
            self._wait()
        except BaseException:
            self.stop()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    @contextmanager
    def silent(self) -> Iterator[None]:
        """In here its connections stand, and nobody answers."""
        self._process.send_signal(signal.SIGSTOP)
        try:
            yield
        finally:
            self._process.send_signal(signal.SIGCONT)

    def stop(self) -> None:
        """End the broker at once, as a crash does."""
        self._process.kill()
        self._process.wait()

    def _java(self, *arguments: object) -> "subprocess.Popen[bytes]":
        quick = ("-Xmx256m", "-XX:TieredStopAtLevel=1", "-XX:+UseSerialGC")
        with (self._directory / "log").open("ab") as log:
            return subprocess.Popen(
                [_tool("java"), *quick, "-cp", f"{self._jars}/*", *map(str, arguments)],
                stdout=log,
                stderr=log,
                start_new_session=True,
                preexec_fn=_die_with_parent,  # noqa: PLW1509  # one thread, one call
            )

    def _wait(self) -> None:
        """Until it answers."""
        begun = time.monotonic()
        while self._process.poll() is None and time.monotonic() - begun < _START_S:
            try:
                admin = KafkaAdminClient(bootstrap_servers=[self.address])
                admin.list_topics()
                admin.close()
            except KafkaError:
                continue
            return
        pytest.fail(f"Kafka did not start:\n{self._log()}")

    def _log(self) -> str:
        """The end of what it had to say."""
        return (self._directory / "log").read_text(errors="replace")[-4_000:]


def _die_with_parent() -> None:
    ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)


def _free_ports(count: int) -> list[int]:
    sockets = [socket.create_server(("127.0.0.1", 0)) for _ in range(count)]
    ports = [opened.getsockname()[1] for opened in sockets]
    for opened in sockets:
        opened.close()
    return ports


def _jars() -> Path:
    """The folder of Kafka's jars, fetched once; skips the test where that cannot be."""
    if _java_version() < _JAVA or not _tool("mvn"):
        pytest.skip(_NEEDED)
    digest = hashlib.sha256(POM.read_bytes()).hexdigest()[:16]
    folder = CACHE / f"kafka-{digest}"
    if not folder.exists():
        CACHE.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=CACHE) as made:
            _fetch(Path(made) / "jars")
            (Path(made) / "jars").rename(folder)
    return folder


def _tool(name: str) -> str:
    """A program's path; empty where it is not installed."""
    return shutil.which(name) or ""


def _java_version() -> int:
    if not _tool("java"):
        return 0
    told = subprocess.run(
        [_tool("java"), "-version"], capture_output=True, text=True, check=False
    )
    found = re.search(r'version "(\d+)', told.stderr)
    return int(found[1]) if found else 0


def _fetch(folder: Path) -> None:
    goal = "dependency:copy-dependencies"
    options = ("-q", "-B", "-ntp", "-f", str(POM), f"-DoutputDirectory={folder}")
    done = subprocess.run(
        [_tool("mvn"), *options, goal],
        capture_output=True,
        text=True,
        check=False,
        timeout=_FETCH_S,
    )
    if done.returncode != 0:
        pytest.skip(f"needs Kafka's jars, which Maven cannot fetch: {done.stdout}")
