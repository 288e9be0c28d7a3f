"""One run of frames on its way into a topic."""

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager

from kafka.errors import KafkaError

from connectors.kafka.client import (
    CLUSTER,
    Cluster,
    kafka_errors,
    recording_error,
)
from connectors.kafka.message import Message, new_run_id, to_end, to_message
from connectors.kafka.topic import Topic
from flows.domain.errors import ConfigurationError, RecordingError
from flows.domain.frame import RawFrame
from flows.domain.units import NS_PER_MS

_MAX_ON_THE_WAY = 32 << 20
"""Bytes sent and not yet acknowledged: what a slow broker may cost in memory."""

_MESSAGE_OVERHEAD = 1 << 10
"""Bytes of memory that a message costs beside its payload."""


class Sender:
    """Sends frames to a topic as one run, numbered in the order of `send`.

    Delivery: each frame once and in order, acknowledged by every replica in sync. The
    first failure ends the run: it is raised by this and every later call as the same
    RecordingError, which names brokers and topic, and the run never gets its end.
    """

    def __init__(self, topic: Topic, cluster: Cluster = CLUSTER) -> None:
        if topic.run_id is not None:
            msg = f"{topic}: a new run gets an id of its own; leave ?run= out"
            raise ConfigurationError(msg)
        self.run_id = new_run_id()
        self.count = 0
        """Frames sent."""
        self.error: RecordingError | None = None
        """What ended the run before its end."""
        self._topic = topic
        self._patience_s = cluster.patience_s
        with kafka_errors(topic):
            self._retention_ms = cluster.make_topic(topic)
            self._producer = cluster.open_producer(topic)
        self._last_ns = 0
        self._sent = 0
        self._delivered = 0
        self._on_the_way = 0
        self._is_stopped = False
        self._changed = threading.Condition()

    def send(self, frame: RawFrame) -> None:
        """Send the next frame; waits while too much is on its way."""
        with self._failing():
            if not self.count:
                self._check_age(frame)
            self._send(to_message(frame, self.run_id, self.count))
        self._last_ns = frame.received_ns
        self.count += 1

    def flush(self) -> None:
        """Wait until everything sent has arrived."""
        with self._failing():
            self._producer.flush(timeout=2 * self._patience_s)
            self._raise()
            if self._delivered != self._sent:
                left = self._sent - self._delivered
                msg = f"{self._topic}: {left} messages were not acknowledged"
                raise RecordingError(msg)

    def finish(self) -> None:
        """Send the end of the run, once everything before it has arrived.

        Of a run without a frame nothing is sent: it would hide the one before.
        """
        if not self.count:
            return
        self.flush()
        with self._failing():
            self._send(to_end(self.run_id, self.count, self._last_ns))
        self.flush()

    def stop(self) -> None:
        """Let a `send` that waits give up, and every later one."""
        with self._changed:
            self._is_stopped = True
            self._changed.notify_all()

    def close(self) -> None:
        """Leave the brokers, without waiting for what is on its way."""
        self._producer.close(timeout=0)

    def _check_age(self, frame: RawFrame) -> None:
        age_ms = (time.time_ns() - frame.received_ns) // NS_PER_MS
        if self._retention_ms is not None and age_ms >= self._retention_ms:
            msg = (
                f"{self._topic}: the topic deletes messages older than "
                f"{self._retention_ms} ms (retention.ms) and would lose these frames"
            )
            raise RecordingError(msg)

    def _send(self, message: Message) -> None:
        self._wait_for_room()
        size = len(message.value) + _MESSAGE_OVERHEAD
        delivery = self._producer.send(
            self._topic.name,
            message.value,
            message.key,
            message.headers,
            timestamp_ms=message.timestamp_ms,
        )
        with self._changed:
            self._sent += 1
            self._on_the_way += size
        delivery.add_callback(lambda _metadata: self._arrived(size))
        delivery.add_errback(self._fail)

    def _wait_for_room(self) -> None:
        with self._changed:
            may_go_on = self._changed.wait_for(self._may_go_on, 2 * self._patience_s)
        self._raise()
        if self._is_stopped:
            raise RecordingError(f"{self._topic}: the run was given up")
        if not may_go_on:
            raise RecordingError(f"{self._topic}: frames leave, and none arrives")

    def _may_go_on(self) -> bool:
        has_room = self._on_the_way < _MAX_ON_THE_WAY
        return has_room or self._is_stopped or self.error is not None

    def _arrived(self, size: int) -> None:
        with self._changed:
            self._delivered += 1
            self._on_the_way -= size
            self._changed.notify_all()

    def _fail(self, error: BaseException) -> None:
        with self._changed:
            self.error = self.error or recording_error(self._topic, error)
            self._changed.notify_all()

    def _raise(self) -> None:
        if self.error is not None:
            raise self.error

    @contextmanager
    def _failing(self) -> Iterator[None]:
        """Whatever fails in here ends the run, and what ended it is raised."""
        self._raise()
        try:
            yield
        except (KafkaError, RecordingError) as error:
            self._fail(error)
        self._raise()
