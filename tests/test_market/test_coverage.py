"""liqstream/market/coverage.py: which intervals are known well enough."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from liqstream.market.coverage import (
    LONGEST_SILENCE_MS,
    covered_share,
    is_covered,
    merged_spans,
    spans_between,
)

SPANS = st.lists(st.tuples(st.integers(0, 200), st.integers(0, 60)), max_size=8)


@given(SPANS, st.integers(1, 40))
def test_the_share_is_the_one_that_counting_gives(spans: list[tuple[int, int]], interval_ms: int) -> None:
    """Overlapping, empty and adjacent spans count each moment once."""
    ended = [(start, start + length) for start, length in spans]
    opens = np.arange(0, 260, interval_ms, dtype=np.int64)
    moments = {moment for start, end in ended for moment in range(start, end)}
    counted = [sum(t in moments for t in range(o, o + interval_ms)) / interval_ms for o in opens.tolist()]
    np.testing.assert_allclose(covered_share(ended, opens, interval_ms), counted)
    starts, ends = merged_spans(ended)
    assert (starts[1:] > ends[:-1]).all()


def test_an_interval_is_known_from_95_percent_on() -> None:
    """Not below."""
    opens = np.array([0, 100], dtype=np.int64)
    assert is_covered([(5, 194)], opens, 100).tolist() == [True, False]


def test_old_liquidations_cover_what_is_between_them() -> None:
    """If they are six hours apart at most; one alone covers nothing."""
    six = LONGEST_SILENCE_MS
    assert spans_between([six, 0, 5, 2 * six + 1, 9 * six]) == [(0, six)]
    assert spans_between([]) == []
