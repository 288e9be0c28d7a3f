"""A run of a topic, back into the recording that it was."""

import heapq
import time
from collections.abc import Callable, Generator, Iterable, Iterator, Sequence
from contextlib import ExitStack, closing
from dataclasses import dataclass
from pathlib import Path

from kafka import TopicPartition

from connectors.kafka.client import (
    CLUSTER,
    Cluster,
    Consumer,
    Partition,
    kafka_errors,
)
from connectors.kafka.message import Numbered, Record, from_record
from connectors.kafka.topic import Topic
from connectors.recording import RecordingWriter
from flows.domain.errors import RecordingError

_POLL_MS = 500
_AT_ONCE = 500

Progress = Callable[[int], None]
"""Told how many more messages have been read."""


@dataclass(frozen=True)
class Fetched:
    """What a fetch has written."""

    frames: int
    """Frames in the recording."""
    left_out: int
    """Frames of an unfinished run that stand behind a missing one."""
    is_finished: bool
    """Whether the run has its end: its sender closed it, and nothing is missing."""


class TopicReader:
    """Reads one run of a topic, up to the ends that its partitions had at the start.

    The run is the topic's `run_id`, else the newest of those that wrote the last
    message of a partition. Partitions are independent: each is read by a consumer of
    its own, and they are merged by the numbers of the frames. Memory is bounded by a
    few fetches a partition. Raises RecordingError where brokers or topic do not answer,
    where a message is no frame, and where a frame is missing.
    """

    def __init__(self, topic: Topic, cluster: Cluster = CLUSTER) -> None:
        self._topic = topic
        self._cluster = cluster
        with kafka_errors(topic), closing(cluster.open_consumer(topic)) as consumer:
            self._spans = self._measured(consumer)
            self.run_id = topic.run_id or self._newest(consumer)
        self.messages = sum(end - begin for begin, end in self._spans.values())
        """Messages to be read, those of other runs included."""

    def fetch(self, path: Path, on_progress: Progress = lambda _more: None) -> Fetched:
        """Write the run as a recording, whole or not at all."""
        with ExitStack() as stack:
            stack.enter_context(kafka_errors(self._topic))
            streams = [
                stack.enter_context(closing(self._messages(partition, on_progress)))
                for partition in self._spans
            ]
            messages = heapq.merge(*streams, key=lambda message: message.number)
            with RecordingWriter.create(path) as writer:
                return self._written(messages, writer)

    def _measured(self, consumer: Consumer) -> dict[Partition, tuple[int, int]]:
        """The first and the next offset of each partition that holds something."""
        name = self._topic.name
        if name not in consumer.topics():  # asking for a partition could make it
            raise RecordingError(f"{self._topic}: there is no such topic")
        numbers = consumer.partitions_for_topic(name) or ()
        partitions = [TopicPartition(name, number) for number in sorted(numbers)]
        begins = consumer.beginning_offsets(partitions)
        ends = consumer.end_offsets(partitions)
        spans = {p: (begins[p], ends[p]) for p in partitions if begins[p] < ends[p]}
        if not spans:
            raise RecordingError(f"{self._topic}: the topic is empty")
        return spans

    def _newest(self, consumer: Consumer) -> str:
        found = [
            self._message(record).run_id
            for partition, (_, end) in self._spans.items()
            for records in self._polled(consumer, partition, end - 1)
            for record in records
        ]
        if not found:
            raise RecordingError(f"{self._topic}: the topic ends with no frame")
        return max(found)

    def _messages(
        self, partition: Partition, on_progress: Progress
    ) -> Generator[Numbered]:
        """The run's messages of a partition."""
        begin, _ = self._spans[partition]
        with closing(self._cluster.open_consumer(self._topic)) as consumer:
            for records in self._polled(consumer, partition, begin):
                on_progress(len(records))
                for message in map(self._message, records):
                    if message.run_id == self.run_id:
                        yield message

    def _polled(
        self, consumer: Consumer, partition: Partition, begin: int
    ) -> Iterator[Sequence[Record]]:
        """A partition's records from `begin` to its end."""
        _, end = self._spans[partition]
        consumer.assign([partition])
        consumer.seek(partition, begin)
        latest = time.monotonic()
        while (position := consumer.position(partition)) < end:
            records = consumer.poll(_POLL_MS, _AT_ONCE).get(partition, ())
            if records or consumer.position(partition) > position:
                latest = time.monotonic()
                yield [record for record in records if record.offset < end]
            elif time.monotonic() - latest > self._cluster.patience_s:
                msg = f"{self._topic}: no message came for {self._cluster.patience_s} s"
                raise RecordingError(msg)

    def _message(self, record: Record) -> Numbered:
        try:
            return from_record(record)
        except ValueError as error:
            place = f"partition {record.partition}, offset {record.offset}"
            msg = f"{self._topic}: {place}: not a recorded frame: {error}"
            raise RecordingError(msg) from error

    def _written(
        self, messages: Iterable[Numbered], writer: RecordingWriter
    ) -> Fetched:
        """Write frames up to the first that is missing."""
        frames, left_out = 0, 0
        for message in messages:
            if message.number < frames:  # it is there twice
                continue
            if message.frame is None and message.number == frames:
                return Fetched(frames, left_out, is_finished=True)
            if message.frame is None:
                raise self._missing(frames)
            if message.number == frames:
                writer.write(message.frame)
                frames += 1
            else:
                left_out += 1
        if not frames:
            raise self._missing(0)
        return Fetched(frames, left_out, is_finished=False)

    def _missing(self, number: int) -> RecordingError:
        msg = f"{self._topic}: frame {number} of run {self.run_id} is not there"
        return RecordingError(msg)
