"""Stopping a server that has not started yet: at once, whatever it is doing.

There is nothing to be closed in order: nobody is connected, and the store survives a kill at any moment. The
handlers run between two steps of Python, also while imports or a thread hold up the event loop.
"""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Callable
from contextlib import suppress
from types import FrameType

STOPS = (signal.SIGTERM, signal.SIGINT)
NOT_YET = (signal.SIGHUP, signal.SIGUSR1, signal.SIGUSR2)
"""What cannot be obeyed yet, and SIGUSR2 for good: one letter from a backup, it would end the process."""


def stop_at_once(before: Callable[[int], None] = lambda _number: None) -> None:
    """From now on a signal that stops ends the process with 0; `before` is called first, and may fail.

    Those that ask for something of a server that has started are ignored.
    """

    def _on_stop(number: int, _frame: FrameType | None) -> None:
        with suppress(Exception):
            before(number)
        leave(0)

    for number in NOT_YET:
        signal.signal(number, signal.SIG_IGN)
    for number in STOPS:
        signal.signal(number, _on_stop)


def leave(code: int) -> None:
    """End the process without waiting for threads that are still at work on what nobody wants any more."""
    for stream in (sys.stdout, sys.stderr):
        with suppress(Exception):
            stream.flush()
    os._exit(code)
