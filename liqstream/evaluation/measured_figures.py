"""Two shares of one side by cell of distance, compared: bits over uniform, rank; and distances alone."""

from __future__ import annotations

import numpy as np

from liqstream.evaluation.measured_looks import CELLS, mixed
from liqstream.market import DAY_MS, FloatArray, TimeArray

HALF_LIFE_MS = 7 * DAY_MS
"""Of what an earlier look weighs in the profile of distances."""


def distance_profile(time_ms: TimeArray, truth: FloatArray) -> FloatArray:
    """Per look the shares by distance of those before it, half as much weight every HALF_LIFE_MS; even at the
    first. `truth` has the shape (looks, cells)."""
    profile = np.full_like(truth, 1 / CELLS)
    so_far, before_ms = np.zeros(truth.shape[1]), 0
    for row, now_ms in enumerate(time_ms.tolist()):
        so_far = so_far * 0.5 ** ((now_ms - before_ms) / HALF_LIFE_MS) if row else so_far
        profile[row] = mixed(so_far)
        so_far, before_ms = so_far + truth[row], now_ms
    return profile


def bits(truth: FloatArray, shares: FloatArray) -> FloatArray:
    """Mean bits over uniform, per look: sum of p log2(cells x q) over the last axis."""
    found: FloatArray = (truth * np.log2(CELLS * shares)).sum(axis=-1)
    return found


def rank(truth: FloatArray, shares: FloatArray) -> FloatArray:
    """Spearman's correlation over the last axis; 0 where one of both tells no cell from another."""
    # Here: every start of a server would pay for it, most of a second.
    from scipy.stats import rankdata

    x, y = (rankdata(each, axis=-1) for each in (truth, shares))
    x, y = x - x.mean(axis=-1, keepdims=True), y - y.mean(axis=-1, keepdims=True)
    spread = np.sqrt((x * x).sum(axis=-1) * (y * y).sum(axis=-1))
    found: FloatArray = np.divide((x * y).sum(axis=-1), spread, out=np.zeros_like(spread), where=spread > 0)
    return found
