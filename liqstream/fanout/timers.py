"""The clock of the fan-out: monotonic time, and calls at a time."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Protocol

import structlog

_log = structlog.get_logger(__name__)


class Timer(Protocol):
    """What `call_at` returns."""

    def cancel(self) -> None:
        """Do not call; nothing happens if it was called already."""


class Timers(Protocol):
    """The part of an event loop that pacing needs; times are monotonic seconds."""

    def time(self) -> float:
        """Now."""
        ...

    def call_at(self, when: float, callback: Callable[[], object], /) -> Timer:
        """Call `callback` at `when`, at once if that has passed. It must not raise: see `report`."""
        ...

    def report(self, name: str, error: Exception, /) -> None:
        """Take note of what a callback met that nobody foresaw; it sets its timer again all the same."""


class RunningLoop:
    """The event loop that runs when it is asked; a manager may be made before there is one.

    `report` takes what callbacks meet.
    """

    def __init__(self, report: Callable[[str, Exception], None] | None = None) -> None:
        self._report = report or _log_error

    def report(self, name: str, error: Exception, /) -> None:
        """Pass it on; without anybody to pass it to it is logged."""
        self._report(name, error)

    def time(self) -> float:
        """The loop's time. Raises RuntimeError where no loop runs."""
        return asyncio.get_running_loop().time()

    def call_at(self, when: float, callback: Callable[[], object], /) -> Timer:
        """The loop's `call_at`. Raises RuntimeError where no loop runs."""
        return asyncio.get_running_loop().call_at(when, callback)


def _log_error(name: str, error: Exception) -> None:
    _log.error("timer failed", timer=name, exc_info=error)
