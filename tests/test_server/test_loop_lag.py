"""The lag of the event loop, measured while something holds it up."""

from __future__ import annotations

import asyncio
import time

import pytest

from liqstream.server.loop_lag import measure_lag


async def test_a_loop_that_is_held_up_is_late(monkeypatch: pytest.MonkeyPatch) -> None:
    """By about as long as it was held up, after the sleep that was due."""
    monkeypatch.setattr("liqstream.server.loop_lag.SLEEP_S", 0.01)
    lags: asyncio.Queue[float] = asyncio.Queue()
    measuring = asyncio.create_task(measure_lag(lags.put_nowait))
    async with asyncio.timeout(10):
        assert await lags.get() >= 0
        until_s = time.monotonic() + 0.3
        while time.monotonic() < until_s:
            pass
        assert max([await lags.get() for _ in range(2)]) > 0.2
    measuring.cancel()
