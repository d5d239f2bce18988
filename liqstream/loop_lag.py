"""Measures how long the event loop keeps everybody waiting: a nap that ends late was late for all."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

NAP_S = 0.25


async def measure_lag(observe: Callable[[float], None]) -> None:
    """Report each nap's lateness in seconds, until cancelled."""
    clock_s = asyncio.get_running_loop().time
    while True:
        due_s = clock_s() + NAP_S
        await asyncio.sleep(NAP_S)
        observe(max(0.0, clock_s() - due_s))
