"""The clock of the fan-out: monotonic time, and calls at a time."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Protocol


class Timer(Protocol):
    """What `call_at` returns."""

    def cancel(self) -> None: ...


class Timers(Protocol):
    """The part of an event loop that pacing needs; times are monotonic seconds."""

    def time(self) -> float: ...
    def call_at(self, when: float, callback: Callable[[], object], /) -> Timer: ...


class RunningLoop:
    """The event loop that runs when it is asked; a manager may be made before there is one."""

    def time(self) -> float:
        return asyncio.get_running_loop().time()

    def call_at(self, when: float, callback: Callable[[], object], /) -> Timer:
        return asyncio.get_running_loop().call_at(when, callback)
