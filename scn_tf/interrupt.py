"""SIGTERM and Ctrl-C, noticed between steps instead of in the midst of one.

In: signals. Out: a flag that the training loop looks at. The second Ctrl-C
ends the program at once.
"""

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager

# 75 is EX_TEMPFAIL of sysexits.h: give the same command again.
EXIT_CODE = 75


class TrainingStopped(Exception):
    """Ends a training that was told to stop; all of it is saved."""


class StopFlag:
    """Whether a signal has come.

    Attributes:
        name: of the signal, "" as long as none has come.
    """

    def __init__(self) -> None:
        self.name = ""

    def __bool__(self) -> bool:
        """Whether a signal has come."""
        return bool(self.name)


@contextmanager
def signals_noticed() -> Iterator[StopFlag]:
    """Yields a flag that SIGTERM and the first Ctrl-C set.

    Signals reach the main thread only; elsewhere the flag is never set.
    """
    flag = StopFlag()
    if threading.current_thread() is not threading.main_thread():
        yield flag
        return
    before = {}

    def notice(number: int, frame: object) -> None:
        flag.name = signal.Signals(number).name
        for other, handler in before.items():
            signal.signal(other, handler)

    for number in (signal.SIGTERM, signal.SIGINT):
        before[number] = signal.signal(number, notice)
    try:
        yield flag
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
