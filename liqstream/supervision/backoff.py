"""When to try again: full jitter, up to half a minute."""

from __future__ import annotations

import random
from dataclasses import dataclass, field

CAP_S = 30.0


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
        """A success: the next wait is drawn from 0 to `base_s` again."""
        self.failures = 0
