"""Engines under supervision: started, found again, started again, left alone."""

import signal
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from api.http.supervisor import MOST_FAILURES, PLAN, SOON_S, Supervisor
from connectors.journal import Journal
from connectors.output import JOURNAL, KILL_LATCH, DataDirectory, is_engine_in
from flows.domain.errors import CommandRefused, ConfigurationError
from tests.flows.archive_samples import journal_entries
from tests.flows.engine_process import wait_for

ENGINE = (sys.executable, "-m", "tests.api.http.fake_engine")


class Watched:
    """A supervisor over processes that hold a directory and do nothing else."""

    def __init__(self, data: Path, how: str = "run") -> None:
        self.data = data
        self.now_s = 1_000.0
        self.supervisor = Supervisor(
            data, command=(*ENGINE, how), clock=lambda: self.now_s
        )

    def watch_until(self, condition: Callable[[], object]) -> None:
        def look() -> object:
            self.supervisor.watch()
            return condition()

        wait_for(look)

    def start(self) -> None:
        self.supervisor.want(["--mode", "paper"])
        self.watch_until(lambda: is_engine_in(self.data))

    def kill(self, number: signal.Signals = signal.SIGKILL) -> None:
        child = self.supervisor._child
        assert child is not None
        child.send_signal(number)
        child.wait()

    @property
    def problem(self) -> str:
        return self.supervisor.standing.problem


@pytest.fixture
def watched(tmp_path: Path) -> Iterator[Watched]:
    watched = Watched(tmp_path)
    yield watched
    child = watched.supervisor._child
    if child is not None:
        child.kill()
        child.wait()


def test_watch_nothing_wanted_starts_nothing(watched: Watched) -> None:
    watched.supervisor.watch()
    assert not watched.supervisor.standing.is_running
    assert watched.supervisor.standing.problem == ""


def test_watch_killed_engine_is_started_again_at_once_with_its_arguments(
    watched: Watched,
) -> None:
    watched.start()
    watched.now_s += SOON_S
    watched.kill()
    watched.watch_until(lambda: watched.supervisor.standing.restarts == 1)
    watched.watch_until(lambda: is_engine_in(watched.data))
    assert "ended in the middle" in watched.problem
    assert (watched.data / "arguments").read_text().splitlines() == [
        f"--mode paper --plain --data {watched.data}"
    ] * 2


def test_watch_engine_that_dies_again_soon_is_waited_for_and_then_given_up(
    watched: Watched,
) -> None:
    watched.start()
    for number in range(MOST_FAILURES + 1):
        watched.kill()
        watched.supervisor.watch()
        if number == MOST_FAILURES:
            break
        if number:
            assert not watched.supervisor.standing.restarts > number
            watched.now_s += 15.0
        watched.watch_until(lambda: is_engine_in(watched.data))
    assert not watched.supervisor.standing.is_wanted
    watched.now_s += 1_000
    watched.supervisor.watch()
    assert not is_engine_in(watched.data)


def test_watch_engine_that_ended_in_order_is_left_ended(watched: Watched) -> None:
    watched.start()
    journal = Journal(watched.data / JOURNAL, "20260101T000000000-aaaaaaaa")
    journal.append(journal_entries(1))
    journal.close()
    watched.kill(signal.SIGTERM)
    watched.supervisor.watch()
    assert not watched.supervisor.standing.is_wanted
    assert watched.problem == ""


def test_watch_engine_that_is_killed_by_its_switch_is_not_started_again(
    watched: Watched,
) -> None:
    watched.start()
    (watched.data / KILL_LATCH).touch()
    watched.kill()
    watched.supervisor.watch()
    assert "reset the kill" in watched.problem
    assert not watched.supervisor.standing.is_wanted


def test_watch_engine_that_is_refused_says_why_and_is_not_tried_again(
    tmp_path: Path,
) -> None:
    watched = Watched(tmp_path, "refuse")
    watched.supervisor.want([])
    watched.watch_until(lambda: watched.problem)
    assert watched.problem == "ended with status 1: mft: no such symbol: BTCUSD"
    assert not watched.supervisor.standing.is_wanted


def test_watch_engine_that_ran_and_cannot_start_now_is_tried_again_later(
    watched: Watched,
) -> None:
    watched.start()
    watched.now_s += SOON_S
    watched.kill()
    watched.supervisor._command = (*ENGINE, "refuse")  # as when the exchange is away
    watched.watch_until(lambda: "ended with status 1" in watched.problem)
    assert watched.supervisor.standing.is_wanted
    watched.supervisor._command = (*ENGINE, "run")
    watched.now_s += 15.0
    watched.watch_until(lambda: is_engine_in(watched.data))


def test_watch_engine_that_died_before_its_run_began_is_no_orderly_end(
    watched: Watched,
) -> None:
    journal = Journal(watched.data / JOURNAL, "20260101T000000000-aaaaaaaa")
    journal.append(journal_entries(1))  # the run before: it has ended in order
    journal.close()
    watched.start()
    watched.kill()
    watched.supervisor.watch()
    assert "ended in the middle" in watched.problem
    assert watched.supervisor.standing.is_wanted


def test_terminate_engine_that_is_starting_ends_it(watched: Watched) -> None:
    assert not watched.supervisor.terminate()
    watched.supervisor.want([])
    watched.supervisor.watch()
    watched.supervisor.release()
    assert watched.supervisor.terminate()
    child = watched.supervisor._child
    assert child is not None
    child.wait()
    watched.supervisor.watch()
    assert not watched.supervisor.terminate()
    standing = watched.supervisor.standing
    assert (standing.is_wanted, standing.problem) == (False, "")


def test_adopt_engine_that_nobody_here_started_takes_the_arguments(
    tmp_path: Path, watched: Watched
) -> None:
    theirs = DataDirectory(tmp_path)
    watched.supervisor.adopt(["--set", "capital=1000"])
    assert watched.supervisor.plan.arguments == ("--set", "capital=1000")
    watched.supervisor.adopt(["--set", "capital=2000"])
    assert watched.supervisor.plan.arguments == ("--set", "capital=1000")
    theirs.release()


def test_want_while_an_engine_runs_is_refused(watched: Watched) -> None:
    watched.start()
    with pytest.raises(CommandRefused, match="running already"):
        watched.supervisor.want()


def test_watch_engine_of_somebody_else_is_adopted_and_started_again(
    tmp_path: Path, watched: Watched
) -> None:
    theirs = DataDirectory(tmp_path)
    watched.supervisor.adopt()
    watched.supervisor.watch()
    assert watched.supervisor.standing.is_running
    theirs.release()
    watched.watch_until(lambda: watched.supervisor._child is not None)
    assert watched.supervisor.standing.restarts == 1


def test_release_after_it_was_given_up_forgets_why(tmp_path: Path) -> None:
    watched = Watched(tmp_path, "refuse")
    watched.supervisor.want([])
    watched.watch_until(lambda: watched.problem)
    watched.supervisor.release()
    assert watched.problem == ""


def test_standing_is_that_of_the_last_watch_and_asks_no_disk(
    tmp_path: Path, watched: Watched
) -> None:
    theirs = DataDirectory(tmp_path)
    watched.supervisor.watch()
    theirs.release()
    assert watched.supervisor.standing.is_running
    watched.supervisor.watch()
    assert not watched.supervisor.standing.is_running


def test_plan_is_kept_for_the_next_api(watched: Watched) -> None:
    watched.start()
    again = Supervisor(watched.data, command=ENGINE)
    assert again.standing.is_wanted
    assert again.standing.is_running
    again.release()
    assert not Supervisor(watched.data, command=ENGINE).standing.is_wanted


def test_plan_damaged_says_what_to_do(tmp_path: Path) -> None:
    (tmp_path / PLAN).write_text("{")
    with pytest.raises(ConfigurationError, match="remove it"):
        Supervisor(tmp_path)


def test_want_command_that_cannot_be_run_says_so(tmp_path: Path) -> None:
    supervisor = Supervisor(tmp_path, command=(str(tmp_path / "missing"),))
    supervisor.want([])
    supervisor.watch()
    assert "cannot be started: No such file" in supervisor.standing.problem


def test_want_directory_that_is_gone_says_so(tmp_path: Path) -> None:
    supervisor = Supervisor(tmp_path / "data", command=ENGINE)
    supervisor.want([])
    supervisor.watch()
    assert "cannot be started" in supervisor.standing.problem


@pytest.mark.parametrize("is_reaped", [False, True])
def test_want_before_the_end_of_the_last_one_was_seen_starts_another(
    watched: Watched, is_reaped: bool
) -> None:
    watched.start()
    watched.supervisor.release()
    journal = Journal(watched.data / JOURNAL, "20260101T000000000-aaaaaaaa")
    journal.append(journal_entries(1))
    journal.close()
    watched.kill(signal.SIGTERM)
    if is_reaped:
        watched.supervisor._reap()
    watched.supervisor.want()
    watched.watch_until(lambda: is_engine_in(watched.data))
    assert watched.supervisor.standing.is_wanted
    assert (watched.supervisor.standing.restarts, watched.problem) == (0, "")
