"""Live frames into a topic, without making the engine wait."""

import threading
from collections import deque
from collections.abc import Sequence
from contextlib import suppress

from connectors.kafka.client import CLUSTER, Cluster
from connectors.kafka.sender import Sender
from connectors.kafka.topic import Topic
from flows.domain.errors import RecordingError
from flows.domain.frame import RawFrame

_CAPACITY = 100_000
"""Frames that may wait: some 100 MB of a busy market."""

_AT_ONCE = 1_000


class KafkaRecorder:
    """Records frames into a topic as one run, from a thread of its own.

    `record` never waits. Delivery is that of `Sender`; where frames come faster than
    they leave until `capacity` wait, that is an error as well. After the first error
    nothing more is recorded: `error` tells it, and `flush` and `close` raise it.
    """

    segment = 1
    """A run is not divided."""

    def __init__(
        self, topic: Topic, cluster: Cluster = CLUSTER, *, capacity: int = _CAPACITY
    ) -> None:
        self._topic = topic
        self._capacity = capacity
        self._sender = Sender(topic, cluster)
        self._waiting: deque[RawFrame] = deque()
        self._unsent = 0
        self._is_closing = False
        self._error: RecordingError | None = None
        self._changed = threading.Condition()
        self._thread = threading.Thread(
            target=self._run, name=f"recorder of {topic}", daemon=True
        )
        self._thread.start()

    @property
    def run_id(self) -> str:
        """The run's id in the topic."""
        return self._sender.run_id

    @property
    def error(self) -> RecordingError | None:
        """What ended the recording, if something did."""
        return self._error or self._sender.error

    def record(self, frames: Sequence[RawFrame]) -> None:
        """Take frames to be sent."""
        with self._changed:
            if self.error is not None:
                return
            if self._unsent + len(frames) > self._capacity:
                msg = f"{self._topic}: more than {self._capacity} frames wait to leave"
                self._error = RecordingError(msg)
            else:
                self._waiting.extend(frames)
                self._unsent += len(frames)
            self._changed.notify_all()

    def flush(self) -> None:
        """Wait until everything recorded has arrived."""
        with self._changed:
            self._changed.wait_for(lambda: not self._unsent or self.error is not None)
        self._raise()
        self._sender.flush()

    def close(self) -> None:
        """End the run once everything has arrived."""
        try:
            self.flush()
            self._sender.finish()
        finally:
            self._sender.stop()
            with self._changed:
                self._is_closing = True
                self._changed.notify_all()
            self._thread.join()
            self._sender.close()

    def _run(self) -> None:
        try:
            with suppress(RecordingError):  # the sender keeps it
                while batch := self._next():
                    for frame in batch:
                        self._sender.send(frame)
                    with self._changed:
                        self._unsent -= len(batch)
                        self._changed.notify_all()
        finally:
            with self._changed:
                if self._unsent and self.error is None:
                    msg = f"{self._topic}: {self._unsent} frames could not be sent"
                    self._error = RecordingError(msg)
                self._changed.notify_all()

    def _next(self) -> list[RawFrame]:
        """Frames to send, once there are some; none at the end."""
        with self._changed:
            self._changed.wait_for(
                lambda: self._waiting or self._is_closing or self.error is not None
            )
            if self._is_closing or self.error is not None:
                return []
            count = min(len(self._waiting), _AT_ONCE)
            return [self._waiting.popleft() for _ in range(count)]

    def _raise(self) -> None:
        if self.error is not None:
            raise self.error
