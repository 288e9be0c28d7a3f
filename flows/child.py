"""A function in a process of its own, which never outlives its caller.

The embedded database holds hundreds of megabytes once opened, allows one process a
directory, and must not be forked: so a replay archives in a child and stays small.
"""

import ctypes
import multiprocessing
import signal
from collections.abc import Callable
from multiprocessing.connection import Connection
from typing import Concatenate, ParamSpec, TypeVar, cast

from flows.domain.errors import StoreError, TradingError

P = ParamSpec("P")
T = TypeVar("T")
Progress = Callable[[int], None]
"""Told how much more is done."""

_PR_SET_PDEATHSIG = 1


class _Done:
    def __init__(self, result: object) -> None:
        self.result = result


def call(
    function: Callable[Concatenate[Progress, P], T],
    on_progress: Progress,
    *args: P.args,
    **kwargs: P.kwargs,
) -> T:
    """`function(progress, *args, **kwargs)` in a fresh process.

    Function, arguments and result must be picklable. Raises the TradingError that the
    function raised, and StoreError where the process died. Linux kills the child with
    its parent.
    """
    context = multiprocessing.get_context("spawn")
    ours, theirs = context.Pipe()
    child = context.Process(target=_serve, args=(theirs, function, args, kwargs))
    child.start()
    theirs.close()
    try:
        return cast(T, _listen(ours, on_progress))
    except EOFError:
        child.join()
        msg = f"The process of {function.__name__} died with status {child.exitcode}"
        raise StoreError(msg) from None
    finally:
        child.kill()
        child.join()
        ours.close()


def _listen(connection: Connection, on_progress: Progress) -> object:
    while True:
        message = connection.recv()
        if isinstance(message, _Done):
            return message.result
        if isinstance(message, TradingError):
            raise message
        on_progress(message)


def _serve(
    connection: Connection,
    function: Callable[..., object],
    args: tuple[object, ...],
    kwargs: dict[str, object],
) -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the parent decides, and kills
    ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
    try:
        connection.send(_Done(function(connection.send, *args, **kwargs)))
    except TradingError as error:
        connection.send(error)
