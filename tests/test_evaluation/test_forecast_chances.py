"""liqstream/evaluation/forecast_chances.py: true chances score well, and what is off shows."""

from __future__ import annotations

import numpy as np
import pytest

from liqstream.evaluation.forecast_chances import ChanceScore, chance_score
from liqstream.evaluation.forecast_replay import Replay
from liqstream.market import HOUR_MS, FloatArray
from liqstream.model.forecast_content import BANDS, DISTANCES
from liqstream.model.forecast_features import HORIZONS

CASES = len(DISTANCES) + BANDS


def world(shift: float = 0.0, windows: int = 2000) -> ChanceScore:
    """Excursions of exponential length, their scale known beforehand, and the chances stated of them."""
    rng = np.random.default_rng(6)
    found = Replay(HORIZONS["1h"])
    for at in range(windows):
        scale = 0.004 * (1 + at % 5)
        cases: FloatArray = np.tile(np.linspace(0.001, 0.03, CASES), (2, 1))
        found.time_ms.append(at * HOUR_MS)
        found.cases.append(cases)
        found.chances.append(np.clip(np.exp(-cases / scale) + shift, 0, 1))
        found.excursions.append(rng.exponential(scale, 2))
        found.volatility.append(0.01)
    scored = chance_score(found, np.ones(windows, dtype=bool))
    assert scored is not None
    return scored


def test_true_chances_are_reliable_and_beat_both_baselines() -> None:
    """In every tenth as many were reached as was stated, and Brier is below what knows no range."""
    scored = world()
    assert len(scored.reliability) == 10
    assert sum(row["n"] for row in scored.reliability) == (2000 - 24) * 2 * CASES
    for row in scored.reliability:
        assert row["observed"] == pytest.approx(row["p"], abs=max(0.03, 3 * row["se"]))
    assert set(scored.baselines) == {"frequency", "random_walk"}
    assert scored.brier < min(scored.baselines.values())


def test_chances_that_are_too_high_show_in_every_tenth() -> None:
    """Stated 15 points too high, fewer are reached than stated, by many standard errors."""
    scored = world(0.15)
    assert scored.brier > world().brier
    middle = [row for row in scored.reliability if 0.2 < row["p"] < 0.9]
    assert all(row["p"] - row["observed"] > 3 * row["se"] for row in middle)


def test_without_windows_there_is_no_score() -> None:
    """The baselines need a past; before it nothing is scored."""
    found = Replay(HORIZONS["1h"])
    assert chance_score(found, np.zeros(0, dtype=bool)) is None
