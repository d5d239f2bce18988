"""The clock of waits: the machine's, or a faster one."""

from __future__ import annotations

import asyncio

import pytest

from liqstream.supervision.clock import Clock


async def test_a_faster_clock_waits_shorter() -> None:
    """Its seconds pass as fast; a wait that is over does not wait."""
    clock = Clock(speed=100.0)
    before_s, loop_s = clock.time_s(), asyncio.get_running_loop().time()
    await clock.sleep(2.0)
    await clock.sleep(-5.0)
    assert clock.time_s() - before_s >= 2.0
    assert asyncio.get_running_loop().time() - loop_s < 1.0


async def test_a_timeout_is_in_its_seconds() -> None:
    """60 s of a clock 1000 times as fast are soon over."""
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(5), Clock(speed=1000.0).timeout(60.0):
            await asyncio.Event().wait()
