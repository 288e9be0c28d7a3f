"""What becomes of frames on their way through a topic, with Kafka in memory."""

import threading
from collections.abc import Callable, Sequence
from contextlib import closing
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from kafka.errors import KafkaTimeoutError, MessageSizeTooLargeError

from connectors.kafka import KafkaRecorder, Sender, TopicReader, parse_topic
from connectors.kafka.message import Message, from_record, to_end, to_message
from connectors.kafka.reader import Fetched
from connectors.recording import RecordingReader
from flows.domain.errors import ConfigurationError, RecordingError
from flows.domain.frame import RawFrame
from tests.connectors.kafka_samples import MemoryCluster, Stored
from tests.flows.replay_samples import run_mft, synthetic

URL = "kafka://127.0.0.1:9092/market"
TOPIC = parse_topic(URL)
STREAMS = ("btcusdt@depth", "ethusdt@trade", "xrpusdt@depth", "@clock")

Content = tuple[int, str, bytes]


def content(frames: Sequence[RawFrame]) -> list[Content]:
    return [(frame.received_ns, frame.stream, frame.payload) for frame in frames]


def market(count: int) -> list[RawFrame]:
    """Frames of several symbols, of which many came in the same nanosecond."""
    return [
        RawFrame(number // 5, STREAMS[number * number % 4], b"%d" % number)
        for number in range(count)
    ]


def send(
    cluster: MemoryCluster, frames: Sequence[RawFrame], *, is_finished: bool = True
) -> str:
    """A run in the topic; its id."""
    with closing(Sender(TOPIC, cluster)) as sender:
        for frame in frames:
            sender.send(frame)
        if is_finished:
            sender.finish()
    return sender.run_id


def fetch(
    cluster: MemoryCluster, folder: Path, url: str = URL
) -> tuple[Fetched, list[RawFrame]]:
    path = folder / "fetched.jsonl.gz"
    fetched = TopicReader(parse_topic(url), cluster).fetch(path)
    assert cluster.open_consumers == 0
    return fetched, list(RecordingReader(path).frames())


# URLs --------------------------------------------------------------------------------


def test_parse_topic_full_url_gives_brokers_topic_and_run() -> None:
    topic = parse_topic("kafka://a.b:1,[::1]:9092/x_y-z.1?run=20260101T000000Z-ab")
    assert topic.brokers == ("a.b:1", "[::1]:9092")
    assert (topic.name, topic.run_id) == ("x_y-z.1", "20260101T000000Z-ab")
    assert str(topic) == "kafka://a.b:1,[::1]:9092/x_y-z.1"


@pytest.mark.parametrize(
    ("url", "reason"),
    [
        ("market", "Expected kafka://host:port"),
        ("kafka://a:1", "Expected kafka://host:port"),
        ("kafka://a:1/x/y", "Expected kafka://host:port"),
        ("kafka://a:1/x?group=y", "Expected kafka://host:port"),
        ("http://a:1/x", "Expected kafka://host:port"),
        ("kafka:///x", "expected host:port, was ''"),
        ("kafka://a/x", "expected host:port, was 'a'"),
        ("kafka://a:1,/x", "expected host:port, was ''"),
        ("kafka://a:0/x", "expected host:port, was 'a:0'"),
        ("kafka://a:65536/x", "expected host:port, was 'a:65536'"),
        ("kafka://me:secret@a:1/x", "expected host:port"),
        ("kafka://a:1/", "expected a topic"),
        ("kafka://a:1/..", "expected a topic"),
        ("kafka://a:1/x y", "expected a topic"),
        ("kafka://a:1/x?run=", "expected the id of a run"),
        ("kafka://a:1/x?run=../y", "expected the id of a run"),
    ],
)
def test_parse_topic_other_text_is_refused_with_what_was_expected(
    url: str, reason: str
) -> None:
    with pytest.raises(ConfigurationError) as caught:
        parse_topic(url)
    assert reason in str(caught.value)


# Messages ----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("stream", "key"),
    [
        ("btcusdt@depth@100ms", b"BTCUSDT"),
        ("btcusdt@snapshot", b"BTCUSDT"),
        ("@clock", b"@"),
        ("", b"@"),
        ("!ticker@arr", b"!TICKER"),
    ],
)
def test_to_message_key_is_the_symbol(stream: str, key: bytes) -> None:
    message = to_message(RawFrame(1_999_999, stream, b"{}"), "run", 3)
    assert (message.key, message.value, message.timestamp_ms) == (key, b"{}", 1)
    assert message.headers == [
        ("run", b"run"),
        ("n", b"3"),
        ("ts", b"1999999"),
        ("stream", stream.encode()),
    ]


@given(
    received_ns=st.integers(0, 2**63 - 1),
    stream=st.text(st.characters(codec="utf-8")),
    payload=st.binary(),
    number=st.integers(0, 2**63 - 1),
)
def test_from_record_of_to_message_is_the_frame(
    received_ns: int, stream: str, payload: bytes, number: int
) -> None:
    frame = RawFrame(received_ns, stream, payload)
    record = Stored(0, 0, *to_message(frame, "r1", number))
    assert from_record(record) == ("r1", number, frame)
    assert from_record(Stored(0, 0, *to_end("r1", number, received_ns))) == (
        "r1",
        number,
        None,
    )


FOREIGN = {
    "no value": Message(b"", None, [("run", b"r"), ("n", b"1")], 0),  # type: ignore[arg-type]  # a tombstone
    "no headers": Message(b"", b"{}", [], 0),
    "no run": Message(b"", b"{}", [("n", b"1")], 0),
    "no number": Message(b"", b"{}", [("run", b"r")], 0),
    "text number": Message(b"", b"{}", [("run", b"r"), ("n", b"-1")], 0),
    "large number": Message(b"", b"{}", [("run", b"r"), ("n", b"9" * 19)], 0),
    "no ts": Message(b"", b"{}", [("run", b"r"), ("n", b"1"), ("stream", b"x")], 0),
    "not UTF-8": Message(b"", b"{}", [("run", b"\xff"), ("n", b"1")], 0),
}


@pytest.mark.parametrize("message", FOREIGN.values(), ids=FOREIGN)
def test_fetch_foreign_message_is_refused_with_its_place(
    message: Message, tmp_path: Path
) -> None:
    cluster = MemoryCluster()
    run_id = send(cluster, market(20), is_finished=False)
    cluster.add(message, partition=1)
    offset = len(cluster.partitions[1]) - 1
    with pytest.raises(RecordingError) as caught:
        fetch(cluster, tmp_path, f"{URL}?run={run_id}")
    place = f"{URL}: partition 1, offset {offset}: not a recorded frame: "
    assert str(caught.value).startswith(place)
    assert list(tmp_path.iterdir()) == []


# There and back ----------------------------------------------------------------------


@given(
    frames=st.lists(
        st.builds(
            RawFrame,
            st.integers(0, 3),  # equal and backward times
            st.sampled_from(STREAMS),
            st.sampled_from((b"", b"{}", b"[1]")),
        ),
        min_size=1,
        max_size=80,
    ),
    partitions=st.integers(1, 5),
    largest_poll=st.integers(1, 9),
    data=st.data(),
)
def test_fetch_any_partitioning_gives_the_original_order(
    frames: list[RawFrame],
    partitions: int,
    largest_poll: int,
    data: st.DataObject,
    tmp_path_factory: pytest.TempPathFactory,
) -> None:
    cluster = MemoryCluster(partitions)
    cluster.largest_poll = largest_poll
    for number, frame in enumerate(frames):
        chosen = data.draw(st.integers(0, partitions - 1))
        cluster.add(to_message(frame, "r", number), chosen)
    cluster.add(to_end("r", len(frames), 0))
    fetched, read = fetch(cluster, tmp_path_factory.mktemp("order"))
    assert fetched == Fetched(len(frames), 0, is_finished=True)
    assert content(read) == content(frames)


def test_fetch_several_runs_takes_the_newest_or_the_chosen(tmp_path: Path) -> None:
    cluster = MemoryCluster()
    first = send(cluster, market(30))
    second = send(cluster, market(50)[30:])
    assert first < second
    assert content(fetch(cluster, tmp_path)[1]) == content(market(50)[30:])
    _, read = fetch(cluster, tmp_path, f"{URL}?run={first}")
    assert content(read) == content(market(30))


def test_fetch_message_that_is_there_twice_is_taken_once(tmp_path: Path) -> None:
    cluster = MemoryCluster(1)
    frames = market(12)
    for number in (0, 1, 2, 3, 1, 2, 3, 4, *range(5, 12), 11):
        cluster.add(to_message(frames[number], "r", number))
    cluster.add(to_end("r", 12, 0))
    fetched, read = fetch(cluster, tmp_path)
    assert (fetched.is_finished, content(read)) == (True, content(frames))


@pytest.mark.parametrize("lost", [0, 17, 39])
def test_fetch_finished_run_with_a_lost_frame_raises_and_names_it(
    lost: int, tmp_path: Path
) -> None:
    cluster = MemoryCluster()
    for number, frame in enumerate(market(40)):
        if number != lost:
            cluster.add(to_message(frame, "r", number))
    cluster.add(to_end("r", 40, 0))
    with pytest.raises(RecordingError, match=f"frame {lost} of run r is not there"):
        fetch(cluster, tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_fetch_run_whose_beginning_was_deleted_raises(tmp_path: Path) -> None:
    cluster = MemoryCluster(1)
    send(cluster, market(40), is_finished=False)
    cluster.beginnings = [5]
    with pytest.raises(RecordingError, match=r"frame 0 of run .* is not there"):
        fetch(cluster, tmp_path)


def test_fetch_unfinished_run_is_taken_as_far_as_it_is_whole(tmp_path: Path) -> None:
    cluster = MemoryCluster()
    frames = market(40)
    for number, frame in enumerate(frames):
        if number != 33:  # under way still, in a partition that was measured earlier
            cluster.add(to_message(frame, "r", number))
    fetched, read = fetch(cluster, tmp_path)
    assert fetched == Fetched(33, 6, is_finished=False)
    assert content(read) == content(frames[:33])


@pytest.mark.parametrize("partitions", [0, 3])
def test_fetch_nothing_there_is_said(partitions: int) -> None:
    cluster = MemoryCluster(partitions)
    reason = "the topic is empty" if partitions else "there is no such topic"
    with pytest.raises(RecordingError) as caught:
        TopicReader(TOPIC, cluster)
    assert str(caught.value) == f"{URL}: {reason}"
    assert cluster.open_consumers == 0


def test_fetch_brokers_fall_silent_raises(tmp_path: Path) -> None:
    cluster = MemoryCluster()
    run_id = send(cluster, market(40))
    reader = TopicReader(parse_topic(f"{URL}?run={run_id}"), cluster)
    cluster.is_silent = True
    with pytest.raises(RecordingError, match="no message came for 1 s"):
        reader.fetch(tmp_path / "x.jsonl.gz")
    assert list(tmp_path.iterdir()) == []
    assert cluster.open_consumers == 0


def test_fetch_progress_adds_up_to_the_messages(tmp_path: Path) -> None:
    cluster = MemoryCluster()
    send(cluster, market(100))
    told: list[int] = []
    reader = TopicReader(TOPIC, cluster)
    reader.fetch(tmp_path / "x.jsonl.gz", told.append)
    assert sum(told) == reader.messages == 101


# Failing to arrive -------------------------------------------------------------------


def test_send_failed_delivery_ends_the_run_with_one_error() -> None:
    cluster = MemoryCluster()
    sender = Sender(TOPIC, cluster)
    for frame in market(10):
        sender.send(frame)
    cluster.failing = MessageSizeTooLargeError("9 bytes")
    attempts: list[Callable[[], None]] = [
        lambda: sender.send(market(1)[0]),
        sender.flush,
        sender.finish,
    ]
    errors = []
    for attempt in attempts:
        with pytest.raises(RecordingError) as caught:
            attempt()
        errors.append(caught.value)
        cluster.failing = None
    assert set(errors) == {sender.error}
    assert str(errors[0]).startswith(f"{URL}: MessageSizeTooLargeError: ")
    stored = [from_record(r) for records in cluster.partitions for r in records]
    assert sorted(message.number for message in stored) == list(range(10))  # no end


def test_finish_message_never_acknowledged_raises() -> None:
    cluster = MemoryCluster()
    sender = Sender(TOPIC, cluster)
    sender.send(market(1)[0])
    cluster.is_silent = True
    with pytest.raises(RecordingError, match="1 messages were not acknowledged"):
        sender.finish()


def test_send_nothing_acknowledged_stops_before_memory_is_full() -> None:
    cluster = MemoryCluster()
    sender = Sender(TOPIC, cluster)
    cluster.is_silent = True
    frame = RawFrame(0, "a@x", b"x" * (1 << 20))
    for _ in range(32):
        sender.send(frame)
    with pytest.raises(RecordingError, match="frames leave, and none arrives"):
        sender.send(frame)


def test_sender_old_frames_into_a_topic_that_forgets_are_refused() -> None:
    cluster = MemoryCluster(retention_ms=86_400_000)
    with pytest.raises(RecordingError, match="older than 86400000 ms"):
        send(cluster, market(1))


def test_sender_chosen_run_id_is_refused() -> None:
    with pytest.raises(ConfigurationError, match=r"leave \?run= out"):
        Sender(parse_topic(f"{URL}?run=mine"), MemoryCluster())


# Live --------------------------------------------------------------------------------


def test_recorder_frames_in_batches_arrive_in_order(tmp_path: Path) -> None:
    cluster = MemoryCluster()
    recorder = KafkaRecorder(TOPIC, cluster)
    frames = market(5_000)
    for first in range(0, len(frames), 7):
        recorder.record(frames[first : first + 7])
    recorder.flush()
    assert sum(map(len, cluster.partitions)) == len(frames)
    recorder.close()
    fetched, read = fetch(cluster, tmp_path)
    assert fetched.is_finished
    assert content(read) == content(frames)
    assert recorder.error is None


def test_recorder_failed_delivery_is_told_and_raised() -> None:
    cluster = MemoryCluster()
    recorder = KafkaRecorder(TOPIC, cluster)
    recorder.record(market(5))
    recorder.flush()
    cluster.failing = KafkaTimeoutError("too late")
    recorder.record(market(5))
    with pytest.raises(RecordingError, match="KafkaTimeoutError: too late"):
        recorder.flush()
    recorder.record(market(5))
    with pytest.raises(RecordingError) as caught:
        recorder.close()
    assert caught.value is recorder.error
    assert sum(map(len, cluster.partitions)) == 5


class HeldCluster(MemoryCluster):
    """Takes no message until it may."""

    def __init__(self) -> None:
        super().__init__()
        self.may_take = threading.Event()

    def add(self, message: Message, partition: int | None = None) -> None:
        assert self.may_take.wait(60)
        super().add(message, partition)


def test_recorder_more_than_may_wait_is_an_error_at_once() -> None:
    cluster = HeldCluster()
    recorder = KafkaRecorder(TOPIC, cluster, capacity=100)
    recorder.record(market(100))
    assert recorder.error is None
    recorder.record(market(1))
    assert str(recorder.error) == f"{URL}: more than 100 frames wait to leave"
    cluster.may_take.set()
    with pytest.raises(RecordingError, match="more than 100 frames wait"):
        recorder.close()


def test_recorder_frame_that_cannot_be_sent_is_an_error(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    died: list[threading.ExceptHookArgs] = []
    monkeypatch.setattr(threading, "excepthook", died.append)
    recorder = KafkaRecorder(TOPIC, MemoryCluster())
    recorder.record([RawFrame(0, "\ud800@x", b"{}")])  # no text that UTF-8 can hold
    with pytest.raises(RecordingError, match="1 frames could not be sent"):
        recorder.close()
    assert [args.exc_type for args in died] == [UnicodeEncodeError]


# Commands ----------------------------------------------------------------------------


@pytest.mark.parametrize("command", ["record", "replay"])
def test_mft_no_broker_is_one_sentence(command: str, tmp_path: Path) -> None:
    url, out = "kafka://127.0.0.1:1/market", tmp_path / "out"
    options = {
        "record": ["--from", synthetic(tmp_path, seconds=1), "--to", url],
        "replay": ["--from", url, "--out", out],
    }
    ended = run_mft(command, *options[command])
    assert (ended.returncode, ended.stdout) == (1, "")
    assert ended.stderr == f"mft: {url}: no broker answers\n"
    assert not out.exists()


@pytest.mark.parametrize("options", [[], ["x.jsonl.gz", "--from", URL]])
def test_mft_replay_not_one_source_is_refused(
    options: list[str], tmp_path: Path
) -> None:
    ended = run_mft("replay", *options, "--out", tmp_path / "out")
    assert ended.returncode == 2
    assert ended.stderr.startswith("mft: Expected either recordings or --from")


@pytest.mark.parametrize("held", ["input.market@r2.jsonl.gz", "input.x@r1.jsonl.gz"])
def test_mft_replay_directory_of_another_run_is_refused(
    held: str, tmp_path: Path
) -> None:
    (tmp_path / held).touch()
    ended = run_mft("replay", "--from", f"{URL}?run=r1", "--out", tmp_path)
    assert ended.returncode == 2
    assert f"holds {held}, of another topic or run" in ended.stderr
    assert [path.name for path in tmp_path.iterdir()] == [held]


def test_finish_run_without_a_frame_leaves_no_trace() -> None:
    cluster = MemoryCluster()
    sender = Sender(TOPIC, cluster)
    sender.finish()
    sender.close()
    assert [r for records in cluster.partitions for r in records] == []
