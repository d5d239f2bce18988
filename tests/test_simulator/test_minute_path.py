"""The price inside a minute never shows what the minute has not reached yet."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from liqstream.simulator.minute_path import MinutePath


@given(
    prices=st.lists(st.floats(1, 100), min_size=4, max_size=4),
    low_first=st.booleans(),
    turns=st.tuples(st.floats(0.05, 0.45), st.floats(0.5, 0.95)),
    share=st.floats(0, 1),
)
def test_the_price_stays_in_what_has_been_seen(
    prices: list[float], low_first: bool, turns: tuple[float, float], share: float
) -> None:
    """A wiggle never reaches a level before the bar shows that it was reached."""
    low, *middle, high = sorted(prices)
    path = MinutePath(middle[0], high, low, middle[1], low_first, *turns)
    lowest, highest = path.seen_until(share)
    assert low <= lowest <= path.price_at(share) <= highest <= high
    assert path.seen_until(1.0) == (low, high)
    assert path.price_at(1.0) == middle[1]
