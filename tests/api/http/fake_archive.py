"""Stands in an archive's place: holds its directory until it is told to end."""

import sys
import time
from pathlib import Path

from connectors.output import ArchivedDirectory

if __name__ == "__main__":
    path = Path(sys.argv[2])
    with (path / "arguments").open("a") as file:
        file.write(" ".join(sys.argv[1:]) + "\n")
    held = ArchivedDirectory(path)
    time.sleep(600)
