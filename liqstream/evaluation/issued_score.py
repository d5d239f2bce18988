"""Grades of forecasts as they were issued: what was stored then against what was realised since."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from liqstream.evaluation.bootstrap import DEFAULT_BOOTSTRAP, Bootstrap, interval_of, rank_correlations
from liqstream.evaluation.forecast_score import (
    MIN_SCORED_WINDOWS,
    MIN_VERDICT_DAYS,
    NO_SKILL,
    NO_SKILL_YET,
)
from liqstream.market import DAY_MS, FloatArray, TimeArray
from liqstream.model.forecast_features import log_usd
from liqstream.model.forecast_rows import COMBINATION

NOT_CHECKED = "not checked on this market yet ({days} of {needed} days)"

_BESIDE = (COMBINATION, "N2", "AR+vol", "AR+vol+hour")
"""Rows that are compared, on the windows that have all of them."""

SWITCH_OFF_DAYS = 30
"""From so many days on, a map that makes the forecast worse is switched off."""


@dataclass(frozen=True, slots=True, eq=False)
class IssuedWindow:
    """One aligned forecast as it was issued, and the USD realised in its window (longs, shorts)."""

    time_ms: int
    content: dict[str, Any]
    realised_usd: FloatArray


def score_issued(
    horizon: str, windows: Sequence[IssuedWindow], bootstrap: Bootstrap = DEFAULT_BOOTSTRAP
) -> dict[str, Any]:
    """Rank correlation of what was served, its gains over what was stored beside it, coverage and a verdict.

    `windows` ascend by time. Keys are always there, None where too little was issued; gains have the days of
    the windows that they rest on.
    """
    days = len({window.time_ms // DAY_MS for window in windows})
    grades: dict[str, Any] = {
        "windows": len(windows),
        "days": days,
        "rank": None,
        "ci": None,
        "gain_over_ar_vol": None,
        "gain_over_strongest": None,
        "coverage_80": None,
        "verdict": _verdict(horizon, days, []),
    }
    if len(windows) < MIN_SCORED_WINDOWS:
        return grades
    y = log_usd(np.array([window.realised_usd for window in windows]))
    times = np.array([window.time_ms for window in windows], dtype=np.int64)
    served = np.array([_served(window.content) for window in windows])
    grades["rank"], grades["ci"] = _figures(_draws({"": served}, y, times, bootstrap)[""])
    grades["coverage_80"] = _coverage(windows, y)
    beside = [window.content["y_hat"] for window in windows]
    common = np.array([set(_BESIDE) <= set(rows) for rows in beside])
    if int(common.sum()) < MIN_SCORED_WINDOWS:
        return grades
    kept = [rows for rows, is_common in zip(beside, common, strict=True) if is_common]
    named = {name: np.array([rows[name] for rows in kept]) for name in _BESIDE}
    draws = _draws(named | {"": served[common]}, y[common], times[common], bootstrap)
    gains = {name: draws[""] - draws[name] for name in ("AR+vol", "AR+vol+hour")}
    # Not of what was served: while the map is switched off that is N2 itself, and would bring it back.
    gains["N2"] = draws[COMBINATION] - draws["N2"]
    # Until a regression is fitted, after two weeks of hours, there is nothing to compare: these days count.
    compared = len(np.unique(times[common] // DAY_MS))
    for key, name in (("gain_over_ar_vol", "AR+vol"), ("gain_over_strongest", "N2")):
        gain, ci = _figures(gains[name])
        grades[key] = {"gain": gain, "ci": ci, "days": compared}
    if compared < MIN_VERDICT_DAYS:
        return grades
    grades["verdict"] = _verdict(
        horizon,
        days,
        [interval_of(gains[name])[0] for name in ("AR+vol", "AR+vol+hour")],
        map_is_shown=interval_of(gains["N2"])[0] > 0,
    )
    return grades


def is_map_harmful(grades: dict[str, Any]) -> bool:
    """Whether the forecast with the map ranked surely worse than the one without it, over 30 days."""
    gain = grades["gain_over_strongest"]
    return bool(gain is not None and gain["days"] >= SWITCH_OFF_DAYS and gain["ci"][1] < 0)


def _verdict(horizon: str, days: int, lower_bounds: list[float], *, map_is_shown: bool = False) -> str:
    """What may be claimed; the map's part by its gain over the strongest row without one."""
    if horizon == "4h":
        return NO_SKILL
    if days < MIN_VERDICT_DAYS:
        return NOT_CHECKED.format(days=days, needed=MIN_VERDICT_DAYS)
    if not lower_bounds or min(lower_bounds) <= 0:
        return NO_SKILL_YET
    return f"skill shown; the map's part {'shown' if map_is_shown else 'not shown'}"


def _served(content: dict[str, Any]) -> list[float]:
    served: list[float] = content["y_hat"][content["method"]]
    return served


def _draws(
    rows: dict[str, FloatArray], y: FloatArray, times_ms: TimeArray, bootstrap: Bootstrap
) -> dict[str, FloatArray]:
    """Mean of the sides' rank correlations, per row and draw."""
    sides = []
    for side in (0, 1):
        columns = {name: values[:, side] for name, values in rows.items()}
        sides.append(rank_correlations(columns, y[:, side], times_ms, bootstrap))
    return {name: (sides[0][name] + sides[1][name]) / 2 for name in rows}


def _figures(draws: FloatArray) -> tuple[float, list[float]]:
    return round(float(draws[0]), 4), [round(bound, 4) for bound in interval_of(draws)]


def _coverage(windows: Sequence[IssuedWindow], y: FloatArray) -> float | None:
    inside = []
    for window, realised in zip(windows, y, strict=True):
        for at, side in enumerate(("long", "short")):
            quantiles = window.content[side]["quantiles_usd"]
            if quantiles is not None:
                low, high = log_usd(np.array([quantiles["0.1"], quantiles["0.9"]], dtype=np.float64))
                inside.append(low <= realised[at] + 1e-4 and realised[at] <= high + 1e-4)
    return round(float(np.mean(inside)), 4) if inside else None
