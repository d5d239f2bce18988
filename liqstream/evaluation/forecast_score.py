"""How good the forecast is, walk-forward, beside every baseline: what `liqstream score --forecast` prints.

Rank correlations are of y_hat against y = ln(USD + 10 000), mean of the sides; `side` is that of the
difference between the sides. What is compared is compared on the same windows under the same draws of days
(docs/scoring.md).
"""

from __future__ import annotations

import hashlib
import json
import math
from dataclasses import asdict
from typing import Any

import numpy as np
from numpy.typing import NDArray

from liqstream.evaluation.bootstrap import (
    DEFAULT_BOOTSTRAP,
    LEAST_VARIANCE,
    Bootstrap,
    interval_of,
    rank_correlations,
)
from liqstream.evaluation.forecast_chances import ChanceScore, chance_score
from liqstream.evaluation.forecast_maps import MAP_NAMES, NAIVE_MAPS
from liqstream.evaluation.forecast_replay import ISSUED_ROWS, ROWS, Replay
from liqstream.market import DAY_MS, FloatArray
from liqstream.model.forecast_content import BAND_CELLS, BANDS, DISTANCES
from liqstream.model.forecast_features import CELL_WIDTH, CELLS, HORIZONS, LOG_OFFSET_USD, log_usd
from liqstream.model.forecast_range import HOUR_PENALTY
from liqstream.model.forecast_ridge import MIN_WINDOWS
from liqstream.model.forecast_rows import COMBINATION, QUANTILES, REACH_ONLY

METHOD = "forecast-1"

MIN_SCORED_WINDOWS = 60
MIN_SCORED_DAYS = 2
MIN_VERDICT_DAYS = 14

SAME_Y = 1e-6
"""What is on the edge of an interval is in it: in a calm market most windows are, all of them at 0 USD."""

NO_SKILL = "no skill shown"
NO_SKILL_YET = "no skill shown here yet"

BASELINE_ROWS = {
    "climatology": "climatology",
    "AR": "AR",
    "AR+vol": "AR+vol",
    "AR+vol+hour": "AR+vol+hour",
    "N1": "N1",
    "N2": "N2",
    **{name: f"N2+{name}" for name in NAIVE_MAPS},
}
"""Baselines as the JSON names them, and the rows they are."""


def method_of_forecast() -> dict[str, str]:
    """The method's name and a hash of every constant that a forecast or its score rests on."""
    constants = {
        "horizons": [asdict(horizon) for horizon in HORIZONS.values()],
        "rows": ROWS,
        "cells": [CELL_WIDTH, CELLS],
        "offset_usd": LOG_OFFSET_USD,
        "hour_penalty": HOUR_PENALTY,
        "min_windows": MIN_WINDOWS,
        "quantiles": QUANTILES,
        "cases": [DISTANCES, BANDS, BAND_CELLS],
    }
    text = json.dumps(constants, sort_keys=True)
    return {"method": METHOD, "hash": hashlib.sha256(text.encode()).hexdigest()[:16]}


def forecast_score(
    found: Replay, *, from_ms: int | None = None, bootstrap: Bootstrap = DEFAULT_BOOTSTRAP
) -> dict[str, Any]:
    """One horizon's grades of the windows from `from_ms` on, as docs/scoring.md describes them.

    Every key is there; where the store lacks the data they are None and `reason` says what is missing.
    """
    late = found.times >= (from_ms or 0)
    complete = late & found.complete() if len(found) else late
    if _enough(found, complete):
        return _graded(found, complete, bootstrap)
    scored = late & found.known() if len(found) else late
    reason = (
        f"the regression needs {MIN_WINDOWS} past windows with known liquidations, and {MIN_SCORED_WINDOWS} "
        f"on {MIN_SCORED_DAYS} days to be graded on; until then levels times the chance to reach them are "
        "served"
    )
    if _enough(found, scored):
        return _graded_reach_only(found, scored, reason)
    return nothing_scored(
        f"{int(scored.sum())} windows of {found.horizon.name} have a forecast and known liquidations; "
        f"{MIN_SCORED_WINDOWS} on {MIN_SCORED_DAYS} days are needed: import more bars with open interest and "
        "liquidations, or let the server collect them"
    )


def nothing_scored(reason: str) -> dict[str, Any]:
    """The grades of a horizon that cannot be graded: every key, None, and why."""
    gain: dict[str, Any] = {"gain": None, "ci": None}
    pair: dict[str, Any] = {"with_map": None, "without_map": None}
    return {
        "rank": {
            **pair,
            "linear": dict(pair),
            **gain,
            "gain_over_strongest": dict(gain),
            "gain_over_naive_map": dict(gain),
            "gain_over_ar_vol": dict(gain),
        },
        "side": {**pair, "linear": dict(pair), **gain},
        "log_r2": None,
        "coverage_80": None,
        "pinball": {"value": None, "baselines": None},
        "brier": {"value": None, "baselines": None},
        "reliability": None,
        "verdict": NO_SKILL_YET,
        "windows": 0,
        "days": 0,
        "rows": None,
        "reached_mass": None,
        "reason": reason,
    }


def _enough(found: Replay, scored: NDArray[np.bool_]) -> bool:
    days = len(np.unique(found.times[scored] // DAY_MS)) if len(found) else 0
    return int(scored.sum()) >= MIN_SCORED_WINDOWS and days >= MIN_SCORED_DAYS


def _graded(found: Replay, scored: NDArray[np.bool_], bootstrap: Bootstrap) -> dict[str, Any]:
    times = found.times[scored]
    y = log_usd(found.realised()[scored])
    y_hats = {name: found.y_hat(name)[scored] for name in ROWS}
    ranks = _rank_draws(y_hats, y, times, bootstrap)
    sides = rank_correlations(
        {name: y_hat[:, 0] - y_hat[:, 1] for name, y_hat in y_hats.items()},
        y[:, 0] - y[:, 1],
        times,
        bootstrap,
    )
    rows = {name: _row(found, scored, y, name) for name in ISSUED_ROWS}
    for name in ROWS:
        rows[name] |= {"rank": _rounded(ranks[name][0]), "ci": _interval(ranks[name])}
        rows[name] |= {"side": _rounded(sides[name][0]), "side_ci": _interval(sides[name])}
    best_naive = max((f"N2+{name}" for name in NAIVE_MAPS), key=lambda name: float(ranks[name][0]))
    strongest = _gain(ranks, COMBINATION, "N2")
    naive = _gain(ranks, COMBINATION, best_naive) | {"map": best_naive.removeprefix("N2+")}
    over_ar_vol = _gain(ranks, COMBINATION, "AR+vol")
    skill = [over_ar_vol, _gain(ranks, COMBINATION, "AR+vol+hour")]
    days = len(np.unique(times // DAY_MS))
    return {
        "rank": {
            **_pair(ranks),
            "gain_over_strongest": strongest,
            "gain_over_naive_map": naive,
            "gain_over_ar_vol": over_ar_vol,
        },
        "side": _pair(sides),
        "log_r2": rows[COMBINATION]["log_r2"],
        "coverage_80": rows[COMBINATION]["coverage_80"],
        "pinball": _pinball_json(rows),
        **_chances_json(chance_score(found, scored)),
        "verdict": verdict(found.horizon.name, days, skill, [_gain(ranks, "N1+T", "N1"), strongest, naive]),
        "windows": int(scored.sum()),
        "days": days,
        "rows": rows,
        "reached_mass": _reached_json(found, scored, y, bootstrap),
        "reason": None,
    }


def _graded_reach_only(found: Replay, scored: NDArray[np.bool_], reason: str) -> dict[str, Any]:
    y = log_usd(found.realised()[scored])
    row = _row(found, scored, y, REACH_ONLY)
    graded = nothing_scored(reason)
    graded["rank"]["with_map"] = row["rank"]
    return graded | {
        "log_r2": row["log_r2"],
        "coverage_80": row["coverage_80"],
        "pinball": {"value": row["pinball"], "baselines": None},
        **_chances_json(chance_score(found, scored)),
        "windows": int(scored.sum()),
        "days": len(np.unique(found.times[scored] // DAY_MS)),
        "rows": {REACH_ONLY: row},
    }


def verdict(horizon: str, days: int, over: list[dict[str, Any]], map_gains: list[dict[str, Any]]) -> str:
    """What may be stated of a horizon: the forecast's skill, and the map's part by its smallest gain.

    `over` are the gains that skill needs, over AR with the expected range, and over the same with the hour:
    with days in shuffled order, the hour alone lets the richer regression beat the poorer one.
    """
    if horizon == "4h":
        return NO_SKILL
    if days < MIN_VERDICT_DAYS or not all(_is_above_zero(gain) for gain in over):
        return NO_SKILL_YET
    smallest = min(map_gains, key=lambda gain: float(gain["gain"]))
    return f"skill shown; the map's part {'shown' if _is_above_zero(smallest) else 'not shown'}"


def _is_above_zero(gain: dict[str, Any]) -> bool:
    return gain["ci"] is not None and gain["ci"][0] is not None and gain["ci"][0] > 0


def _rank_draws(
    predictions: dict[str, FloatArray], y: FloatArray, times: NDArray[np.int64], bootstrap: Bootstrap
) -> dict[str, FloatArray]:
    """Mean of the sides' rank correlations, per draw; both sides are drawn by the same days."""
    long, short = (
        rank_correlations(
            {name: values[:, side] for name, values in predictions.items()}, y[:, side], times, bootstrap
        )
        for side in (0, 1)
    )
    return {name: (long[name] + short[name]) / 2 for name in predictions}


def _row(found: Replay, scored: NDArray[np.bool_], y: FloatArray, name: str) -> dict[str, Any]:
    """One row's figures that need no draws; rank and side are filled in by who draws."""
    y_hat, usd = found.y_hat(name)[scored], found.usd(name)[scored]
    quantiles = found.quantiles(name)[scored]
    if name == REACH_ONLY:
        y_hat = log_usd(usd)
    ranks = [
        float(rank_correlations({"": y_hat[:, s]}, y[:, s], found.times[scored], _NO_DRAWS)[""][0])
        for s in (0, 1)
    ]
    inside = (y >= quantiles[:, :, 0] - SAME_Y) & (y <= quantiles[:, :, -1] + SAME_Y)
    known = np.isfinite(quantiles).all(axis=2)
    return {
        "rank": _rounded(float(np.mean(ranks))),
        "ci": None,
        "side": None,
        "side_ci": None,
        "log_r2": _rounded(_log_r2(y_hat, y)),
        "log_r2_usd": _rounded(_log_r2(log_usd(usd), y)),
        "coverage_80": _rounded(float(inside[known].mean())) if known.any() else None,
        "pinball": _rounded(_pinball(quantiles[known], y[known])) if known.any() else None,
        "realised_over_expected": [
            _rounded(float(realised / expected)) if expected > 0 else None
            for realised, expected in zip(found.realised()[scored].sum(axis=0), usd.sum(axis=0), strict=True)
        ],
    }


_NO_DRAWS = Bootstrap(draws=0)


def _log_r2(y_hat: FloatArray, y: FloatArray) -> float:
    """One minus the residual over the total variance of y, mean of the sides."""
    total = ((y - y.mean(axis=0)) ** 2).sum(axis=0)
    total = np.where(total > LEAST_VARIANCE * len(y), total, np.nan)
    return float(np.mean(1 - ((y - y_hat) ** 2).sum(axis=0) / total))


def _pinball(quantiles: FloatArray, y: FloatArray) -> float:
    """Mean pinball loss of the quantiles of y; shape (cases, 3) against (cases,)."""
    over = y[:, None] - quantiles
    levels = np.array(QUANTILES)
    return float(np.maximum(levels * over, (levels - 1) * over).mean())


def _pair(draws: dict[str, FloatArray]) -> dict[str, Any]:
    return {
        "with_map": _rounded(draws[COMBINATION][0]),
        "without_map": _rounded(draws["N2"][0]),
        "linear": {"with_map": _rounded(draws["N1+T"][0]), "without_map": _rounded(draws["N1"][0])},
        **_gain(draws, "N1+T", "N1"),
    }


def _gain(draws: dict[str, FloatArray], name: str, baseline: str) -> dict[str, Any]:
    difference = draws[name] - draws[baseline]
    return {"gain": _rounded(difference[0]), "ci": _interval(difference)}


def _pinball_json(rows: dict[str, dict[str, Any]]) -> dict[str, Any]:
    return {
        "value": rows[COMBINATION]["pinball"],
        "baselines": {name: rows[row]["pinball"] for name, row in BASELINE_ROWS.items()},
    }


def _chances_json(scored: ChanceScore | None) -> dict[str, Any]:
    if scored is None:
        return {"brier": {"value": None, "baselines": None}, "reliability": None}
    return {
        "brier": {
            "value": _rounded(scored.brier),
            "baselines": {name: _rounded(value) for name, value in scored.baselines.items()},
        },
        "reliability": scored.reliability,
    }


def _reached_json(
    found: Replay, scored: NDArray[np.bool_], y: FloatArray, bootstrap: Bootstrap
) -> dict[str, Any]:
    """F alone, nothing fitted to liquidations: its rank per map, and what the judged map gains on each."""
    reached = np.array(found.reached_usd)[scored]
    draws = _rank_draws(
        {name: reached[:, at] for at, name in enumerate(MAP_NAMES)}, y, found.times[scored], bootstrap
    )
    return {
        "rank": {name: _rounded(draws[name][0]) for name in MAP_NAMES},
        **{f"gain_over_{name}": _gain(draws, MAP_NAMES[0], name) for name in NAIVE_MAPS},
    }


def _interval(draws: FloatArray) -> list[float | None]:
    return [_rounded(bound) for bound in interval_of(draws)]


def _rounded(value: float | np.floating[Any]) -> float | None:
    return round(float(value), 4) if math.isfinite(value) else None
