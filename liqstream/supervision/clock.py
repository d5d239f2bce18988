"""The clock that waits run on: the machine's, a faster one, or one that a test moves by hand."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable

_LEAST_TIMEOUT_S = 2.0


class Clock:
    """Monotonic seconds, UTC milliseconds and waits, `speed` times as fast as the machine's.

    Whoever is faster than the machine passes `now_ms`, which then has to run at the same speed.
    """

    def __init__(
        self, speed: float = 1.0, now_ms: Callable[[], int] = lambda: time.time_ns() // 1_000_000
    ) -> None:
        self.speed = speed
        self.now_ms = now_ms

    def time_s(self) -> float:
        """Seconds that never go back; only differences mean something."""
        return asyncio.get_running_loop().time() * self.speed

    async def sleep(self, seconds: float) -> None:
        """Wait; not at all for a time that is over."""
        await asyncio.sleep(max(0.0, seconds) / self.speed)

    def timeout(self, seconds: float) -> asyncio.Timeout:
        """The context that raises TimeoutError after so many seconds.

        What it guards may be on another machine, which no clock makes faster: it has some real time.
        """
        return asyncio.timeout(max(seconds / self.speed, min(seconds, _LEAST_TIMEOUT_S)))


SYSTEM_CLOCK = Clock()
"""The machine's."""
