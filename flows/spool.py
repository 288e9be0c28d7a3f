"""A run of a topic, fetched into the directory that its replay will fill."""

from dataclasses import dataclass
from fnmatch import fnmatchcase
from pathlib import Path

from connectors.kafka import Fetched, Topic, TopicReader
from connectors.kafka.reader import Progress
from connectors.output import input_directory, input_name
from flows.domain.errors import ConfigurationError


@dataclass(frozen=True)
class Spool:
    """A recording in the output directory."""

    path: Path
    fetched: Fetched | None
    """What the fetch found; None where the recording was there already."""


def spooled(
    topic: Topic, out: Path, on_progress: Progress = lambda _more: None
) -> Spool:
    """Fetch a run into `out`, unless it is there: a resumed replay keeps its input.

    Raises ConfigurationError where `out` is of another run, and RecordingError where
    the run cannot be fetched, which leaves nothing behind.
    """
    with input_directory(out) as held:
        if held is not None:
            _check(topic, out, held)
            return Spool(out / held, None)
        reader = TopicReader(topic)
        path = out / input_name(topic.name, reader.run_id)
        return Spool(path, reader.fetch(path, on_progress))


def _check(topic: Topic, out: Path, held: str) -> None:
    if not fnmatchcase(held, input_name(topic.name, topic.run_id or "*")):
        msg = f"{out} holds {held}, of another topic or run; choose another --out"
        raise ConfigurationError(msg)
