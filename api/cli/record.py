"""`mft record`: frames to where they are kept."""

import json
from pathlib import Path
from typing import Annotated

import typer


def record_command(
    sources: Annotated[
        list[Path],
        typer.Option("--from", help="Recording; several are merged by receive time."),
    ],
    to: Annotated[
        str, typer.Option("--to", metavar="URL", help="kafka://HOST:PORT[,...]/TOPIC.")
    ],
    as_json: Annotated[
        bool, typer.Option("--json", help="Print what was recorded as JSON.")
    ] = False,
) -> None:
    """Send recordings to a Kafka topic, as one run whose frames stay in their order.

    A topic that is missing is made, and keeps its messages for ever.

    Example: mft record --from market.jsonl.gz --to kafka://127.0.0.1:9092/market
    """
    from api.cli.progress import progress_bars
    from api.cli.publish import publish
    from connectors.kafka import parse_topic

    topic = parse_topic(to)
    size = sum(path.stat().st_size for path in sources if path.is_file())
    with progress_bars({"record": size}) as advance:
        sender = publish(sources, topic, lambda more: advance("record", more))
    if as_json:
        recorded = {"to": str(topic), "run": sender.run_id, "frames": sender.count}
        typer.echo(json.dumps(recorded))
    else:
        typer.echo(f"{topic}?run={sender.run_id}: {sender.count} frames")
