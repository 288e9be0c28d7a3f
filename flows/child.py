"""A function in a process of its own, which never outlives its caller.

The embedded database holds hundreds of megabytes once opened, allows one process a
directory, and must not be forked: so a replay archives in a child and stays small.
"""

import ctypes
import multiprocessing
import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from multiprocessing import resource_tracker
from multiprocessing.connection import Connection
from typing import Concatenate, ParamSpec, TypeVar, cast

from flows.domain.errors import StoreError, TradingError

P = ParamSpec("P")
T = TypeVar("T")
Progress = Callable[[int], None]
"""Told how much more is done."""

_PR_SET_PDEATHSIG = 1
_SIGNALS = (signal.SIGINT, signal.SIGTERM)


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
    try:
        with _deaf():
            child.start()
        theirs.close()
        return cast(T, _listen(ours, on_progress))
    except EOFError:
        child.join()
        msg = f"The process of {function.__name__} died with status {child.exitcode}"
        raise StoreError(msg) from None
    finally:
        if child.pid is not None:
            child.kill()
            child.join()
        ours.close()


@contextmanager
def _deaf() -> Iterator[None]:
    """Put off SIGINT and SIGTERM; a child started in here never hears a SIGINT.

    Else a Ctrl-C at the terminal would end the child with a traceback, or its start
    half-way.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    heard: list[int] = []
    before = {number: signal.getsignal(number) for number in _SIGNALS}
    resource_tracker.ensure_running()  # its start would unblock the signals
    for number, handler in before.items():
        if handler is not signal.SIG_IGN:
            signal.signal(number, lambda n, _frame: heard.append(n))
    mask = signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGINT])
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, mask)
        for number, handler in before.items():
            signal.signal(number, handler)
    for missed in heard:
        signal.raise_signal(missed)


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
    ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
    parent = multiprocessing.parent_process()
    if parent is not None and not parent.is_alive():
        return  # it died before it could take this process along
    try:
        connection.send(_Done(function(connection.send, *args, **kwargs)))
    except TradingError as error:
        connection.send(error)
