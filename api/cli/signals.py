"""SIGINT, SIGTERM and SIGHUP as an exception, so that a command ends tidily."""

import signal
from types import FrameType
from typing import NoReturn

_SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


class Stopped(BaseException):  # not caught as an error on its way out
    """A signal asked the command to stop; its number is `signal`."""

    def __init__(self, number: int) -> None:
        super().__init__(number)
        self.signal = number


def raise_on_signals() -> None:
    """From now on each signal raises `Stopped`, unless it is ignored, as by nohup."""
    for number in _SIGNALS:
        if signal.getsignal(number) is not signal.SIG_IGN:
            signal.signal(number, _stop)


def _stop(number: int, _frame: FrameType | None) -> NoReturn:
    raise Stopped(number)
