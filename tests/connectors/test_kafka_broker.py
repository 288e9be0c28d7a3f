"""Frames through a real Apache Kafka on a loopback port, and through the commands."""

import errno
import gzip
import json
from collections.abc import Iterable, Iterator
from contextlib import closing
from itertools import islice
from pathlib import Path
from typing import Any

import pytest
from kafka import KafkaAdminClient, KafkaConsumer, KafkaProducer, TopicPartition
from kafka.admin import NewTopic

from api.cli.publish import publish
from connectors.kafka import KafkaRecorder, Sender, TopicReader, parse_topic
from connectors.kafka.client import Cluster
from connectors.recording import RecordingReader, RecordingWriter
from flows.domain.errors import RecordingError
from flows.domain.frame import RawFrame
from flows.domain.units import NS_PER_DAY, NS_PER_MS
from flows.spool import spooled
from tests.flows.engine_process import Running, wait_for
from tests.flows.replay_samples import (
    report_of,
    run_mft,
    synthetic,
)
from tests.kafka.broker import KafkaBroker
from tests.recordings import CLIP, recorded

DAY_MS = 86_400_000


@pytest.fixture(scope="module")
def broker(tmp_path_factory: pytest.TempPathFactory) -> Iterator[KafkaBroker]:
    with KafkaBroker(tmp_path_factory.mktemp("kafka")) as started:
        yield started


def make_topic(broker: KafkaBroker, name: str, **configs: str) -> str:
    """A topic with settings such as `retention.ms`; its URL."""
    settings = {key.replace("_", "."): value for key, value in configs.items()}
    admin = KafkaAdminClient(bootstrap_servers=[broker.address])
    admin.create_topics([NewTopic(name, 3, 1, topic_configs=settings)])
    admin.close()
    return broker.url(name)


def content(path: Path) -> bytes:
    return gzip.decompress(path.read_bytes())


def contents(frames: Iterable[RawFrame]) -> list[tuple[int, str, bytes]]:
    return [(frame.received_ns, frame.stream, frame.payload) for frame in frames]


def awkward() -> list[RawFrame]:
    """Frames that a careless mapping would lose, merge or put in another order."""
    payloads = [b"", b"null", b'{"a": 1}', b" {} ", b"\x00\xff\n", b"x" * 3_000_000]
    streams = ["btcusdt@depth", "@clock", "ethusdt@trade", "", "!ticker@arr", "é\n@x"]
    frames = [
        RawFrame(ts, stream, payload)
        for ts in (NS_PER_DAY, 7, 7, 0)
        for stream, payload in zip(streams, payloads, strict=True)
    ]
    return [*frames, RawFrame(NS_PER_DAY, "btcusdt@depth", b"1")]


def write_recording(path: Path, frames: list[RawFrame]) -> Path:
    with RecordingWriter.create(path) as writer:
        for frame in frames:
            writer.write(frame)
    return path


def test_record_and_replay_recording_comes_back_byte_for_byte(
    broker: KafkaBroker, tmp_path: Path
) -> None:
    recording = synthetic(tmp_path, seconds=20)
    url = broker.url("market")
    sent = run_mft("record", "--from", recording, "--to", url, "--json")
    assert (sent.returncode, sent.stderr) == (0, "")
    told = json.loads(sent.stdout)
    assert told["frames"] == content(recording).count(b"\n")
    out = tmp_path / "out"
    ended = run_mft("replay", "--from", url, "--out", out, "--json")
    assert (ended.returncode, ended.stderr) == (0, "")
    spool = out / f"input.market@{told['run']}.jsonl.gz"
    assert spool.read_bytes() == recording.read_bytes()
    assert json.loads(ended.stdout) == report_of(out)


def test_replay_killed_after_the_fetch_keeps_its_run(
    broker: KafkaBroker, tmp_path: Path
) -> None:
    url, out = broker.url("resumed"), tmp_path / "out"
    recording = synthetic(tmp_path, seconds=5)
    publish([recording], parse_topic(url))
    spool = spooled(parse_topic(url), out).path  # and here it was killed
    publish([synthetic(tmp_path, seconds=3, seed=1)], parse_topic(url))
    ended = run_mft("replay", "--from", url, "--out", out)
    assert (ended.returncode, ended.stderr) == (0, "")
    assert spool.read_bytes() == recording.read_bytes()
    ended = run_mft("replay", "--from", url, "--out", out)
    assert ended.returncode == 2
    assert "holds a finished run" in ended.stderr


def test_fetch_awkward_frames_are_equal(broker: KafkaBroker, tmp_path: Path) -> None:
    topic = parse_topic(broker.url("awkward"))
    with closing(Sender(topic)) as sender:
        for frame in awkward():
            sender.send(frame)
        sender.finish()
    path = tmp_path / "fetched.jsonl.gz"
    fetched = TopicReader(topic).fetch(path)
    assert (fetched.frames, fetched.is_finished) == (len(awkward()), True)
    assert content(path) == content(write_recording(tmp_path / "x.gz", awkward()))
    assert contents(RecordingReader(path).frames()) == contents(awkward())


def test_fetch_recorded_market_is_equal(broker: KafkaBroker, tmp_path: Path) -> None:
    market = list(islice(RecordingReader(recorded(CLIP)).frames(), 5_000))
    topic, path = parse_topic(broker.url("clip")), tmp_path / "fetched.jsonl.gz"
    with closing(Sender(topic)) as sender:
        for frame in market:
            sender.send(frame)
        sender.finish()
    assert TopicReader(topic).fetch(path).frames == len(market)
    assert contents(RecordingReader(path).frames()) == contents(market)


def test_record_live_frames_are_keyed_by_symbol(
    broker: KafkaBroker, tmp_path: Path
) -> None:
    topic = parse_topic(broker.url("live"))
    streams = [f"{name}@trade" for name in ("btcusdt", "ethusdt", "xrpusdt", "")]
    frames = [
        RawFrame(number // 8 * NS_PER_MS, streams[number % 4], b"%d" % number)
        for number in range(4_000)
    ]
    recorder = KafkaRecorder(topic)
    for first in range(0, len(frames), 10):
        recorder.record(frames[first : first + 10])
    recorder.flush()
    before = TopicReader(topic).fetch(tmp_path / "before.jsonl.gz")
    assert (before.frames, before.is_finished) == (len(frames), False)
    recorder.close()
    assert recorder.error is None
    path = tmp_path / "after.jsonl.gz"
    after = TopicReader(topic).fetch(path)
    assert (after.frames, after.is_finished) == (len(frames), True)
    assert contents(RecordingReader(path).frames()) == contents(frames)
    partitions_of: dict[bytes, set[int]] = {}
    times = set()
    for record in messages(broker, "live"):
        partitions_of.setdefault(record.key, set()).add(record.partition)
        times.add(record.timestamp)
    assert partitions_of.keys() == {b"BTCUSDT", b"ETHUSDT", b"XRPUSDT", b"@"}
    assert all(len(partitions) == 1 for partitions in partitions_of.values())
    assert len(set().union(*partitions_of.values())) > 1
    assert times == set(range(500))


def messages(broker: KafkaBroker, name: str) -> Iterator[Any]:
    consumer = KafkaConsumer(bootstrap_servers=[broker.address])
    partitions = [TopicPartition(name, n) for n in consumer.partitions_for_topic(name)]
    consumer.assign(partitions)
    consumer.seek_to_beginning()
    left = sum(consumer.end_offsets(partitions).values())
    while left:
        for records in consumer.poll(timeout_ms=500).values():
            left -= len(records)
            yield from records
    consumer.close()


def test_fetch_run_of_several_is_the_newest_or_the_chosen(
    broker: KafkaBroker, tmp_path: Path
) -> None:
    topic = parse_topic(broker.url("runs"))
    runs = []
    for payload in (b"1", b"2"):
        with closing(Sender(topic)) as sender:
            for number in range(50):
                sender.send(RawFrame(number, f"s{number % 7}@x", payload))
            sender.finish()
        runs.append(sender.run_id)
    for url, payload in ((f"runs?run={runs[0]}", b"1"), ("runs", b"2")):
        path = tmp_path / "run.jsonl.gz"
        fetched = TopicReader(parse_topic(broker.url(url))).fetch(path)
        assert fetched.frames == 50
        assert {f.payload for f in RecordingReader(path).frames()} == {payload}
    with pytest.raises(RecordingError, match="frame 0 of run nope is not there"):
        TopicReader(parse_topic(broker.url("runs?run=nope"))).fetch(tmp_path / "x")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["run.jsonl.gz"]


def test_fetch_foreign_message_is_refused_with_its_place(
    broker: KafkaBroker, tmp_path: Path
) -> None:
    url = make_topic(broker, "foreign")
    producer = KafkaProducer(bootstrap_servers=[broker.address])
    producer.send("foreign", b"hello", partition=1).get(timeout=60)
    producer.close()
    ended = run_mft("replay", "--from", url, "--out", tmp_path / "out")
    assert ended.returncode == 1
    assert ended.stderr == (
        f"mft: {url}: partition 1, offset 0: not a recorded frame: "
        "no recorder sent it\n"
    )
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("name", ["absent", "void"])
def test_replay_topic_without_frames_is_one_sentence(
    broker: KafkaBroker, tmp_path: Path, name: str
) -> None:
    url = make_topic(broker, name) if name == "void" else broker.url(name)
    ended = run_mft("replay", "--from", url, "--out", tmp_path / "out")
    reason = "the topic is empty" if name == "void" else "there is no such topic"
    assert (ended.returncode, ended.stderr) == (1, f"mft: {url}: {reason}\n")
    assert not (tmp_path / "out").exists()
    admin = KafkaAdminClient(bootstrap_servers=[broker.address])
    assert (name in admin.list_topics()) == (name == "void")
    admin.close()


@pytest.mark.parametrize(
    ("name", "configs", "reason"),
    [
        ("compacted", {"cleanup_policy": "compact"}, "is compacted"),
        ("short", {"retention_ms": str(DAY_MS)}, "older than 86400000 ms"),
        (
            "narrow",
            {"max_message_bytes": "1000", "retention_ms": "-1"},
            "MessageSizeTooLargeError",
        ),
    ],
)
def test_record_topic_that_would_lose_frames_is_refused(
    broker: KafkaBroker, tmp_path: Path, name: str, configs: dict[str, str], reason: str
) -> None:
    url = make_topic(broker, name, **configs)
    recording = synthetic(tmp_path, seconds=2)
    ended = run_mft("record", "--from", recording, "--to", url)
    assert (ended.returncode, ended.stdout) == (1, "")
    assert ended.stderr.startswith(f"mft: {url}: ")
    assert ended.stderr.count("\n") == 1
    assert reason in ended.stderr


def test_record_topic_by_arrival_time_takes_old_frames(
    broker: KafkaBroker, tmp_path: Path
) -> None:
    arrival = {"retention_ms": str(DAY_MS), "message_timestamp_type": "LogAppendTime"}
    url = make_topic(broker, "arrival", **arrival)
    recording = synthetic(tmp_path, seconds=2)
    publish([recording], parse_topic(url))
    path = tmp_path / "fetched.jsonl.gz"
    TopicReader(parse_topic(url)).fetch(path)
    assert path.read_bytes() == recording.read_bytes()


def test_finish_broker_that_fell_silent_raises_and_says_which(
    broker: KafkaBroker,
) -> None:
    topic = parse_topic(broker.url("silent"))
    sender = Sender(topic, Cluster(patience_s=2))
    sender.send(RawFrame(1, "a@x", b"1"))
    sender.flush()
    with broker.silent():
        for number in range(100):
            sender.send(RawFrame(number, "a@x", b"1"))
        with pytest.raises(RecordingError) as caught:
            sender.finish()
    sender.close()
    assert str(caught.value).startswith(f"{topic}: ")
    assert sender.error is caught.value


def test_close_sender_thread_ends_at_the_same_time_closes_all_the_same(
    broker: KafkaBroker, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The library closes the socket that wakes its thread from that thread."""
    producer: Any = Cluster().open_producer(parse_topic(make_topic(broker, "racing")))
    producer.send("racing", b"1", b"1", []).get(30)
    sender = producer._sender
    wake = sender.wakeup

    def wake_too_late() -> None:
        wake()
        sender.join(30)
        monkeypatch.undo()
        raise OSError(errno.EBADF, "Bad file descriptor")

    monkeypatch.setattr(sender, "wakeup", wake_too_late)
    producer.close(timeout=0)
    assert not sender.is_alive()
    assert producer._closed


def test_close_message_on_its_way_ends_the_thread_quietly(broker: KafkaBroker) -> None:
    """An exception in a thread would be a warning, and so an error."""
    producer: Any = Cluster().open_producer(parse_topic(make_topic(broker, "leaving")))
    producer.send("leaving", b"1", b"1", []).get(30)
    sender = producer._sender
    with broker.silent():
        producer.send("leaving", b"2", b"2", [])
        wait_for(sender._client.in_flight_request_count)
        producer.close(timeout=0)
        sender.join(30)
    assert not sender.is_alive()


def test_mft_record_of_the_live_market_replays_from_its_topic(
    broker: KafkaBroker, tmp_path: Path
) -> None:
    exchange = Running("exchange", "--port", 0, "--seed", 3)
    try:
        address = ("--exchange", exchange.line().split()[1])
        to = ("--to", broker.url("live"))
        sent = run_mft("record", *address, *to, "--duration", 4, "--json")
    finally:
        exchange.end()
    assert sent.returncode == 0, sent.stderr
    told = json.loads(sent.stdout)
    assert told["depth_events"] > 0
    ended = run_mft("replay", "--from", told["to"], "--out", tmp_path / "out", "--json")
    assert (ended.returncode, ended.stderr) == (0, "")
    assert report_of(tmp_path / "out")["totals"]["messages"] == told["depth_events"]
