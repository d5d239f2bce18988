"""Are the chances true: Brier score and reliability of the forecast's chances to reach a distance.

Two baselines say a chance without the expected range: how often that distance was reached before, and a
random walk with the volatility of the last day.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from liqstream.evaluation.forecast_replay import Replay
from liqstream.market import DAY_MS, HOUR_MS, FloatArray
from liqstream.model.normal import normal_cdf

BINS = 10


@dataclass(frozen=True, slots=True, eq=False)
class ChanceScore:
    """Brier scores (the forecast's and each baseline's) and the reliability of the forecast's chances."""

    brier: float
    baselines: dict[str, float]
    reliability: list[dict[str, Any]]


def chance_score(found: Replay, scored: NDArray[np.bool_]) -> ChanceScore | None:
    """Score the chances of some windows; None without any that both baselines know a chance for."""
    if not scored.any():
        return None
    excursions = np.array(found.excursions).reshape(len(found), 2)
    cases = np.array(found.cases).reshape(len(found), 2, -1)
    chances = np.array(found.chances).reshape(cases.shape)
    frequency = _frequency(found, excursions, cases)
    walk = _random_walk(found, cases)
    known = scored & np.isfinite(frequency).all(axis=(1, 2)) & np.isfinite(walk).all(axis=(1, 2))
    if not known.any():
        return None
    reached = (excursions[:, :, None] >= cases).astype(np.float64)
    baselines = {"frequency": frequency, "random_walk": walk}
    return ChanceScore(
        _brier(chances[known], reached[known]),
        {name: _brier(stated[known], reached[known]) for name, stated in baselines.items()},
        _reliability(chances[known], reached[known], found.times[known]),
    )


def _brier(chances: FloatArray, reached: FloatArray) -> float:
    return float(((chances - reached) ** 2).mean())


def _frequency(found: Replay, excursions: FloatArray, cases: FloatArray) -> FloatArray:
    """The share of past windows whose excursion was as large, both sides pooled, learned daily."""
    stated = np.full(cases.shape, np.nan)
    first = np.unique(found.times // DAY_MS, return_index=True)[1]
    stops = np.append(first[1:], len(found))
    for start, stop in zip(first.tolist(), stops.tolist(), strict=True):
        past = np.sort(excursions[:start].ravel())
        if len(past):
            stated[start:stop] = 1 - np.searchsorted(past, cases[start:stop]) / len(past)
    return stated


def _random_walk(found: Replay, cases: FloatArray) -> FloatArray:
    """2 (1 - Phi(x / (sigma sqrt(hours)))): a walk's chance to touch a distance (reflection)."""
    spread = np.array(found.volatility) * math.sqrt(found.horizon.length_ms / HOUR_MS)
    z = cases / np.where(spread > 0, spread, np.nan)[:, None, None]
    touched: FloatArray = 2 * normal_cdf(-z)
    return touched


def _reliability(
    chances: FloatArray, reached: FloatArray, times_ms: NDArray[np.int64]
) -> list[dict[str, Any]]:
    """Per tenth of stated chance: its mean, the share reached, the cases, and the standard error of observed
    minus stated, with whole days taken together."""
    rows = []
    days = np.broadcast_to((times_ms // DAY_MS)[:, None, None], chances.shape)
    at = np.minimum((chances * BINS).astype(np.int64), BINS - 1)
    for number in range(BINS):
        inside = at == number
        count = int(inside.sum())
        if not count:
            continue
        misses = (reached - chances)[inside]
        of_day = np.unique(days[inside], return_inverse=True)[1]
        per_day = np.bincount(of_day, misses - misses.mean())
        rows.append(
            {
                "p": round(float(chances[inside].mean()), 4),
                "observed": round(float(reached[inside].mean()), 4),
                "n": count,
                "se": round(float(np.sqrt((per_day**2).sum()) / count), 4),
            }
        )
    return rows
