"""A clock whose waits are over at once: the time passes by them alone."""

from __future__ import annotations

import asyncio

from liqstream.supervision.clock import Clock

START_MS = 1_790_000_000_000


class StepClock(Clock):
    """Each wait moves the time by its length; `advance` moves it too."""

    def __init__(self) -> None:
        super().__init__(now_ms=lambda: START_MS + round(self.now_s * 1000))
        self.now_s = 0.0

    def time_s(self) -> float:
        """Seconds since the clock was made."""
        return self.now_s

    async def sleep(self, seconds: float) -> None:
        """Move the time; other tasks run first."""
        self.advance(max(0.0, seconds))
        await asyncio.sleep(0)

    def advance(self, seconds: float) -> None:
        """Move the time."""
        self.now_s += seconds
