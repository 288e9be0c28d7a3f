"""Recordings into a Kafka topic."""

import heapq
from collections.abc import Sequence
from contextlib import closing
from pathlib import Path

from connectors.certificate import verified_digest
from connectors.kafka import Sender, Topic
from connectors.recording import Progress, RecordingReader


def publish(
    paths: Sequence[Path], topic: Topic, on_progress: Progress = lambda _more: None
) -> Sender:
    """Send recordings, merged by receive time, as one run; the sender, done.

    Inside a recording line order stands. `on_progress` is told bytes of the files.
    Raises RecordingError where a file cannot be read, is not what its certificate says,
    or a frame does not arrive.
    """
    for path in paths:
        verified_digest(path)
    recordings = [RecordingReader(path, on_progress).frames() for path in paths]
    with closing(Sender(topic)) as sender:
        for frame in heapq.merge(*recordings, key=lambda frame: frame.received_ns):
            sender.send(frame)
        sender.finish()
    return sender
