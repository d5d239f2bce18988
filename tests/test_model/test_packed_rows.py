"""liqstream/model/packed_rows.py: an array without the empty ends of its rows, and as it was."""

from __future__ import annotations

import numpy as np
import pytest

from liqstream.model.packed_rows import PackedRows

WIDE = np.zeros((3, 1000))
WIDE[0, 400:410] = np.linspace(0.1, 1e12, 10)
WIDE[0, 405] = 0.0
WIDE[2, [0, 999]] = 1e-300, 3.0


@pytest.mark.parametrize("array", [WIDE, WIDE[:1], np.zeros((2, 5)), np.empty((2, 0)), np.ones((2, 3))])
def test_an_array_comes_back_to_the_bit(array: np.ndarray) -> None:
    """Holes and rows without any figure too."""
    unpacked = PackedRows(array).unpacked()
    assert unpacked.shape == array.shape
    assert unpacked.tobytes() == array.tobytes()


def test_only_what_lies_between_the_first_and_the_last_figure_is_kept() -> None:
    """The caller may write into the array, and into what it gets back."""
    array = WIDE.copy()
    packed = PackedRows(array)
    assert packed.nbytes == 8 * (10 + 0 + 1000)
    array[:] = 7.0
    packed.unpacked()[:] = 8.0
    assert packed.unpacked().tobytes() == WIDE.tobytes()
