"""liqstream/evaluation/forecast_score.py: grades on recorded months, and none where there is no skill."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from liqstream.evaluation.bootstrap import Bootstrap
from liqstream.evaluation.forecast_replay import ISSUED_ROWS, ROWS, Replay, replay, shuffled_replays
from liqstream.evaluation.forecast_score import (
    NO_SKILL,
    NO_SKILL_YET,
    forecast_score,
    method_of_forecast,
    nothing_scored,
    verdict,
)
from liqstream.evaluation.scoring_data import Realised
from liqstream.market import HOUR_MS
from liqstream.model.forecast_features import HORIZONS
from liqstream.model.kernel import tiered
from tests.support.market_bars import random_bars
from tests.support.recorded_hours import recorded_hours

DRAWS = Bootstrap(draws=300)

pytestmark = pytest.mark.timeout(180)


@pytest.fixture(scope="module")
def recorded(shared_data: Path) -> Replay:
    """The forecast of every hour of the four recorded months, by the shipped kernel and without priors."""
    bars, realised = recorded_hours(shared_data)
    return replay(bars, realised, tiered(), [HORIZONS["1h"]])["1h"]


@pytest.fixture(scope="module")
def graded(recorded: Replay) -> dict[str, Any]:
    """Its grades from 25 February on."""
    from_ms = int(np.datetime64("2026-02-25", "ms").astype(np.int64))
    return forecast_score(recorded, from_ms=from_ms, bootstrap=DRAWS)


@pytest.mark.long
@pytest.mark.shared_data
def test_the_next_hour_is_forecast_as_well_as_it_was_found_to_be(graded: dict[str, Any]) -> None:
    """Rank, side and log R2 of what is served, and its gains, reach what docs/scoring.md promises."""
    rank, side = graded["rank"], graded["side"]
    assert graded["windows"] > 800
    assert graded["days"] == 35
    assert rank["with_map"] >= 0.425
    assert side["with_map"] >= 0.26
    assert graded["log_r2"] >= 0.18
    assert rank["gain_over_ar_vol"]["gain"] >= 0.03
    assert rank["gain_over_ar_vol"]["ci"][0] > 0
    assert rank["gain"] >= 0.02
    assert rank["ci"][0] > 0
    assert side["gain"] > 0
    assert rank["gain_over_strongest"]["gain"] >= -0.005
    assert graded["verdict"] == "skill shown; the map's part not shown"


@pytest.mark.long
@pytest.mark.shared_data
def test_what_stands_within_reach_beats_naive_levels(graded: dict[str, Any]) -> None:
    """F alone, with nothing fitted to liquidations, ranks better than a flat kernel and B3's levels."""
    reached = graded["reached_mass"]
    assert reached["gain_over_F10"]["gain"] >= 0.02
    assert reached["gain_over_B3"]["gain"] >= 0.05
    assert reached["gain_over_B3"]["ci"][0] > 0


@pytest.mark.long
@pytest.mark.shared_data
def test_intervals_and_chances_are_what_they_say(graded: dict[str, Any]) -> None:
    """Four in five windows within the 80 % interval, chances reliable, losses below those without a map."""
    assert 0.75 <= graded["coverage_80"] <= 0.85
    for row in graded["reliability"]:
        margin = 0.05 if row["n"] >= 400 else 2 * row["se"]
        assert abs(row["p"] - row["observed"]) <= margin, row
    assert graded["brier"]["value"] < min(graded["brier"]["baselines"].values())
    without_map = {"climatology", "AR", "AR+vol", "AR+vol+hour", "N1", "N2"}
    pinball = graded["pinball"]
    assert pinball["value"] <= min(pinball["baselines"][name] for name in without_map)


@pytest.mark.shared_data
@pytest.mark.timeout(300)
@pytest.mark.parametrize(("seeds", "least"), [(5, 4), pytest.param(20, 17, marks=pytest.mark.attack)])
def test_no_skill_is_shown_where_days_were_shuffled(shared_data: Path, seeds: int, least: int) -> None:
    """In 17 of 20 seeds at least the map's gain is not above zero, and no skill is stated to be shown."""
    bars, realised = recorded_hours(shared_data, days=36)
    found = shuffled_replays(bars, realised, tiered(), HORIZONS["1h"], range(seeds))
    grades = [forecast_score(one, bootstrap=DRAWS) for one in found]
    without = [grade for grade in grades if grade["rank"]["ci"][0] <= 0 and NO_SKILL in grade["verdict"]]
    assert all(grade["windows"] > 350 for grade in grades)
    assert len(without) >= least


@pytest.mark.attack
@pytest.mark.shared_data
@pytest.mark.timeout(600)
def test_four_hours_give_the_map_no_part_where_days_were_shuffled(shared_data: Path) -> None:
    """In 17 of 20 seeds at least its gain is not above zero; of four hours no skill is ever stated."""
    bars, realised = recorded_hours(shared_data)
    found = shuffled_replays(bars, realised, tiered(), HORIZONS["4h"], range(20))
    grades = [forecast_score(one, bootstrap=DRAWS) for one in found]
    assert all(grade["windows"] > 250 for grade in grades)
    assert {grade["verdict"] for grade in grades} == {NO_SKILL}
    assert sum(grade["rank"]["ci"][0] <= 0 for grade in grades) >= 17


@pytest.mark.attack
@pytest.mark.timeout(600)
def test_half_hours_show_no_skill_where_liquidations_are_random() -> None:
    """Of prices and liquidations that know nothing of each other: the recorded ones are too few."""
    bars = random_bars(24 * 288, 3)
    half_hour_ms = HOUR_MS // 2
    times = np.arange(bars.open_time_ms[0] // half_hour_ms + 1, bars.open_time_ms[-1] // half_hour_ms)
    usd = np.random.default_rng(1).lognormal(12.0, 1.5, (2, len(times)))
    realised = Realised(half_hour_ms, times * half_hour_ms, usd[0], usd[1], given_as_totals=True)
    found = shuffled_replays(bars, realised, tiered(), HORIZONS["30m"], range(10))
    grades = [forecast_score(one, bootstrap=DRAWS) for one in found]
    assert all(grade["windows"] > 550 and grade["reason"] is None for grade in grades)
    assert sum(grade["verdict"] == NO_SKILL_YET for grade in grades) >= 9


def test_a_market_in_which_nothing_is_liquidated_is_covered() -> None:
    """Its windows lie on the edge of their interval, give or take a rounding; that is inside."""
    found = Replay(HORIZONS["1h"])
    for hour in range(96):
        rounding = 1e-12 * (-1) ** hour
        rows = np.full((len(ISSUED_ROWS), 2, 5), np.nan)
        rows[ISSUED_ROWS.index("cF")] = [*(np.log(1e4) + rounding, 0.0), *[np.log(1e4) + rounding] * 3]
        found.time_ms.append(hour * HOUR_MS)
        found.realised_usd.append(np.zeros(2))
        found.rows.append(rows)
        found.cases.append(np.full((2, 1), 0.01))
        found.chances.append(np.full((2, 1), 0.5))
        found.excursions.append(np.zeros(2))
        found.volatility.append(0.01)
    grades = forecast_score(found)
    assert grades["coverage_80"] == 1.0
    assert grades["log_r2"] is None
    assert grades["rank"]["with_map"] == 0.0


def test_every_key_is_there_where_nothing_can_be_graded() -> None:
    """An empty store has the same keys, None, and a sentence that says what is missing."""
    empty = forecast_score(Replay(HORIZONS["1h"]))
    assert empty["reason"]
    assert empty["rank"]["gain_over_naive_map"] == {"gain": None, "ci": None}
    assert set(empty) == set(nothing_scored(""))
    assert empty["verdict"] == NO_SKILL_YET


@pytest.mark.long
@pytest.mark.shared_data
def test_the_keys_are_the_same_with_figures_and_without(graded: dict[str, Any]) -> None:
    """A program finds every key whatever the store holds."""
    assert set(graded) == set(nothing_scored(""))
    assert set(graded["rank"]) == set(nothing_scored("")["rank"])
    assert set(graded["rows"]) == {"cF", *ROWS}


def test_verdicts_follow_their_intervals() -> None:
    """Four hours never, under two weeks not yet, otherwise by the lower bounds of what was gained."""
    above, around = {"gain": 0.03, "ci": [0.01, 0.05]}, {"gain": 0.02, "ci": [-0.01, 0.05]}
    assert verdict("4h", 100, [above], [above]) == NO_SKILL
    assert verdict("1h", 13, [above], [above]) == NO_SKILL_YET
    assert verdict("1h", 14, [above, around], [above]) == NO_SKILL_YET
    assert verdict("1h", 14, [above], [above, around]) == "skill shown; the map's part not shown"
    assert verdict("1h", 14, [above], [above]) == "skill shown; the map's part shown"


def test_the_hash_names_the_constants() -> None:
    """Equal constants give an equal hash, on every machine."""
    assert method_of_forecast() == method_of_forecast()
    assert len(method_of_forecast()["hash"]) == 16
