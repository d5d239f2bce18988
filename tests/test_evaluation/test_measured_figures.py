"""liqstream/evaluation/measured_figures.py: exact where the answer is known."""

from __future__ import annotations

import numpy as np
import pytest

from liqstream.evaluation.measured_figures import HALF_LIFE_MS, bits, distance_profile, rank
from liqstream.evaluation.measured_looks import CELLS, mixed


def test_shares_that_are_the_truth_have_its_divergence_from_uniform() -> None:
    """And a truth that is uniform costs -D(uniform || q), never more than 0."""
    q = mixed(np.random.default_rng(5).gamma(0.3, size=CELLS))
    assert float(bits(q, q)) == pytest.approx(float((q * np.log2(q / (1 / CELLS))).sum()))
    uniform = np.full(CELLS, 1 / CELLS)
    assert float(bits(uniform, q)) == pytest.approx(-float((uniform * np.log2(uniform / q)).sum()))
    assert float(bits(uniform, q)) < 0
    assert float(bits(q, uniform)) == 0
    assert float(rank(q, q)) == pytest.approx(1)
    assert float(rank(q, uniform)) == 0


def test_the_profile_of_distances_knows_earlier_looks_alone() -> None:
    """Even at the first; half as much weight every seven days; the same whatever comes later."""
    one, other = np.zeros((2, CELLS))
    one[3], other[7] = 1.0, 1.0
    times = np.array([0, HALF_LIFE_MS, HALF_LIFE_MS + 1], dtype=np.int64)
    found = distance_profile(times, np.stack((one, other, other)))
    assert found[0].tolist() == [1 / CELLS] * CELLS
    assert found[1, 3] == pytest.approx(0.95 + 0.05 / CELLS)
    assert found[2, [3, 7]] == pytest.approx(0.95 * np.array([1, 2]) / 3 + 0.05 / CELLS, rel=1e-6)
