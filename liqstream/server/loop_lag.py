"""Measures the lag of the event loop: a sleep that ends late was late for every other task too."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

SLEEP_S = 0.25


async def measure_lag(observe: Callable[[float], None]) -> None:
    """Call `observe` with how late each sleep ended, in s, until cancelled."""
    clock_s = asyncio.get_running_loop().time
    while True:
        due_s = clock_s() + SLEEP_S
        await asyncio.sleep(SLEEP_S)
        observe(max(0.0, clock_s() - due_s))
