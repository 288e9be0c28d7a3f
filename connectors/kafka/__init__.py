"""Apache Kafka: raw frames to and from a topic that is partitioned by symbol."""

from connectors.kafka.reader import Fetched, TopicReader
from connectors.kafka.recorder import KafkaRecorder
from connectors.kafka.sender import Sender
from connectors.kafka.topic import Topic, parse_topic

__all__ = [
    "Fetched",
    "KafkaRecorder",
    "Sender",
    "Topic",
    "TopicReader",
    "parse_topic",
]
