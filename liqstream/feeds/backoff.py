"""When to try again: full jitter up to a minute, and never more than one connection a second to a venue."""

from __future__ import annotations

import asyncio
import random
from dataclasses import dataclass, field

CAP_S = 60.0
CONNECTS_PER_S = 1.0
"""Binance closes the door at 300 connections in 5 minutes; this is exactly that, and polite everywhere."""


@dataclass(slots=True)
class FullJitter:
    """Waiting times drawn evenly from 0 to min(cap, base * 2^failures): many clients never come back at once.

    https://aws.amazon.com/blogs/architecture/exponential-backoff-and-jitter/
    """

    base_s: float = 1.0
    cap_s: float = CAP_S
    random: random.Random = field(default_factory=random.Random)
    failures: int = 0

    def next_s(self) -> float:
        """Count a failure; how long to wait now."""
        ceiling = min(self.cap_s, self.base_s * 2.0 ** min(self.failures, 32))
        self.failures += 1
        return self.random.uniform(0.0, ceiling)

    def reset(self) -> None:
        """All is well again."""
        self.failures = 0


class Pace:
    """Lets one caller through per `every_s`, in the order they came, on the loop's monotonic clock."""

    def __init__(self, every_s: float, burst: int = 1) -> None:
        self.every_s = every_s
        self._burst_s = every_s * (burst - 1)
        self._next_s = float("-inf")

    async def wait(self) -> None:
        """Return when it is the caller's turn."""
        now_s = asyncio.get_running_loop().time()
        turn_s = max(now_s - self._burst_s, self._next_s)
        self._next_s = turn_s + self.every_s
        if turn_s > now_s:
            await asyncio.sleep(turn_s - now_s)

    def pause(self, seconds: float) -> None:
        """Let nobody through for a while: the venue said so."""
        now_s = asyncio.get_running_loop().time()
        self._next_s = max(self._next_s, now_s + seconds + self._burst_s)
