"""The clocks and the waits of a part that runs for long, as one value: a test passes its own."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass

from liqstream.supervision.backoff import FullJitter


@dataclass(frozen=True, slots=True)
class Timing:
    """`clock_s` is monotonic, in s; `now_ms` is UTC, in ms since 1970.

    `backoff` makes the waiting times of one thing that is tried again; each has its own, so that a success of
    one does not shorten the waits of another.
    """

    clock_s: Callable[[], float] = time.monotonic
    now_ms: Callable[[], int] = lambda: time.time_ns() // 1_000_000
    backoff: Callable[[], FullJitter] = FullJitter


SYSTEM_TIMING = Timing()
"""The machine's clocks, and waits of up to half a minute."""
