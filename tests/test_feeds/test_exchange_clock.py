"""liqstream/feeds/exchange_clock.py: an exchange's clock is read, and carried on by our seconds."""

from __future__ import annotations

from functools import partial

import pytest
from structlog.testing import capture_logs

from liqstream.feeds.exchange_clock import MOST_AHEAD_MS, ExchangeClock
from liqstream.feeds.feed import FeedStatus
from tests.support.step_clock import START_MS, StepClock


async def test_the_clock_goes_on_from_where_it_was_read() -> None:
    """At its own speed, also where our own UTC is set; the skew is measured in the middle of the question."""
    ours, status = StepClock(), FeedStatus()
    clock = ExchangeClock("okx", status, ours)
    assert clock.time_ms() is None

    async def ask() -> int:
        ours.advance(0.1)
        return START_MS + 1_000_000

    assert await clock.measure(ask()) == START_MS + 1_000_000
    assert status.clock_skew_ms == -999_950.0
    ours.advance(0.9)
    for set_to_ms in (START_MS, 0, 2 * START_MS):
        ours.now_ms = partial(int, set_to_ms)
        assert clock.time_ms() == START_MS + 1_001_000
        assert clock.time_ms(60.0) == START_MS + 1_060_000


async def test_a_clock_that_differs_is_logged_when_it_changes() -> None:
    """Not at each reading, of which there are many."""
    clock = ExchangeClock("okx", FeedStatus(), StepClock())

    async def ask(theirs_ms: int) -> int:
        return theirs_ms

    with capture_logs() as logs:
        for ahead_ms in (60_000, 60_900, 0, 60_000, 120_000, 120_000):
            await clock.measure(ask(START_MS + ahead_ms))
    assert [each["ours_is_ahead_ms"] for each in logs] == [-60_000.0, -60_000.0, -120_000.0]


async def test_a_clock_that_is_years_ahead_is_not_believed() -> None:
    """It would date all that comes; the last good reading stays. A simulated market may be of any year."""
    status, simulated = FeedStatus(), [False]
    clock = ExchangeClock("okx", status, StepClock(), lambda: simulated[0])

    async def ask(theirs_ms: int) -> int:
        return theirs_ms

    assert await clock.measure(ask(START_MS + MOST_AHEAD_MS)) == START_MS + MOST_AHEAD_MS
    skew_ms = status.clock_skew_ms
    with pytest.raises(ValueError, match="2 days ahead of ours"):
        await clock.measure(ask(START_MS + 2 * MOST_AHEAD_MS))
    assert (clock.time_ms(), status.clock_skew_ms) == (START_MS + MOST_AHEAD_MS, skew_ms)
    simulated[0] = True
    assert await clock.measure(ask(START_MS + 2 * MOST_AHEAD_MS)) == START_MS + 2 * MOST_AHEAD_MS
