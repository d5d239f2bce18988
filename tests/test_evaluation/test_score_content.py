"""liqstream/evaluation/score_content.py: the drawn map under both names, gains of like against like."""

from __future__ import annotations

import numpy as np

from liqstream.evaluation.baselines import BASELINES
from liqstream.evaluation.bootstrap import SideStatistics
from liqstream.evaluation.score_content import FLAT_KERNELS, JUDGED, mean_content, side_content


def statistics(offset: float) -> dict[str, SideStatistics]:
    """Figures that differ from row to row, four draws each."""
    names = (*JUDGED, *BASELINES, *FLAT_KERNELS)
    return {
        name: SideStatistics(*(np.full(5, offset + 0.01 * at) for _ in range(5)))
        for at, name in enumerate(names)
    }


def test_the_drawn_map_has_two_names() -> None:
    """`map_only` was its first one; `model` keeps its gains outside of it."""
    found = side_content(statistics(0.1), {"map_only": {"days": 3}})
    assert found["drawn_map"] == found["map_only"]
    assert found["drawn_map"]["calibration_after_14_days"] == {"days": 3}
    assert found["gain_over_uniform"]["spearman"] == -0.04
    assert "gain_over_uniform" not in found["model"]
    assert found["with_same_bar"]["gain_over_uniform"]["spearman"] == -0.03


def test_only_what_has_the_bars_own_entries_is_compared_with_what_has_them() -> None:
    """A flat kernel in the same machinery says nothing about a map without them."""
    found = side_content(statistics(0.1))
    assert "gain_over_flat_2" in found
    assert "gain_over_flat_2" in found["with_same_bar"]
    assert "gain_over_flat_2" not in found["drawn_map"]


def test_rules_in_their_own_unit_have_no_calibration() -> None:
    """B3 and B5 have a log R2 of what they are once calibrated; the others none."""
    naive = side_content(statistics(0.1))["baselines"]
    assert {name for name, figures in naive.items() if "log_r2" in figures} == {
        *("uniform", "uniform_range", "flat_2", "flat_10")
    }
    assert {name for name, figures in naive.items() if "calibration" in figures} == set(FLAT_KERNELS)


def test_the_mean_is_of_the_sides_draws() -> None:
    """Both sides are drawn by the same days."""
    assert mean_content([statistics(0.1), statistics(0.3)])["model"]["spearman"] == 0.2
