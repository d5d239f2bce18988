"""The simulated exchange's clock."""

from __future__ import annotations

import time

from liqstream.simulator.clock import MarketClock


def test_it_starts_at_its_instant_and_runs_at_its_speed() -> None:
    """Half a second at sixty times the pace is half a minute; the computer's own clock has no part in it."""
    seconds = iter((100.0, 100.0, 100.5))
    clock = MarketClock(60.0, 1_000_000, monotonic_s=lambda: next(seconds))
    assert [clock.now_ms(), clock.now_ms()] == [1_000_000, 1_030_000]


def test_by_default_it_is_the_computers() -> None:
    """The market of a demo is of today."""
    assert abs(MarketClock().now_ms() - time.time_ns() // 1_000_000) < 60_000
