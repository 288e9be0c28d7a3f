"""The output directory: whose it is, and what may be left in it."""

import fcntl
from pathlib import Path
from typing import IO

import pytest

from connectors.output import OutputDirectory, input_directory, input_name
from flows.domain.errors import ConfigurationError, StoreError


def _none(_journal: Path) -> list[str]:
    return []


def _of_mine(_journal: Path) -> list[str]:
    return ["mine"]


def test_output_directory_absent_is_made(tmp_path: Path) -> None:
    output = OutputDirectory(tmp_path / "a" / "b", "mine", _none)
    output.release()
    assert list((tmp_path / "a" / "b").iterdir()) == []


def test_output_directory_own_unfinished_work_is_accepted(tmp_path: Path) -> None:
    (tmp_path / "journal.sqlite").touch()
    (tmp_path / "views.csv.partial").touch()
    output = OutputDirectory(tmp_path, "mine", _of_mine)
    output.release()
    assert output.journal.exists()


@pytest.mark.parametrize(
    ("name", "sentence"),
    [
        ("report.json", "holds a finished run"),
        ("journal.sqlite", "holds run mine, of other input or settings"),
        ("notes.txt", r"is not empty \(notes.txt\)"),
    ],
)
def test_output_directory_not_ours_is_refused_and_left_alone(
    tmp_path: Path, name: str, sentence: str
) -> None:
    (tmp_path / name).touch()
    with pytest.raises(ConfigurationError, match=sentence):
        OutputDirectory(tmp_path, "other", _of_mine)
    assert [path.name for path in tmp_path.iterdir()] == [name]


def test_output_directory_in_use_is_refused(tmp_path: Path) -> None:
    first = OutputDirectory(tmp_path, "mine", _none)
    with pytest.raises(ConfigurationError, match="another process is writing here"):
        OutputDirectory(tmp_path, "mine", _none)
    first.release()
    OutputDirectory(tmp_path, "mine", _none).release()


def test_output_directory_file_in_its_place_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "out"
    path.touch()
    with pytest.raises(ConfigurationError, match="cannot be used as output"):
        OutputDirectory(path, "mine", _none)


def test_write_csv_rows_appear_under_the_name(tmp_path: Path) -> None:
    output = OutputDirectory(tmp_path, "mine", _none)
    output.write_csv("a.csv", ("x", "y"), [(1, "one"), (2, "a,b")])
    output.release()
    assert (tmp_path / "a.csv").read_text() == 'x,y\n1,one\n2,"a,b"\n'


def test_file_error_while_writing_leaves_no_file_of_that_name(tmp_path: Path) -> None:
    output = OutputDirectory(tmp_path, "mine", _none)

    def full_disk() -> None:
        with output.file("a.csv") as file:
            file.write("half")
            raise OSError(28, "No space left on device")

    with pytest.raises(StoreError, match=r"a\.csv: .*No space left on device"):
        full_disk()
    output.release()
    assert not (tmp_path / "a.csv").exists()


def test_discard_new_directory_is_removed(tmp_path: Path) -> None:
    path = tmp_path / "out"
    output = OutputDirectory(path, "mine", _none)
    (path / "clickhouse").mkdir()
    (path / "clickhouse" / "data").touch()
    output.discard()
    output.release()
    assert not path.exists()


def test_output_directory_lock_that_was_replaced_is_not_taken(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def lock_and_replace(file: IO[str], operation: int) -> None:
        flock(file, operation)
        (tmp_path / ".lock").unlink()
        (tmp_path / ".lock").touch()

    flock = fcntl.flock
    monkeypatch.setattr(fcntl, "flock", lock_and_replace)
    with pytest.raises(ConfigurationError, match="another process is writing here"):
        OutputDirectory(tmp_path, "mine", _none)


def test_discard_file_of_somebody_else_stays(tmp_path: Path) -> None:
    path = tmp_path / "out"
    output = OutputDirectory(path, "mine", _none)
    for name in ("journal.sqlite-wal", "views.csv.partial", "notes.txt"):
        (path / name).touch()
    output.discard()
    output.release()
    assert [entry.name for entry in path.iterdir()] == ["notes.txt"]


def test_discard_given_directory_is_emptied(tmp_path: Path) -> None:
    output = OutputDirectory(tmp_path, "mine", _none)
    (tmp_path / "journal.sqlite").touch()
    output.discard()
    output.release()
    assert list(tmp_path.iterdir()) == []


# Fetched input -----------------------------------------------------------------------

INPUT = input_name("market", "20260101T000000Z-ab")


def test_input_directory_fetched_input_is_kept_for_the_run(tmp_path: Path) -> None:
    out = tmp_path / "out"
    with input_directory(out) as held:
        assert held is None
        (out / INPUT).write_text("frames")
    output = OutputDirectory(out, "mine", _none)
    output.journal.touch()
    output.release()
    with input_directory(out) as held:
        assert held == INPUT
    output = OutputDirectory(out, "mine", _of_mine)
    output.discard()
    output.release()
    assert [path.name for path in out.iterdir()] == [INPUT]


def test_input_directory_nothing_fetched_leaves_nothing(tmp_path: Path) -> None:
    with input_directory(tmp_path / "out"):
        pass
    assert list(tmp_path.iterdir()) == []


def test_input_directory_half_of_a_fetch_is_removed(tmp_path: Path) -> None:
    (tmp_path / f"{INPUT}.partial").touch()
    with input_directory(tmp_path) as held:
        assert held is None
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    "name", ["report.json", "journal.sqlite", "input.txt", "input.notes.partial"]
)
def test_input_directory_of_something_else_is_refused_and_left_alone(
    name: str, tmp_path: Path
) -> None:
    (tmp_path / name).touch()
    with pytest.raises(ConfigurationError), input_directory(tmp_path):
        pytest.fail("was let in")
    assert [path.name for path in tmp_path.iterdir()] == [name]


def test_input_directory_in_use_is_refused(tmp_path: Path) -> None:
    output = OutputDirectory(tmp_path, "mine", _none)
    with (
        pytest.raises(ConfigurationError, match="another process is writing here"),
        input_directory(tmp_path),
    ):
        pytest.fail("was let in")
    output.release()
