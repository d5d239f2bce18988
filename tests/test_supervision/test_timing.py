"""The machine's clocks, unless others are given."""

from __future__ import annotations

import time

from liqstream.supervision.timing import SYSTEM_TIMING, Timing


def test_the_clocks_are_the_machines() -> None:
    """Monotonic seconds, and UTC in ms since 1970."""
    timing = SYSTEM_TIMING
    before_s, before_ms = time.monotonic(), time.time_ns() // 1_000_000
    assert before_s <= timing.clock_s() <= time.monotonic()
    assert before_ms <= timing.now_ms() <= time.time_ns() // 1_000_000


def test_each_thing_that_is_tried_again_has_waits_of_its_own() -> None:
    """The failures of one do not make another wait longer."""
    timing = Timing()
    first, second = timing.backoff(), timing.backoff()
    first.next_s()
    assert (first.failures, second.failures) == (1, 0)


def test_a_test_gives_its_own_clocks() -> None:
    """The one that was given is asked."""
    timing = Timing(clock_s=lambda: 7.0, now_ms=lambda: 8)
    assert (timing.clock_s(), timing.now_ms()) == (7.0, 8)
