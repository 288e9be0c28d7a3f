"""Where in Kafka: `kafka://host:port[,host:port]/topic[?run=ID]`."""

import re
from dataclasses import dataclass

from flows.domain.errors import ConfigurationError

_FORM = "kafka://host:port[,host:port]/topic[?run=ID]"
_URL = re.compile(r"kafka://([^/?#]*)/([^/?#]*)(?:\?run=([^&#]*))?")
_BROKER = re.compile(r"(?:[\w.-]+|\[[0-9A-Fa-f:.]+\]):(\d{1,5})", re.ASCII)
_NAME = re.compile(r"(?!\.{1,2}\Z)[A-Za-z0-9._-]{1,249}")
_MAX_PORT = 65_535


@dataclass(frozen=True)
class Topic:
    """A topic of a Kafka cluster, and perhaps one run in it."""

    brokers: tuple[str, ...]
    """`host:port` of brokers to ask first; the cluster names the others."""
    name: str
    run_id: str | None = None

    def __str__(self) -> str:
        return f"kafka://{','.join(self.brokers)}/{self.name}"


def parse_topic(url: str) -> Topic:
    """The topic that a URL names. Raises ConfigurationError on anything else."""
    parts = _URL.fullmatch(url)
    if parts is None:
        raise ConfigurationError(f"Expected {_FORM}, was {url!r}")
    brokers, name, run_id = parts.groups()
    for broker in brokers.split(","):
        found = _BROKER.fullmatch(broker)
        if found is None or not 0 < int(found[1]) <= _MAX_PORT:
            raise ConfigurationError(f"{url}: expected host:port, was {broker!r}")
    if not _NAME.fullmatch(name):
        msg = f"{url}: expected a topic of letters, digits, . _ or -, was {name!r}"
        raise ConfigurationError(msg)
    if run_id is not None and not is_run_id(run_id):
        raise ConfigurationError(f"{url}: expected the id of a run, was {run_id!r}")
    return Topic(tuple(brokers.split(",")), name, run_id)


def is_run_id(text: str) -> bool:
    """Whether a text can be a run's id: of what a topic's name may hold."""
    return _NAME.fullmatch(text) is not None
