"""Files that are there whole, or not at all."""

import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import IO

PARTIAL = ".partial"
"""Ends the name of what is still being written."""

_OWNER_ONLY = 0o600


@contextmanager
def whole_file(path: Path) -> Iterator[IO[bytes]]:
    """A file that takes its name, durably, when the block ends without an error.

    Otherwise what was there stays, and nothing is left beside it. Raises OSError.
    """
    partial = path.with_name(path.name + PARTIAL)
    try:
        with partial.open("wb") as file:
            yield file
            file.flush()
            os.fsync(file.fileno())
        partial.replace(path)
        sync_directory(path.parent)
    except BaseException:  # a signal, too
        with suppress(OSError):
            partial.unlink(missing_ok=True)
        raise


def create_private(path: Path, content: bytes) -> None:
    """A new file that only its owner may read. Raises OSError, also if it is there."""
    flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL
    with os.fdopen(os.open(path, flags, _OWNER_ONLY), "wb") as file:
        file.write(content)


def sync_directory(directory: Path) -> None:
    """Make names given in a directory survive a power cut. Raises OSError."""
    descriptor = os.open(directory, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
