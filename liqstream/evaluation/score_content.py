"""The score's figures as its JSON has them: what is judged with its gains, simple rules beside it."""

from __future__ import annotations

import math
from typing import Any

from liqstream.evaluation.baselines import BASELINES
from liqstream.evaluation.bootstrap import SideStatistics, interval_of

FLAT_KERNELS = {"flat_2": 0.02, "flat_10": 0.10}
"""Kernels of equal mass up to a distance from entry, in the same machinery: what the fitted masses add."""

MODEL = "model"
"""The best prediction of an interval, given its own bars."""
WITH_SAME_BAR = "with_same_bar"
"""The map and the bars' own entries."""
DRAWN = "map_only"
"""The map as it is drawn; `drawn_map` is its other name."""
WITH_HISTORY = "map_with_history"
"""What stood before, and past realised USD; none of the bars' own entries; its sums mean nothing."""
JUDGED = (MODEL, WITH_SAME_BAR, WITH_HISTORY, DRAWN)
IN_USD = (MODEL, WITH_SAME_BAR, DRAWN)
"""Of what is judged, that whose sums should come right."""

LOG_R2_OF = ("uniform", "uniform_range")
"""Simple rules whose log R2 is given too, calibrated walk-forward as the map is."""

GAINS = {"gain_over_uniform": "uniform", "gain_over_uniform_range": "uniform_range"}
GAIN_OVER_FLAT = {"gain_over_flat_2": "flat_2"}
"""Of what has the bar's own entries, as that baseline has."""

_RANKED = ("spearman", "top_decile_share", "partial_spearman")
_WHOLE = (*_RANKED, "calibration", "log_r2")


def side_content(
    statistics: dict[str, SideStatistics], daily: dict[str, Any] | None = None
) -> dict[str, Any]:
    """One side, or the mean of both. `daily` is the calibration of what is judged, by name."""
    judged = {
        name: _figures(statistics[name], (*_RANKED, "log_r2") if name not in IN_USD else _WHOLE)
        | {key: _gain(statistics[name], statistics[naive]) for key, naive in _gains_of(name).items()}
        for name in JUDGED
    }
    for name, found in (daily or {}).items():
        judged[name]["calibration_after_14_days"] = found
    gains = {key: judged[MODEL].pop(key) for key in _gains_of(MODEL)}
    naive = {name: _figures(statistics[name], _figures_of(name)) for name in (*BASELINES, *FLAT_KERNELS)}
    return {**judged, "drawn_map": judged[DRAWN], "baselines": naive, **gains}


def _gains_of(judged: str) -> dict[str, str]:
    return GAINS | GAIN_OVER_FLAT if judged in (MODEL, WITH_SAME_BAR) else GAINS


def mean_content(sides: list[dict[str, SideStatistics]]) -> dict[str, Any]:
    """The mean of the sides: both are resampled by the same days, so their draws belong together."""
    mean = {
        name: SideStatistics(
            *(
                (getattr(sides[0][name], figure) + getattr(sides[1][name], figure)) / 2
                for figure in SideStatistics.__slots__
            )
        )
        for name in sides[0]
    }
    return side_content(mean)


def _figures_of(naive: str) -> tuple[str, ...]:
    if naive in FLAT_KERNELS:
        return _WHOLE
    return (*_RANKED, "log_r2") if naive in LOG_R2_OF else _RANKED


def _figures(statistics: SideStatistics, names: tuple[str, ...]) -> dict[str, Any]:
    figures: dict[str, Any] = {}
    for name in names:
        draws = getattr(statistics, name)
        figures[name] = _rounded(float(draws[0]))
        figures[f"{name}_ci"] = [_rounded(bound) for bound in interval_of(draws)]
    return figures


def _gain(model: SideStatistics, baseline: SideStatistics) -> dict[str, Any]:
    spearman = model.spearman - baseline.spearman
    partial = model.partial_spearman - baseline.partial_spearman
    return {
        "spearman": _rounded(float(spearman[0])),
        "ci": [_rounded(bound) for bound in interval_of(spearman)],
        "partial_spearman": _rounded(float(partial[0])),
        "partial_ci": [_rounded(bound) for bound in interval_of(partial)],
    }


def _rounded(value: float) -> float | None:
    return round(value, 4) if math.isfinite(value) else None
