"""When to try again."""

from __future__ import annotations

import asyncio
import random

from hypothesis import given
from hypothesis import strategies as st

from liqstream.feeds.backoff import CAP_S, FullJitter, Pace


@given(failures=st.integers(0, 200), seed=st.integers(0, 1000))
def test_waits_are_drawn_from_zero_to_a_growing_ceiling(failures: int, seed: int) -> None:
    """Never longer than a minute, however long the trouble lasts."""
    backoff = FullJitter(random=random.Random(seed), failures=failures)
    ceiling = min(CAP_S, 2.0 ** min(failures, 10))
    assert 0 <= backoff.next_s() <= ceiling
    assert backoff.failures == failures + 1
    backoff.reset()
    assert backoff.next_s() <= 1.0


async def test_a_pace_lets_one_through_at_a_time() -> None:
    """Five at once at one per 20 ms: the last waits for the others."""
    loop = asyncio.get_running_loop()
    pace = Pace(0.02)
    started_s = loop.time()
    await asyncio.gather(*(pace.wait() for _ in range(5)))
    assert loop.time() - started_s >= 0.079


async def test_a_burst_may_pass_at_once() -> None:
    """A page of questions may start together; after that the pace holds."""
    loop = asyncio.get_running_loop()
    pace = Pace(0.5, burst=3)
    started_s = loop.time()
    for _ in range(3):
        await pace.wait()
    assert loop.time() - started_s < 0.4


async def test_a_pause_holds_everybody() -> None:
    """When a venue says to wait, everybody does."""
    loop = asyncio.get_running_loop()
    pace = Pace(0.001, burst=5)
    started_s = loop.time()
    pace.pause(0.05)
    await pace.wait()
    assert loop.time() - started_s >= 0.049
