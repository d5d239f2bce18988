"""liqstream/feeds/exchange_clock.py: an exchange's clock is read, and carried on by ours."""

from __future__ import annotations

import pytest
from structlog.testing import capture_logs

from liqstream.feeds.exchange_clock import MOST_AHEAD_MS, ExchangeClock
from liqstream.feeds.feed import FeedStatus


async def test_the_clock_goes_on_from_where_it_was_read() -> None:
    """At its own speed; the skew is measured in the middle of the question."""
    ours_ms = [1_000_000]
    status = FeedStatus()
    clock = ExchangeClock("okx", status, lambda: ours_ms[0])
    assert clock.time_ms() is None

    async def ask() -> int:
        ours_ms[0] += 100
        return 2_000_000

    assert await clock.measure(ask()) == 2_000_000
    assert status.clock_skew_ms == -999_950.0
    ours_ms[0] += 900
    assert (clock.time_ms(), clock.time_ms(60.0)) == (2_001_000, 2_060_000)


async def test_a_clock_that_differs_is_logged_when_it_changes() -> None:
    """Not at each reading, of which there are many."""
    clock = ExchangeClock("okx", FeedStatus(), lambda: 1_000_000)

    async def ask(theirs_ms: int) -> int:
        return theirs_ms

    with capture_logs() as logs:
        for theirs_ms in (1_060_000, 1_060_900, 1_000_000, 1_060_000, 1_120_000, 1_120_000):
            await clock.measure(ask(theirs_ms))
    assert [each["ours_is_ahead_ms"] for each in logs] == [-60_000.0, -60_000.0, -120_000.0]


async def test_a_clock_that_is_years_ahead_is_not_believed() -> None:
    """It would date all that comes; the last good reading stays. A simulated market may be of any year."""
    status, simulated = FeedStatus(), [False]
    clock = ExchangeClock("okx", status, lambda: 1_000_000, lambda: simulated[0])

    async def ask(theirs_ms: int) -> int:
        return theirs_ms

    assert await clock.measure(ask(1_000_000 + MOST_AHEAD_MS)) == 1_000_000 + MOST_AHEAD_MS
    skew_ms = status.clock_skew_ms
    with pytest.raises(ValueError, match="2 days ahead of ours"):
        await clock.measure(ask(1_000_000 + 2 * MOST_AHEAD_MS))
    assert (clock.time_ms(), status.clock_skew_ms) == (1_000_000 + MOST_AHEAD_MS, skew_ms)
    simulated[0] = True
    assert await clock.measure(ask(1_000_000 + 2 * MOST_AHEAD_MS)) == 1_000_000 + 2 * MOST_AHEAD_MS
