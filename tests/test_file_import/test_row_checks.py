"""liqstream/file_import/row_checks.py: rows of a file among each other."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from liqstream.file_import.files import ArchiveError
from liqstream.file_import.formats import BARS, TOTALS
from liqstream.file_import.row_checks import (
    BadRow,
    Reading,
    Row,
    agreed_interval,
    leave_out_backward,
    leave_out_known_records,
    leave_out_off_grid,
    leave_out_repeated,
)
from tests.support.store_records import STEP_MS, T0, candle

HOUR_MS = 3_600_000


def reading(*times: int) -> Reading:
    return Reading(good=[Row(line, time_ms, [candle(0)]) for line, time_ms in enumerate(times, start=2)])


def times_of(found: Reading) -> list[int]:
    return [row.time_ms for row in found.good]


def test_the_interval_is_what_most_rows_are_apart() -> None:
    """Or the one that was asked for, unless they clearly contradict it."""
    hours = reading(*(T0 + index * HOUR_MS for index in (0, 1, 2, 5)))
    assert agreed_interval(BARS, hours, None) == HOUR_MS
    with pytest.raises(ArchiveError, match="its rows are 1h apart, not 5m"):
        agreed_interval(BARS, hours, STEP_MS)
    assert agreed_interval(TOTALS, hours, STEP_MS) == STEP_MS
    assert agreed_interval(BARS, reading(T0, T0 + HOUR_MS), STEP_MS) == STEP_MS
    with pytest.raises(ArchiveError, match="name it with --interval"):
        agreed_interval(BARS, reading(T0), None)


def test_rows_off_the_interval_s_grid_are_bad() -> None:
    """By their line."""
    found = reading(T0, T0 + 1, T0 + STEP_MS)
    leave_out_off_grid(found, STEP_MS)
    assert times_of(found) == [T0, T0 + STEP_MS]
    assert found.bad == [BadRow(3, f"open_time {T0 + 1} is no multiple of 5m")]


def test_of_rows_with_one_time_the_first_stays() -> None:
    """An equal one is a duplicate, another one is bad."""
    found = reading(T0, T0, T0)
    found.good[2].records = [candle(0, close=5.0)]
    leave_out_repeated(found)
    assert (times_of(found), found.duplicates) == ([T0], 1)
    assert [bad.line for bad in found.bad] == [4]


def test_equal_records_are_taken_once() -> None:
    """Whatever line they are in."""
    found = reading(T0, T0 + 1, T0 + 2)
    found.good[1].records = [candle(1)]
    leave_out_known_records(found)
    assert (times_of(found), found.duplicates) == ([T0, T0 + 1], 1)


@given(st.lists(st.integers(0, 20), max_size=9))
def test_the_fewest_rows_go_for_time_to_run_forward(times: list[int]) -> None:
    """As few as trying every subset finds, and every row is good or bad."""
    found = reading(*times)
    leave_out_backward(found)
    kept = times_of(found)
    assert kept == sorted(set(kept))
    assert len(kept) + len(found.bad) == len(times)
    longest = [0] * len(times)
    for index, time_ms in enumerate(times):
        longest[index] = 1 + max((longest[i] for i in range(index) if times[i] < time_ms), default=0)
    assert len(kept) == max(longest, default=0)
