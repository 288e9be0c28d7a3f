"""A live archive in a process of its own, to be killed by the crash test.

    python -m tests.flows.live_archive_process DATA follow|once

It tells each insert on standard output, so that the test can kill within it.
"""

import sys
from datetime import timedelta
from pathlib import Path
from threading import Event

from connectors.clickhouse import Loaded
from connectors.output import ArchivedDirectory
from flows.live_archive import LiveArchive
from tests.flows.archive_process import TellingClickHouse, tell

BLOCK_SIZE = 60


def main(directory: str, how: str) -> None:
    """Load what is there; go on unless told `once`."""
    data = ArchivedDirectory(Path(directory))
    store = TellingClickHouse.open_embedded(data.clickhouse)
    store.migrate()
    LiveArchive(
        store,
        data,
        is_once=how == "once",
        on_status=lambda _loaded: None,
        stop=Event(),
        loaded=Loaded(),
        poll=timedelta(milliseconds=5),
        block_size=BLOCK_SIZE,
    ).run()
    store.close()
    tell("done")


if __name__ == "__main__":
    main(*sys.argv[1:])
