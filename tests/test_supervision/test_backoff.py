"""When to try again."""

from __future__ import annotations

import random

from hypothesis import given
from hypothesis import strategies as st

from liqstream.supervision.backoff import CAP_S, FullJitter


@given(failures=st.integers(0, 200), seed=st.integers(0, 1000))
def test_waits_are_drawn_from_zero_to_a_growing_ceiling(failures: int, seed: int) -> None:
    """Never longer than half a minute, however long the trouble lasts."""
    backoff = FullJitter(random=random.Random(seed), failures=failures)
    ceiling = min(CAP_S, 2.0 ** min(failures, 10))
    assert 0 <= backoff.next_s() <= ceiling
    assert backoff.failures == failures + 1
    backoff.reset()
    assert backoff.next_s() <= 1.0
