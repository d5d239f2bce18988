"""liqstream/wire/packed_levels.py: both sides of a history in the fewest bytes."""

from __future__ import annotations

import zlib

import numpy as np
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from liqstream.wire.packed_levels import packed_levels
from tests.support.lqh1 import unpacked


def read(parts: list[bytes] | None, columns: int, height: int, groups: int) -> np.ndarray:
    """Both sides, as the description of the form reads them."""
    assert parts is not None
    body = np.frombuffer(b"".join(parts), np.uint8).astype(np.int64)
    long, short, rest = unpacked(body, columns, height, groups)
    assert len(rest) == 0
    return np.array([long, short])


@given(data=st.data(), columns=st.integers(1, 7), rows=st.integers(1, 9), groups=st.integers(1, 3))
def test_what_is_packed_comes_back_exactly(data: st.DataObject, columns: int, rows: int, groups: int) -> None:
    """Steps near each other and far apart, empty cells and columns, a split anywhere, groups of their own."""
    shape = columns, groups, rows
    near, far = st.integers(380, 400), st.integers(0, 1085)
    steps = data.draw(arrays.arrays(np.uint16, shape, elements=st.one_of(st.just(0), near, far)))
    splits = data.draw(arrays.arrays(np.int64, shape[:2], elements=st.integers(0, rows)))
    is_short = np.arange(rows) >= splits[:, :, None]
    long, short = (np.where(is_short == side, steps, 0).reshape(columns, -1) for side in (False, True))
    back = read(packed_levels(long, short, groups), columns, groups * rows, groups)
    np.testing.assert_array_equal(back, [long, short])


def test_longs_above_shorts_are_not_packed() -> None:
    """Nor is a cell of both: a row could not tell the sides apart. Each group has a row of its own."""
    below, above = np.array([[5, 0, 5, 0]], np.uint16), np.array([[0, 7, 0, 7]], np.uint16)
    assert packed_levels(above, below) is None
    assert packed_levels(below, below) is None
    assert packed_levels(below, above) is None
    assert packed_levels(below, above, groups=2) is not None


def test_levels_that_stay_take_a_bit() -> None:
    """A busy map of a day: a bit for each cell, a byte for those that moved; fewer bytes than differences."""
    random = np.random.default_rng(5)
    columns, rows = 96, 300
    steps = np.broadcast_to(random.integers(200, 600, rows), (columns, rows)).astype(np.int32).copy()
    for column in range(1, columns):
        moved = random.random(rows) < 0.1
        steps[column] = np.where(moved, steps[column - 1] - 2, steps[column - 1])
    split = (150 + 20 * np.sin(np.arange(columns) / 9)).astype(int)
    is_short = np.arange(rows) >= split[:, None]
    long, short = (np.where(is_short == side, steps, 0).astype(np.uint16) for side in (False, True))
    parts = packed_levels(long, short)
    assert parts is not None
    plain = b"".join(np.diff(side, axis=0, prepend=0).astype("<u2").tobytes() for side in (long, short))
    assert len(zlib.compress(b"".join(parts), 6)) < 0.75 * len(zlib.compress(plain, 6))
    assert sum(map(len, parts)) < columns * rows / 8 + 0.15 * columns * rows
