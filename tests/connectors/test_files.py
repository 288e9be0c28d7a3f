"""Files appear whole or not at all, whatever happens while they are written."""

import stat
from pathlib import Path
from typing import IO, Any

import pytest

from connectors.files import create_private, whole_file


def test_whole_file_written_replaces_what_was_there(tmp_path: Path) -> None:
    path = tmp_path / "a.json"
    path.write_bytes(b"old")
    with whole_file(path) as file:
        file.write(b"new")
        assert path.read_bytes() == b"old"
    assert path.read_bytes() == b"new"
    assert list(tmp_path.iterdir()) == [path]


@pytest.mark.parametrize("error", [ValueError, KeyboardInterrupt])
def test_whole_file_error_in_the_block_leaves_what_was_there(
    tmp_path: Path, error: type[BaseException]
) -> None:
    path = tmp_path / "a.json"
    path.write_bytes(b"old")
    with pytest.raises(error), whole_file(path) as file:
        _fail_after_writing(file, error)
    assert path.read_bytes() == b"old"
    assert list(tmp_path.iterdir()) == [path]


def _fail_after_writing(file: IO[bytes], error: type[BaseException]) -> None:
    file.write(b"new")
    raise error


def test_whole_file_interrupted_as_it_is_opened_leaves_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A signal may come when the file is there, and nobody has it in hand yet."""
    opens = Path.open

    def opened_and_interrupted(path: Path, mode: str) -> IO[Any]:
        opens(path, mode).close()
        raise KeyboardInterrupt

    monkeypatch.setattr(Path, "open", opened_and_interrupted)
    with pytest.raises(KeyboardInterrupt), whole_file(tmp_path / "a.json"):
        pytest.fail("it is not open")
    assert list(tmp_path.iterdir()) == []


def test_whole_file_folder_missing_raises(tmp_path: Path) -> None:
    with (
        pytest.raises(FileNotFoundError),
        whole_file(tmp_path / "missing" / "a.json"),
    ):
        pytest.fail("it is not open")


def test_create_private_new_is_readable_by_its_owner_only(tmp_path: Path) -> None:
    path = tmp_path / "secret"
    create_private(path, b"word")
    assert path.read_bytes() == b"word"
    assert stat.S_IMODE(path.stat().st_mode) == 0o600


def test_create_private_already_there_raises_and_keeps_it(tmp_path: Path) -> None:
    path = tmp_path / "secret"
    path.write_bytes(b"old")
    with pytest.raises(FileExistsError):
        create_private(path, b"new")
    assert path.read_bytes() == b"old"
