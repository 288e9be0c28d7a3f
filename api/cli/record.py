"""`mft record`: the live market into recordings that can be trusted."""

from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from api.cli.live import ExchangeUrl, Symbols, market_job, status_lines
from flows.domain.errors import ConfigurationError

if TYPE_CHECKING:
    from connectors.kafka import Topic
    from flows.live import MarketJob
    from flows.record import Recorded

_GIB = 1 << 30
_FOUND_FAULTS = 1
_KAFKA = "kafka:"


def record_command(
    symbols: Symbols = "BTCUSDT,ETHUSDT",
    exchange: ExchangeUrl = None,
    sources: Annotated[
        list[Path] | None,
        typer.Option(
            "--from",
            help="Recording to send to Kafka, instead of the live market; "
            "several are merged by receive time.",
        ),
    ] = None,
    to: Annotated[
        str | None,
        typer.Option(
            "--to",
            metavar="DIR|URL",
            help="Directory for segments, or kafka://HOST:PORT[,...]/TOPIC.",
        ),
    ] = None,
    max_gib: Annotated[
        int, typer.Option(min=1, help="Most disk to use, in GiB; the oldest goes.")
    ] = 20,
    segment_minutes: Annotated[
        int, typer.Option(min=1, help="Length of a segment.")
    ] = 60,
    duration: Annotated[
        int | None, typer.Option(min=1, help="Stop after so many seconds.")
    ] = None,
    verify: Annotated[
        Path | None,
        typer.Option(help="Check the segments of a directory; record nothing."),
    ] = None,
    plain: Annotated[
        bool, typer.Option("--plain", help="A line every ten seconds, no live line.")
    ] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> int:
    """Record live market data: depth, best prices, trades, snapshots, clock.

    In a directory each segment replays alone and has a certificate beside it. A Kafka
    topic that is missing is made, and keeps its messages for ever. Ctrl-C ends either
    whole.

    Example: mft record --symbols BTCUSDT --to recordings
    """
    if verify is not None:
        return _verify(verify, as_json=as_json)
    if to is None:
        raise ConfigurationError("Expected --to DIR, --to kafka://..., or --verify DIR")
    topic = _topic(to)
    if sources:
        _publish(sources, topic, as_json=as_json)
        return 0
    job = market_job(symbols, exchange, duration)
    show_lines = plain or as_json
    if topic is not None:
        run_id, done = _record_to_topic(job, topic, is_plain=show_lines)
        place = f"{topic}?run={run_id}"
    else:
        limits = max_gib * _GIB, segment_minutes * 60
        done = _record_to_directory(job, Path(to), *limits, is_plain=show_lines)
        place = to
    if as_json:
        import msgspec

        told = {"to": place, **asdict(done)}
        typer.echo(msgspec.json.format(msgspec.json.encode(told)).decode())
    else:
        typer.echo(f"{place}: {_line(done)}")
    return 0


def _topic(to: str) -> "Topic | None":
    if not to.startswith(_KAFKA):
        return None
    from connectors.kafka import parse_topic

    return parse_topic(to)


def _record_to_directory(
    job: "MarketJob", to: Path, max_bytes: int, segment_s: int, *, is_plain: bool
) -> "Recorded":
    from connectors.recorder import Recorder
    from flows.record import record
    from flows.settings import load

    def open_recorder() -> Recorder:
        return Recorder(to, max_bytes=max_bytes, segment_s=segment_s)

    with status_lines(is_plain=is_plain) as show:
        return record(job, load(), open_recorder, lambda now: show(_line(now)))


def _record_to_topic(
    job: "MarketJob", topic: "Topic", *, is_plain: bool
) -> tuple[str, "Recorded"]:
    from connectors.kafka import KafkaRecorder
    from flows.record import record
    from flows.settings import load

    opened: list[KafkaRecorder] = []

    def open_recorder() -> KafkaRecorder:
        opened.append(KafkaRecorder(topic))
        return opened[0]

    with status_lines(is_plain=is_plain) as show:
        done = record(job, load(), open_recorder, lambda now: show(_line(now)))
    return opened[0].run_id, done


def _publish(sources: list[Path], topic: "Topic | None", *, as_json: bool) -> None:
    """Send recordings as one run whose frames stay in their order."""
    import msgspec

    from api.cli.progress import progress_bars
    from api.cli.publish import publish

    if topic is None:
        raise ConfigurationError("Expected --to kafka://HOST:PORT/TOPIC with --from")
    size = sum(path.stat().st_size for path in sources if path.is_file())
    with progress_bars({"record": size}) as advance:
        sender = publish(sources, topic, lambda more: advance("record", more))
    if as_json:
        told = {"to": str(topic), "run": sender.run_id, "frames": sender.count}
        typer.echo(msgspec.json.format(msgspec.json.encode(told)).decode())
    else:
        typer.echo(f"{topic}?run={sender.run_id}: {sender.count:,} frames")


def _line(done: "Recorded") -> str:
    books = ", ".join(f"{count} {state}" for state, count in done.books.items())
    return (
        f"recording | books: {books or 'none yet'} | "
        f"{done.depth_events:,} depth events, {done.gaps} gaps"
    )


def _verify(directory: Path, *, as_json: bool) -> int:
    import msgspec

    from connectors.verification import verify_directory

    findings = verify_directory(directory)
    if as_json:
        typer.echo(msgspec.json.format(msgspec.json.encode(findings)).decode())
    else:
        for found in findings:
            whole = "being written" if found.is_being_written else "whole"
            verdict = "; ".join(found.faults) or whole
            alone = "" if found.replays_alone else ", needs the segment before it"
            typer.echo(
                f"{found.segment}: {found.lines:,} frames, {found.seconds:,} s, "
                f"{found.gaps} gaps{alone}: {verdict}"
            )
    return _FOUND_FAULTS if any(found.faults for found in findings) else 0
