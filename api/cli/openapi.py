"""`mft openapi`: the description of the HTTP interface, for makers of clients."""

from pathlib import Path
from tempfile import TemporaryDirectory

import typer


def openapi_command() -> None:
    """Print the OpenAPI description of the HTTP interface, as JSON.

    Example: mft openapi > openapi.json
    """
    import msgspec

    from api.http.app import create_app
    from api.http.desk import Desk

    with TemporaryDirectory() as nowhere:
        described = create_app(Desk(Path(nowhere))).openapi()
    typer.echo(msgspec.json.format(msgspec.json.encode(described)).decode())
