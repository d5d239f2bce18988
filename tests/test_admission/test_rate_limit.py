"""How often one may ask."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from liqstream.admission.rate_limit import KeyedLimiter, TokenBucket


class Clock:
    """A clock that is set by hand."""

    def __init__(self) -> None:
        self.now_s = 100.0

    def __call__(self) -> float:
        return self.now_s


def test_a_burst_then_a_rate() -> None:
    """The burst is free, then every token has its time, and the answer says how long to wait."""
    clock = Clock()
    bucket = TokenBucket(5, 20, clock)
    assert [bucket.take() for _ in range(20)] == [0.0] * 20
    assert bucket.take() == pytest.approx(0.2)
    clock.now_s += 0.2
    assert bucket.take() == 0.0
    assert bucket.take() > 0


@given(st.lists(st.floats(0, 3), max_size=60), st.floats(0.5, 20), st.integers(1, 20))
def test_never_more_than_burst_and_rate(pauses_s: list[float], rate_per_s: float, burst: int) -> None:
    """Over any time: at most the burst and the rate's share of it."""
    clock = Clock()
    bucket = TokenBucket(rate_per_s, burst, clock)
    passed = 0
    for pause_s in pauses_s:
        clock.now_s += pause_s
        passed += bucket.take() == 0.0
    assert passed <= burst + rate_per_s * sum(pauses_s) + 1e-6


def test_keys_do_not_disturb_one_another() -> None:
    """One address that asks too often leaves the others their share."""
    limiter = KeyedLimiter(1, 2, clock=Clock())
    assert [limiter.take("a") > 0 for _ in range(4)] == [False, False, True, True]
    assert limiter.take("b") == 0.0


def test_memory_is_bounded() -> None:
    """100,000 addresses leave `max_keys` buckets, and rested ones are forgotten."""
    clock = Clock()
    limiter = KeyedLimiter(1, 2, max_keys=50, clock=clock)
    for number in range(100_000):
        limiter.take(str(number))
    assert len(limiter) == 50
    clock.now_s += 60
    limiter.take("another")
    assert len(limiter) == 1
