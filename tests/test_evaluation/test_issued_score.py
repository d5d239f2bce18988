"""liqstream/evaluation/issued_score.py: what was issued is graded from what was stored, and nothing else."""

from __future__ import annotations

from typing import Any

import numpy as np

from liqstream.evaluation.bootstrap import Bootstrap
from liqstream.evaluation.issued_score import IssuedWindow, is_map_harmful, score_issued
from liqstream.market import HOUR_MS

FEW, FEWER = Bootstrap(draws=200), Bootstrap(draws=40)


def windows(days: int, *, served_noise: float = 0.5, beside_noise: float = 3.0) -> list[IssuedWindow]:
    """Hours whose y is served with some noise, and known to the rows beside it with more."""
    rng = np.random.default_rng(3)
    made = []
    for hour in range(days * 24):
        y = rng.normal(13, 1, 2)
        beside = ("N2", "AR+vol", "AR+vol+hour")
        rows = {name: (y + rng.normal(0, beside_noise, 2)).tolist() for name in beside}
        rows["N2+T"] = (y + rng.normal(0, served_noise, 2)).tolist()
        sides = {}
        for at, side in enumerate(("long", "short")):
            low, high = (round(np.exp(rows["N2+T"][at] + z * served_noise)) for z in (-1.2816, 1.2816))
            sides[side] = {"expected_usd": 1, "quantiles_usd": {"0.1": low, "0.5": 1, "0.9": high}}
        content: dict[str, Any] = {"method": "N2+T", "y_hat": rows, **sides}
        made.append(IssuedWindow(hour * HOUR_MS, content, np.exp(y) - 1e4))
    return made


def test_a_good_forecast_is_shown_to_be_one() -> None:
    """Rank, gains and coverage come from the stored rows."""
    grades = score_issued("1h", windows(20), FEW)
    assert grades["windows"] == 480
    assert grades["days"] == 20
    assert grades["rank"] > 0.8
    assert grades["gain_over_ar_vol"]["ci"][0] > 0
    assert 0.74 < grades["coverage_80"] < 0.86
    assert grades["verdict"].startswith("skill shown; the map's part ")
    assert not is_map_harmful(grades)


def test_under_two_weeks_nothing_is_claimed() -> None:
    """The days are counted up; four hours are never called skill."""
    assert score_issued("1h", [], FEW)["verdict"] == "not checked on this market yet (0 of 14 days)"
    assert score_issued("1h", windows(9), FEW)["verdict"] == "not checked on this market yet (9 of 14 days)"
    assert score_issued("4h", windows(20), FEW)["verdict"] == "no skill shown"


def test_a_forecast_like_those_beside_it_has_no_skill_and_a_worse_one_loses_its_map() -> None:
    """No lower bound above zero is no skill; an upper bound below zero over 30 days switches the map off."""
    same = score_issued("1h", windows(20, served_noise=3.0), FEW)
    assert same["verdict"] == "no skill shown here yet"
    worse = score_issued("1h", windows(31, served_noise=5.0, beside_noise=0.5), FEW)
    assert is_map_harmful(worse)
    assert not is_map_harmful(score_issued("1h", windows(20, served_noise=5.0, beside_noise=0.5), FEW))


def test_the_gain_of_a_map_that_is_switched_off_is_still_the_maps() -> None:
    """What is served then is N2, which has no gain over itself: it would bring a harmful map back."""
    worse = windows(31, served_noise=5.0, beside_noise=0.5)
    for window in worse:
        window.content["method"] = "N2"
    grades = score_issued("1h", worse, FEWER)
    assert grades["rank"] > 0.8
    assert grades["gain_over_strongest"]["gain"] < -0.5
    assert is_map_harmful(grades)


def test_days_without_anything_to_compare_with_do_not_count() -> None:
    """No skill is claimed, and no map switched off, on a few days because weeks came before them."""
    for served, beside in ((0.5, 3.0), (5.0, 0.5)):
        given = windows(34, served_noise=served, beside_noise=beside)
        for window in given[: 30 * 24]:
            window.content["y_hat"] = {"cF": window.content["y_hat"]["N2+T"]}
            window.content["method"] = "cF"
        grades = score_issued("1h", given, FEWER)
        assert grades["days"] == 34
        assert grades["gain_over_ar_vol"]["days"] == 4
        assert grades["verdict"] == "no skill shown here yet"
        assert not is_map_harmful(grades)
