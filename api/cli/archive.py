"""`mft archive`: a live engine's journal and recording into ClickHouse."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from api.cli.live import status_lines

if TYPE_CHECKING:
    from connectors.clickhouse import Loaded


def archive_command(
    data: Annotated[
        Path, typer.Option(help="Directory of the engine: mft trade --data.")
    ] = Path("data"),
    url: Annotated[
        str | None,
        typer.Option(
            metavar="URL",
            envvar="MFT_CLICKHOUSE_URL",
            help="A server: http://user:password@host:port/database "
            "[default: embedded, in DATA/clickhouse].",
        ),
    ] = None,
    once: Annotated[
        bool, typer.Option("--once", help="Load what is there, and end.")
    ] = False,
    serve: Annotated[
        int | None,
        typer.Option(
            metavar="PORT",
            min=0,
            max=65_535,
            help="Answer ClickHouse clients on this machine meanwhile; 0: a free port.",
        ),
    ] = None,
    plain: Annotated[
        bool, typer.Option("--plain", help="A line every ten seconds, no live line.")
    ] = False,
    as_json: Annotated[
        bool, typer.Option("--json", help="Print what was loaded as JSON.")
    ] = False,
) -> None:
    """Follow an engine, and keep ClickHouse up to date with it.

    Each row is loaded exactly once, whatever is killed when. Ctrl-C ends it; the same
    command goes on. The embedded store belongs to it while it runs: others ask it over
    ClickHouse's HTTP interface (--serve), at the address in DATA/archive.url, as user
    `reader` with the password in DATA/archive.token. A server (--url) is waited for
    when it is away.

    Example: mft archive --data data/paper
    """
    import msgspec

    from flows.live_archive import ArchiveJob, archive_live

    job = ArchiveJob(data, url, is_once=once, port=serve)
    with status_lines(is_plain=plain or as_json) as show:
        loaded = archive_live(job, lambda so_far: show(_line(so_far)))
    if as_json:
        typer.echo(msgspec.json.format(msgspec.json.encode(loaded)).decode())
    else:
        typer.echo(_line(loaded))


def _line(loaded: "Loaded") -> str:
    counts = loaded.rows
    return (
        f"archive | {counts.get('journal', 0):,} journal entries, "
        f"{counts.get('book_views', 0):,} book views, "
        f"{counts.get('market_trades', 0):,} public trades loaded"
    )
