"""Timers that run only when a test says so."""

from __future__ import annotations

import heapq
import itertools
from collections.abc import Callable


class HandClock:
    """Timers that run only when told to."""

    def __init__(self) -> None:
        self.now = 1000.0
        self.reported: list[tuple[str, Exception]] = []
        self.is_strict = True
        self._order = itertools.count()
        self._calls: list[tuple[float, int, HandTimer]] = []

    def time(self) -> float:
        return self.now

    def call_at(self, when: float, callback: Callable[[], object], /) -> HandTimer:
        timer = HandTimer(callback)
        heapq.heappush(self._calls, (when, next(self._order), timer))
        return timer

    def report(self, name: str, error: Exception, /) -> None:
        """Keep what a callback met; where none is expected (`is_strict`) it is raised."""
        if self.is_strict:
            raise error
        self.reported.append((name, error))

    def advance(self, seconds: float) -> None:
        """Let time pass, and run what falls due in order."""
        until = self.now + seconds
        while self._calls and self._calls[0][0] <= until:
            when, _, timer = heapq.heappop(self._calls)
            self.now = max(self.now, when)
            timer.run()
        self.now = until


class HandTimer:
    """A call that may still be cancelled."""

    def __init__(self, callback: Callable[[], object]) -> None:
        self._callback: Callable[[], object] | None = callback

    def cancel(self) -> None:
        self._callback = None

    def run(self) -> None:
        if self._callback is not None:
            self._callback()
