"""Stands in an engine's place: holds its directory until killed, or is refused."""

import sys
import time
from pathlib import Path

from connectors.output import DataDirectory

if __name__ == "__main__":
    how, *arguments = sys.argv[1:]
    if how == "refuse":
        sys.exit("mft: no such symbol: BTCUSD")
    path = Path(arguments[-1])
    with (path / "arguments").open("a") as file:
        file.write(" ".join(arguments) + "\n")
    held = DataDirectory(path)
    time.sleep(600)
