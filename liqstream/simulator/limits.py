"""How much an address may ask of the simulated exchange, counted as each exchange counts it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class Limit:
    """At most `most` units in each window of `window_s` seconds; windows begin at multiples of it."""

    most: int
    window_s: float


@dataclass(slots=True)
class Usage:
    """What has been used of an exchange's limits, on the clock `now_s`. `refusals` counts what was too much;
    `peaks` is the most that was used of each limit in one of its windows."""

    limits: Mapping[str, Limit]
    now_s: Callable[[], float]
    refusals: int = 0
    peaks: Counter[str] = field(default_factory=Counter)
    _used: Counter[str] = field(default_factory=Counter)
    _window: dict[str, int] = field(default_factory=dict)

    def charge(self, costs: Mapping[str, int]) -> float | None:
        """Count a request; None if it is within every limit, else the seconds to the end of the window."""
        wait_s: float | None = None
        for name, cost in costs.items():
            limit = self.limits[name]
            window = int(self.now_s() // limit.window_s)
            if self._window.get(name) != window:
                self._window[name], self._used[name] = window, 0
            self._used[name] += cost
            self.peaks[name] = max(self.peaks[name], self._used[name])
            if self._used[name] > limit.most:
                wait_s = max(wait_s or 0.0, (window + 1) * limit.window_s - self.now_s())
        if wait_s is not None:
            self.refusals += 1
        return wait_s

    def used(self, name: str) -> int:
        """What has been used of a limit in its present window."""
        return self._used[name]
