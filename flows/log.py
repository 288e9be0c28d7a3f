"""Structured logging: which events exist, and how they are written.

Logging is for decisions of the program and changes of its state, never per message;
what the strategy does is in the journal. The level comes from `MFT_LOG` (default
`warning`), lines go to standard error, as JSON where that is not a terminal.
"""

import io
import logging
import os
import sys
from contextlib import suppress
from typing import TextIO, cast

import structlog

from flows.domain.errors import ConfigurationError

EVENTS = {
    "replay_started": "A replay begins or resumes: run id, output.",
    "replay_traded": "The trading flow has ended: seconds it took.",
    "replay_archived": "Journal and views are in ClickHouse: blocks sent by this run.",
    "replay_finished": "The report is written: run id.",
    "scan_started": "A scan of instruments begins: run id.",
    "ended_sessions_not_kept": "A log-out holds until the API ends only: reason.",
    "scan_not_archived": "A scan's journal cannot be read, and is left out: reason.",
    "scan_finished": "Its results are stored: run id, how many symbols.",
    "trade_started": "A live engine begins: run id, symbols.",
    "engine_restarts": "An engine crashed and begins anew: why.",
    "telemetry_failed": "The state could not be shown, trading goes on: error.",
    "trade_ended": "A live engine has stopped, everything is flushed: why.",
    "killed": "The kill switch latched: reason, detail.",
    "kill_reset": "A person released the kill switch: operator.",
    "kill_latch_failed": "The kill latch is not what it should be: reason.",
    "watchdog_lost": "The watchdog has ended or cannot be started: why.",
    "watchdog_kills": "The watchdog kills the account at the exchange: why.",
    "watchdog_killed": "The watchdog is done: time until flat, what remains.",
    "watchdog_stood_down": "The engine has died, and another has taken over.",
    "countdown_failed": "The exchange's dead man's switch was not set: why.",
    "protective_stop_refused": "The exchange takes no stop for a position: why.",
    "protective_stop_unknown": "Whether a stop was placed is asked for: why.",
    "protective_stops_unlisted": "The list of stops cannot be read: why.",
    "command_handled": "An operator's command is journalled: verb, outcome.",
    "control_failed": "A client's conversation ended by an error of ours: error.",
    "engine_ended": "An engine under supervision ended in the middle: its last words.",
    "plan_not_kept": "What should run is not written down: why.",
    "audit_not_kept": "A command is not in the API's own record: why.",
    "supervision_failed": "Looking after the engine failed, and is tried again: error.",
    "account_read": "What the exchange grants the account: wallet, fee, leverage.",
    "cash_moved": "The exchange booked funding, a fee or a transfer: which, how much.",
    "wallet_unexplained": "The wallet changed and no booking says why: how much.",
    "order_unknown": "The outcome of an order is not known and is asked for: why.",
    "positions_differ": "The exchange holds other positions than we: which.",
    "reconciled": "The exchange holds what we believe to hold.",
    "unreconciled": "What the exchange holds is not certain; no entries: why.",
    "reconciliation_failed": "A comparison came to nothing and is repeated: why.",
    "user_stream_lost": "The user data stream begins anew: why.",
    "user_event_unusable": "An event of the user data stream cannot be read: why.",
    "archive_run": "The live archive goes on with a run: run id.",
    "archive_hole": "A stretch of a run is not recorded, or was removed: from, to.",
    "archive_waits": "The database does not answer and is tried again: reason.",
    "archive_answers": "Readers may ask the embedded store: at which URL.",
    "archive_lost": "The archive ended or cannot be started: status.",
    "archive_ended": "The live archive has loaded all it has read: blocks.",
    "record_started": "A live recording begins: symbols.",
    "record_ended": "A live recording has ended: why.",
    "stream_closed": "A connection ended or did not open: route, reason.",
    "stream_replaced": "A second connection took over: route.",
    "stream_refused": "The exchange refused a control message: route, reason.",
    "streams_silent": "Streams are subscribed to anew: route, streams.",
    "snapshot_failed": "A REST order book did not come: symbol, reason.",
    "instruments_changed": "Filters or status differ from before: symbols.",
    "reply_unusable": "A REST reply could not be used: path, reason.",
    "requests_paused": "The exchange asked for a pause of requests: until when.",
}
"""Every event name with its meaning; another name is a bug."""

_LEVELS = ("debug", "info", "warning", "error")


def configure() -> None:
    """Set logging up for a process. Raises ConfigurationError on an unknown level."""
    level = os.environ.get("MFT_LOG", "warning").lower()
    if level not in _LEVELS:
        msg = f"MFT_LOG: expected one of {', '.join(_LEVELS)}, was {level!r}"
        raise ConfigurationError(msg)
    is_terminal = sys.stderr.isatty()
    structlog.configure(
        processors=[
            _check_event,
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            *(() if is_terminal else (structlog.processors.format_exc_info,)),
            (
                structlog.dev.ConsoleRenderer()
                if is_terminal
                else structlog.processors.JSONRenderer()
            ),
        ],
        wrapper_class=structlog.make_filtering_bound_logger(
            logging.getLevelNamesMapping()[level.upper()]
        ),
        logger_factory=structlog.WriteLoggerFactory(
            file=cast(TextIO, _Unfailing(sys.stderr))
        ),
    )


class _Unfailing(io.TextIOBase):
    """A text file to which writing never raises: a full disk must not stop a kill."""

    def __init__(self, file: TextIO) -> None:
        self._file = file

    def write(self, text: str) -> int:
        """Write, if it can be."""
        with suppress(OSError, ValueError):
            return self._file.write(text)
        return 0

    def flush(self) -> None:
        """Hand on what was written, if it can be."""
        with suppress(OSError, ValueError):
            self._file.flush()


def _check_event(
    _logger: object, _method: str, line: structlog.typing.EventDict
) -> structlog.typing.EventDict:
    if line["event"] not in EVENTS:
        msg = f"Log event {line['event']!r} is not in the documented list"
        raise ValueError(msg)
    return line
