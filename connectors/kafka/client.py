"""The client library at its edge: what is used of it, how it is set up, its errors.

kafka-python is untyped; the protocols here are the part of it that this project needs,
and what a test puts in its place.
"""

import logging
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from typing import Any, Protocol

from kafka import KafkaAdminClient, KafkaConsumer, KafkaProducer
from kafka.admin import ConfigResource, ConfigResourceType, NewTopic
from kafka.errors import (
    BrokerResponseError,
    KafkaError,
    NoBrokersAvailable,
    TopicAlreadyExistsError,
)

from connectors.kafka.message import Record
from connectors.kafka.topic import Topic
from flows.domain.errors import RecordingError

logging.getLogger("kafka").addHandler(logging.NullHandler())  # errors are raised here

MAX_MESSAGE_BYTES = 16 << 20
"""Largest message sent, and allowed in a topic that is made here."""

_PARTITIONS = 6
_TOPIC = {
    "cleanup.policy": "delete",
    "retention.ms": "-1",
    "retention.bytes": "-1",
    "max.message.bytes": str(MAX_MESSAGE_BYTES),
}
_CONNECT_MS = 3_000
_FETCH_BYTES = 256 << 10
_MAX_RESPONSE_BYTES = 128 << 20
_BATCH_BYTES = 64 << 10
_LINGER_MS = 20
_LEAVE_S = 5


Partition = tuple[str, int]
"""Topic and number: kafka-python's TopicPartition."""


class Delivery(Protocol):
    """The future of a message on its way."""

    def add_callback(self, function: Callable[[Any], None]) -> object:
        """Call `function` once every replica in sync holds the message."""

    def add_errback(self, function: Callable[[BaseException], None]) -> object:
        """Call `function` with the error that kept it from there."""


class Producer(Protocol):
    """What sends messages."""

    def send(
        self,
        topic: str,
        value: bytes,
        key: bytes,
        headers: list[tuple[str, bytes]],
        *,
        timestamp_ms: int,
    ) -> Delivery:
        """Put a message on its way."""

    def flush(self, timeout: float) -> None:
        """Wait until every message has arrived or failed."""

    def close(self, timeout: float) -> None:
        """Give up what has not arrived after `timeout` seconds."""


Offsets = Mapping[Partition, int]


class Consumer(Protocol):
    """What reads partitions."""

    def topics(self) -> set[str]:
        """Every topic's name."""

    def partitions_for_topic(self, topic: str) -> set[int] | None:
        """A topic's partitions."""

    def beginning_offsets(self, partitions: Sequence[Partition]) -> Offsets:
        """The first offset that is still there, by partition."""

    def end_offsets(self, partitions: Sequence[Partition]) -> Offsets:
        """The offset that the next message will have, by partition."""

    def assign(self, partitions: Sequence[Partition]) -> None:
        """Read these partitions."""

    def seek(self, partition: Partition, offset: int) -> None:
        """Read on from there."""

    def position(self, partition: Partition) -> int:
        """The offset to be read next."""

    def poll(
        self, timeout_ms: int, max_records: int
    ) -> Mapping[Partition, Sequence[Record]]:
        """Messages by partition, or nothing after the time-out."""

    def close(self) -> None:
        """Leave the brokers."""


class _Producer(KafkaProducer):  # type: ignore[misc]  # untyped
    """Closes at once, whatever is on its way; 2.3.3 does not.

    A flush that takes too long leaves it open, and to abort a batch that was sent ends
    its thread with a traceback.
    """

    _is_open = True

    def flush(self, timeout: float | None = None) -> None:
        if self._is_open:
            super().flush(timeout)

    def close(self, timeout: float | None = None, **options: object) -> None:
        self._is_open = False
        self._accumulator.abort_incomplete_batches = _abort_nothing
        try:
            super().close(timeout, **options)
        except OSError:  # its thread had just closed the socket that would wake it
            self._sender.join(_LEAVE_S)
            super().close(timeout, **options)


def _abort_nothing() -> None:
    """Nobody waits for what is left."""


class Cluster:
    """How Kafka is reached; a test reaches something else."""

    def __init__(self, patience_s: int = 60) -> None:
        self.patience_s = patience_s
        """How long brokers may stay silent before that is an error."""

    def open_producer(self, topic: Topic) -> Producer:
        """A producer whose messages arrive once, in order, at all replicas in sync."""
        producer: Producer = _Producer(
            bootstrap_servers=list(topic.brokers),
            api_version_auto_timeout_ms=_CONNECT_MS,
            acks="all",
            enable_idempotence=True,
            request_timeout_ms=self.patience_s * 500,
            delivery_timeout_ms=self.patience_s * 1_000,
            max_block_ms=self.patience_s * 1_000,
            max_request_size=MAX_MESSAGE_BYTES,
            batch_size=_BATCH_BYTES,
            linger_ms=_LINGER_MS,
            allow_auto_create_topics=False,
        )
        return producer

    def open_consumer(self, topic: Topic) -> Consumer:
        """A consumer of no group, which never passes over what it cannot read."""
        consumer: Consumer = KafkaConsumer(
            bootstrap_servers=list(topic.brokers),
            api_version_auto_timeout_ms=_CONNECT_MS,
            request_timeout_ms=self.patience_s * 1_000,
            enable_auto_commit=False,
            auto_offset_reset="none",
            max_partition_fetch_bytes=_FETCH_BYTES,
            receive_message_max_bytes=_MAX_RESPONSE_BYTES,
            allow_auto_create_topics=False,
        )
        return consumer

    def make_topic(self, topic: Topic) -> int | None:
        """Make the topic if it is missing; how long it keeps messages, in ms.

        None is for ever, as a topic made here does: messages bear the time of their
        frames, and Kafka deletes by that, so a topic with the usual seven days would
        lose an older recording at once. Raises RecordingError for one that is
        compacted.
        """
        admin = KafkaAdminClient(
            bootstrap_servers=list(topic.brokers),
            api_version_auto_timeout_ms=_CONNECT_MS,
        )
        try:
            if topic.name not in admin.list_topics():
                new = NewTopic(topic.name, _PARTITIONS, -1, topic_configs=_TOPIC)
                with suppress(TopicAlreadyExistsError):  # another was quicker
                    admin.create_topics([new])
                    return None
            return _retention_ms(topic, admin)
        finally:
            admin.close()


CLUSTER = Cluster()


def _retention_ms(topic: Topic, admin: Any) -> int | None:  # noqa: ANN401  # untyped
    names = dict.fromkeys(("cleanup.policy", "retention.ms", "message.timestamp.type"))
    asked = ConfigResource(ConfigResourceType.TOPIC, topic.name, names)
    [answer] = admin.describe_configs([asked])
    [resource] = answer.to_object()["resources"]
    if resource["error_code"]:
        msg = f"{topic}: its settings cannot be read: {resource['error_message']}"
        raise RecordingError(msg)
    entries = resource["config_entries"]
    values = {entry["config_names"]: entry["config_value"] for entry in entries}
    if values["cleanup.policy"] != "delete":
        msg = f"{topic}: the topic is compacted and would lose frames"
        raise RecordingError(msg)
    if values["message.timestamp.type"] != "CreateTime":
        return None  # deleted by age since arrival
    retention_ms = int(values["retention.ms"])
    return None if retention_ms < 0 else retention_ms


@contextmanager
def kafka_errors(topic: Topic) -> Iterator[None]:
    """Every error of the library as RecordingError naming brokers and topic."""
    try:
        yield
    except KafkaError as error:
        raise recording_error(topic, error) from error


def recording_error(topic: Topic, error: BaseException) -> RecordingError:
    """The library's error in one plain sentence."""
    if isinstance(error, RecordingError):
        return error
    if isinstance(error, NoBrokersAvailable):
        return RecordingError(f"{topic}: no broker answers")
    reason = str(error)
    if isinstance(error, BrokerResponseError) and error.description:
        reason = f"{type(error).__name__}: {error.description.partition('. ')[0]}"
    return RecordingError(f"{topic}: {' '.join(reason.split())}")
