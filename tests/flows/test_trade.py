"""`mft trade` and `mft record` as a user runs them, on the loopback exchange."""

import json
import signal
import time
from collections.abc import Iterator
from contextlib import closing, suppress
from pathlib import Path

import msgspec
import pytest

from api.http.archive import History
from connectors.binance.wire import decode
from connectors.certificate import read_certificate
from connectors.journal import JournalReader, JournalRow
from connectors.recording import RecordingReader
from connectors.verification import verify_directory
from flows.domain.books import Books
from flows.domain.errors import StoreError
from flows.domain.view import BookView
from tests.flows.engine_process import (
    Running,
    kinds_of,
    rows_of,
    states_of,
    told_by,
    wait_for,
)
from tests.flows.replay_samples import journal_of, run_mft


@pytest.fixture
def exchange() -> Iterator[tuple[str, Running]]:
    """A synthetic exchange: its address and process."""
    running = Running("exchange", "--port", 0, "--seed", 3)
    try:
        yield running.line().split()[1], running
    finally:
        if running.process.poll() is None:
            running.process.send_signal(signal.SIGCONT)
        running.end()


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_mft_trade_stopped_by_a_signal_leaves_everything_whole(
    tmp_path: Path, exchange: tuple[str, Running], number: signal.Signals
) -> None:
    url, _ = exchange
    data = tmp_path / "data"
    engine = Running("trade", "--exchange", url, "--data", data, "--plain")
    try:
        wait_for(lambda: kinds_of(data).count("signal") >= 3)
        status, out, err = engine.stop(number)
    finally:
        engine.end()
    assert status == 0, err
    assert "0 open" in out
    assert kinds_of(data)[0] == "run_started"
    assert kinds_of(data)[-1] == "run_ended"
    assert "command_handled" in kinds_of(data)
    [finding] = verify_directory(data / "recording")
    assert finding.faults == []
    assert finding.replays_alone


def test_mft_trade_recording_replayed_makes_the_same_decisions(
    tmp_path: Path, exchange: tuple[str, Running]
) -> None:
    url, _ = exchange
    data = tmp_path / "data"
    for _ in range(2):  # the second goes on where the first ended
        ended = run_mft(
            "trade", "--exchange", url, "--data", data, "--duration", 6, "--json"
        )
        assert ended.returncode == 0, ended.stderr
        last = json.loads(ended.stdout)
        [segment] = sorted((data / "recording").glob("*.zst"))[-1:]
        out = tmp_path / last["run_id"]
        replayed = run_mft("replay", segment, "--out", out)
        assert replayed.returncode == 0, replayed.stderr
        theirs = journal_of(out)
        assert told_by(rows_of(data)) == told_by(theirs)
        marks = [row for row in theirs if row.kind == "equity_marked"]
        assert msgspec.json.decode(marks[-1].body)["equity"] == last["equity"]


def test_mft_trade_killed_keeps_all_but_the_last_second_and_goes_on(
    tmp_path: Path, exchange: tuple[str, Running]
) -> None:
    url, _ = exchange
    data = tmp_path / "data"
    engine = Running("trade", "--exchange", url, "--data", data, "--plain")
    try:
        wait_for(lambda: kinds_of(data).count("signal") >= 3)
        time.sleep(1.5)
    finally:
        engine.process.kill()
        killed_ns = time.time_ns()
        engine.end()
    [segment] = (data / "recording").glob("*.zst")
    certificate = read_certificate(segment)
    assert certificate is not None
    assert not certificate.complete
    last_ns = 0
    for frame in RecordingReader(segment).frames():
        last_ns = frame.received_ns
    assert killed_ns - last_ns < 1_500_000_000
    before = rows_of(data)
    assert before[-1].kind != "run_ended"
    ended = run_mft("trade", "--exchange", url, "--data", data, "--duration", 3)
    assert ended.returncode == 0, ended.stderr
    assert kinds_of(data)[:2] == ["run_started", "account_opened"]
    certificate = read_certificate(segment)
    assert certificate is not None
    assert "killed" in certificate.reason
    assert certificate.lines > 0


def test_mft_trade_frozen_exchange_makes_books_stale_until_it_goes_on(
    tmp_path: Path, exchange: tuple[str, Running]
) -> None:
    url, server = exchange
    data = tmp_path / "data"
    engine = Running("trade", "--exchange", url, "--data", data, "--plain")
    try:
        wait_for(lambda: states_of(data).count("SYNCED") >= 2)
        server.process.send_signal(signal.SIGSTOP)
        wait_for(lambda: states_of(data).count("STALE") >= 2)
        server.process.send_signal(signal.SIGCONT)
        wait_for(lambda: states_of(data).count("SYNCED") >= 4)
        status, _, err = engine.stop(signal.SIGTERM)
    finally:
        engine.end()
    assert status == 0, err


def test_mft_trade_second_engine_on_the_same_data_is_refused(
    tmp_path: Path, exchange: tuple[str, Running]
) -> None:
    url, _ = exchange
    data = tmp_path / "data"
    engine = Running("trade", "--exchange", url, "--data", data, "--plain")
    try:
        wait_for(lambda: kinds_of(data))
        second = run_mft("trade", "--exchange", url, "--data", data, "--duration", 1)
    finally:
        engine.end()
    assert second.returncode == 2
    assert second.stderr.endswith("another process is writing here\n")


def test_mft_trade_full_disk_ends_in_one_sentence(
    tmp_path: Path, exchange: tuple[str, Running]
) -> None:
    url, _ = exchange
    data = tmp_path / "data"
    ended = run_mft(
        *("trade", "--exchange", url, "--data", data, "--duration", 60, "--plain"),
        prefix=["bash", "-c", 'ulimit -f 200; exec "$@"', "bash"],
    )
    assert ended.returncode == 1
    said = ended.stderr.splitlines()[-1]
    assert said.startswith("mft: ")
    assert "data" in said
    for segment in (data / "recording").glob("*.zst"):
        assert list(RecordingReader(segment).frames())


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--symbols", "BTCUSD"], "lists no BTCUSD; did you mean BTCUSDT"),
        (["--symbols", ","], "Expected at least one symbol"),
        (["--exchange", "ftp://x"], "Expected an exchange like http://"),
        (["--exchange", "http://127.0.0.1:1"], "cannot be reached"),
    ],
)
def test_mft_trade_unusable_market_says_so_in_one_sentence(
    tmp_path: Path, exchange: tuple[str, Running], arguments: list[str], said: str
) -> None:
    url, _ = exchange
    given = ["--exchange", url, *arguments]
    ended = run_mft("trade", "--data", tmp_path / "data", *given)
    assert ended.returncode in {1, 2}
    assert said in ended.stderr
    assert ended.stderr.count("\n") == 1


def test_mft_record_for_a_while_writes_segments_that_verify(
    tmp_path: Path, exchange: tuple[str, Running]
) -> None:
    url, _ = exchange
    to = tmp_path / "recordings"
    ended = run_mft("record", "--exchange", url, "--to", to, "--duration", 4)
    assert ended.returncode == 0, ended.stderr
    assert "2 SYNCED" in ended.stdout
    verified = run_mft("record", "--verify", to)
    assert verified.returncode == 0
    assert "0 gaps: whole" in verified.stdout


def test_mft_record_killed_keeps_what_was_flushed_and_certifies_it_later(
    tmp_path: Path, exchange: tuple[str, Running]
) -> None:
    url, _ = exchange
    to = tmp_path / "recordings"
    recorder = Running("record", "--exchange", url, "--to", to)
    try:
        wait_for(lambda: list(to.glob("*.zst")))
        [segment] = to.glob("*.zst")
        wait_for(lambda: segment.stat().st_size > 4_096)
        before = segment.stat().st_size
        wait_for(lambda: segment.stat().st_size > before)
    finally:
        recorder.end()  # kill -9
    kept = list(RecordingReader(segment).frames())
    assert kept
    refused = run_mft("record", "--verify", to)
    assert (refused.returncode, "or was killed" in refused.stdout) == (1, True)
    ended = run_mft("record", "--exchange", url, "--to", to, "--duration", 2)
    assert ended.returncode == 0, ended.stderr
    verified = run_mft("record", "--verify", to)
    assert verified.returncode == 1, "the cut segment stays named until it is removed"
    cut, whole = verified.stdout.splitlines()
    assert cut.endswith(f"its recorder was killed; {len(kept)} lines are readable")
    assert whole.endswith(": whole")
    assert list(RecordingReader(segment).frames()) == kept


def test_mft_archive_beside_an_engine_killed_and_begun_again_has_everything_once(
    tmp_path: Path, exchange: tuple[str, Running]
) -> None:
    url, _ = exchange
    data = tmp_path / "data"
    data.mkdir()
    archive = Running("archive", "--data", data, "--serve", 0, "--plain", "--json")
    engine = Running("trade", "--exchange", url, "--data", data, "--plain")
    try:
        wait_for(lambda: "signal" in kinds_of(data))
        wait_for(lambda: _is_loading(data))
        engine.end()  # kill -9
        engine = Running("trade", "--exchange", url, "--data", data, "--plain")
        wait_for(lambda: len(_every_run(data)) == 2)
        wait_for(lambda: "signal" in kinds_of(data))
        assert engine.stop(signal.SIGTERM)[0] == 0
        status, out, err = archive.stop(signal.SIGTERM)
    finally:
        engine.end()
        archive.end()
    assert status == 0, err
    followed = json.loads(out)["rows"]
    rest = json.loads(run_mft("archive", "--data", data, "--once", "--json").stdout)
    again = json.loads(run_mft("archive", "--data", data, "--once", "--json").stdout)
    assert again["rows"] == {}
    assert followed["journal"] > 0
    assert followed["journal"] + rest["rows"].get("journal", 0) == sum(
        len(run) for run in _every_run(data)
    )
    assert followed.get("book_views", 0) + rest["rows"].get("book_views", 0) == sum(
        isinstance(update, BookView)
        for segment in sorted((data / "recording").glob("*.zst"))
        for update in _updates_of(segment)
    )


def _is_loading(data: Path) -> bool:
    """Whether the archive that serves has journal entries in ClickHouse."""
    with closing(History(data)) as history, suppress(StoreError):
        [(count,)] = history.query("SELECT count() FROM journal")
        return int(count) > 0
    return False


def _every_run(data: Path) -> list[list[JournalRow]]:
    reader = JournalReader(data / "journal.sqlite")
    try:
        return [
            reader.events(run_id, 0, reader.last_sequence(run_id))
            for run_id in reader.runs_back()
        ]
    finally:
        reader.close()


def _updates_of(segment: Path) -> Iterator[object]:
    """What fresh books tell of a segment that replays alone."""
    books = Books(depth=5, stale_after_ms=3_000)
    for frame in RecordingReader(segment).readable_frames():
        yield from books.apply(decode(frame))
