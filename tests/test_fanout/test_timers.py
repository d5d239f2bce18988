"""The running loop's clock and calls."""

from __future__ import annotations

import asyncio

import pytest
from structlog.testing import capture_logs

from liqstream.fanout.timers import RunningLoop


async def test_calls_come_at_their_time_unless_cancelled() -> None:
    """A time that has passed is now."""
    timers, called = RunningLoop(), asyncio.Event()
    mistakes: list[str] = []
    timers.call_at(timers.time() - 1, lambda: mistakes.append("cancelled")).cancel()
    when = timers.time() + 0.02
    timers.call_at(when, called.set)
    async with asyncio.timeout(5):
        await called.wait()
    assert timers.time() >= when - 0.01
    assert mistakes == []


def test_without_a_loop_there_is_no_time() -> None:
    """A manager may be made before the loop runs, but not used."""
    with pytest.raises(RuntimeError):
        RunningLoop().time()


def test_what_a_callback_meets_is_passed_on() -> None:
    """To whoever counts it; without anybody it is logged."""
    reported: list[tuple[str, Exception]] = []
    error = ValueError("broken")
    RunningLoop(lambda *what: reported.append(what)).report("bucket", error)
    assert reported == [("bucket", error)]
    with capture_logs() as lines:
        RunningLoop().report("bucket", error)
    assert [(line["timer"], line["exc_info"]) for line in lines] == [("bucket", error)]
