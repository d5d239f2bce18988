"""The simulated exchange's time: the computer's, or an instant of choice, and then `speed` s per second."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, field


@dataclass(slots=True)
class MarketClock:
    """Runs on the monotonic clock, so that setting the computer's clock does not move the market."""

    speed: float = 1.0
    start_ms: int = field(default_factory=lambda: time.time_ns() // 1_000_000)
    monotonic_s: Callable[[], float] = time.monotonic
    _started_s: float = field(init=False)

    def __post_init__(self) -> None:
        self._started_s = self.monotonic_s()

    def now_ms(self) -> int:
        """The market's time in UTC ms; never goes back."""
        return self.start_ms + int((self.monotonic_s() - self._started_s) * 1000 * self.speed)
