"""A Kafka in memory, at the interface of the client library."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple
from zlib import crc32

from kafka.errors import KafkaError

from connectors.kafka.client import Cluster, Offsets, Partition
from connectors.kafka.message import Headers, Message
from connectors.kafka.topic import Topic


class Stored(NamedTuple):
    partition: int
    offset: int
    key: bytes
    value: bytes | None
    headers: Headers
    timestamp: int


class MemoryDelivery:
    """Settled by the flush after it, or at once if it fails."""

    def __init__(self, error: KafkaError | None) -> None:
        self._error = error
        self._arrived: list[Callable[[Any], None]] = []

    def add_callback(self, function: Callable[[Any], None]) -> object:
        self._arrived.append(function)
        return self

    def add_errback(self, function: Callable[[BaseException], None]) -> object:
        if self._error is not None:
            function(self._error)
        return self

    def settle(self) -> None:
        if self._error is None:
            for function in self._arrived:
                function(None)


class MemoryCluster(Cluster):
    """One topic, each key in one partition; `failing` is met by later messages."""

    def __init__(self, partitions: int = 3, retention_ms: int | None = None) -> None:
        super().__init__(patience_s=1)
        self.partitions: list[list[Stored]] = [[] for _ in range(partitions)]
        self.beginnings = [0] * partitions
        self.retention_ms = retention_ms
        self.failing: KafkaError | None = None
        self.is_silent = False
        self.open_consumers = 0
        self.largest_poll = 7

    def make_topic(self, topic: Topic) -> int | None:
        assert topic.name
        return self.retention_ms

    def open_producer(self, topic: Topic) -> "MemoryProducer":
        return MemoryProducer(self, topic.name)

    def open_consumer(self, topic: Topic) -> "MemoryConsumer":
        return MemoryConsumer(self, topic.name)

    def add(self, message: Message, partition: int | None = None) -> None:
        """Append a message to its key's partition, or to this one."""
        if partition is None:
            partition = crc32(message.key) % len(self.partitions)
        records = self.partitions[partition]
        records.append(Stored(partition, len(records), *message))


class MemoryProducer:
    def __init__(self, cluster: MemoryCluster, name: str) -> None:
        self._cluster = cluster
        self._name = name
        self._under_way: list[MemoryDelivery] = []

    def send(
        self,
        topic: str,
        value: bytes,
        key: bytes,
        headers: list[tuple[str, bytes]],
        *,
        timestamp_ms: int,
    ) -> MemoryDelivery:
        assert topic == self._name
        delivery = MemoryDelivery(self._cluster.failing)
        if self._cluster.failing is None:
            self._cluster.add(Message(key, value, headers, timestamp_ms))
        self._under_way.append(delivery)
        return delivery

    def flush(self, timeout: float) -> None:
        assert timeout > 0
        if not self._cluster.is_silent:
            for delivery in self._under_way:
                delivery.settle()
            self._under_way.clear()

    def close(self, timeout: float) -> None:
        assert timeout == 0


class MemoryConsumer:
    def __init__(self, cluster: MemoryCluster, name: str) -> None:
        self._cluster = cluster
        self._name = name
        self._positions: dict[Partition, int] = {}
        cluster.open_consumers += 1

    def topics(self) -> set[str]:
        return {self._name} if self._cluster.partitions else set()

    def partitions_for_topic(self, topic: str) -> set[int] | None:
        assert topic == self._name
        return set(range(len(self._cluster.partitions)))

    def beginning_offsets(self, partitions: Sequence[Partition]) -> Offsets:
        return {p: self._cluster.beginnings[p[1]] for p in partitions}

    def end_offsets(self, partitions: Sequence[Partition]) -> Offsets:
        return {p: len(self._cluster.partitions[p[1]]) for p in partitions}

    def assign(self, partitions: Sequence[Partition]) -> None:
        self._positions = dict.fromkeys(partitions, 0)

    def seek(self, partition: Partition, offset: int) -> None:
        self._positions[partition] = offset

    def position(self, partition: Partition) -> int:
        return self._positions[partition]

    def poll(
        self, timeout_ms: int, max_records: int
    ) -> Mapping[Partition, Sequence[Stored]]:
        assert timeout_ms > 0
        [(partition, position)] = self._positions.items()
        if self._cluster.is_silent:
            return {}
        end = position + min(max_records, self._cluster.largest_poll)
        records = self._cluster.partitions[partition[1]][position:end]
        self._positions[partition] += len(records)
        return {partition: records}

    def close(self) -> None:
        self._cluster.open_consumers -= 1
