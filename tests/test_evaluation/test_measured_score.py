"""liqstream/evaluation/measured_score.py: random levels score as chance, levels on the map as skill."""

from __future__ import annotations

import numpy as np
import pytest

from liqstream.evaluation.bootstrap import Bootstrap
from liqstream.evaluation.measured_looks import CELL_WIDTH, CELLS, LONG, ROWS, MeasuredLook, mixed
from liqstream.evaluation.measured_score import score_measured
from liqstream.market import DAY_MS, HOUR_MS, FloatArray

MARK = 60_000.0
DRAWS = Bootstrap(draws=200)
DAYS = 30
EVERY_MS = 12 * HOUR_MS
SEEDS = 20

Estimates = dict[int, FloatArray]


def estimates(days: int = DAYS) -> Estimates:
    """A map whose bands wander, and rows beside it; both sides alike."""
    rng = np.random.default_rng(5)
    found = {}
    for time_ms in range(0, days * DAY_MS, EVERY_MS):
        weights = rng.gamma(0.3, size=(len(ROWS), 2, CELLS))
        shares = mixed(weights)
        shares[ROWS.index("permuted")] = rng.permuted(shares[0], axis=1)
        found[time_ms] = shares
    return found


def looks_at(chances: Estimates, seed: int, accounts: int = 60, usd: float = 1e6) -> list[MeasuredLook]:
    """Positions whose cells are drawn by the first row of some shares."""
    rng = np.random.default_rng(seed)
    looks = []
    for time_ms, shares in chances.items():
        sides = []
        for side, sign in ((LONG, -1), (1, 1)):
            cell = rng.choice(CELLS, accounts, p=shares[0, side])
            sides.append(MARK * np.exp(sign * CELL_WIDTH * (cell + rng.random(accounts))))
        is_long = np.repeat([True, False], accounts)
        level = np.concatenate(sides)
        looks.append(MeasuredLook(time_ms, MARK, (0.31, 0.28), is_long, level, np.full(len(level), usd)))
    return looks


def even(times: Estimates) -> Estimates:
    return {time_ms: np.full((len(ROWS), 2, CELLS), 1 / CELLS) for time_ms in times}


def test_levels_anywhere_are_chance() -> None:
    """The null: bits as computed from the cells alone, rank with 0 in its interval, nothing claimed."""
    judged = estimates()
    found, around_zero = [], 0
    for seed in range(SEEDS):
        mean = score_measured(looks_at(even(judged), seed), judged, DRAWS)["mean"]
        found.append((mean["bits"], mean["random_levels"], mean["rank"]))
        low, high = mean["rank_ci"]
        around_zero += low <= 0 <= high
        assert mean["bits_ci"][1] < 0
    scored, by_chance, ranks = np.mean(found, axis=0)
    assert by_chance < -0.3
    assert scored == pytest.approx(by_chance, abs=0.03)
    assert ranks == pytest.approx(0, abs=0.01)
    assert around_zero >= 17


def test_shuffled_cells_are_chance() -> None:
    """Where positions do stand on the map, its cells in random order know nothing: 17 of 20 seeds."""
    judged = estimates()
    around_zero = 0
    for seed in range(SEEDS):
        low, high = score_measured(looks_at(judged, seed), judged, DRAWS)["mean"]["baselines"]["permuted"][
            "rank_ci"
        ]
        around_zero += low <= 0 <= high
    assert around_zero >= 17


def test_levels_on_the_map_are_a_skill() -> None:
    """Better than uniform and than distance, on both sides, and said so."""
    judged = estimates()
    content = score_measured(looks_at(judged, 1), judged, DRAWS)
    mean = content["mean"]
    assert mean["rank"] > 0.4
    assert mean["bits_ci"][0] > 1
    assert mean["over_distance"] == mean["baselines"]["distance"]["difference"]
    assert mean["over_distance_ci"][0] > 1
    # The bands wander: where positions stood a day ago says nothing.
    assert mean["baselines"]["ceiling"]["bits"] < 0
    assert content["verdict"] == "better than uniform, better than distance alone"
    assert content["sentence"].startswith(
        f"Against 120 measured accounts (31 % of longs, 28 % of shorts, the large ones): {mean['bits']:.2f} "
        "bits a level better than uniform"
    )
    assert content["judged"] == {"long": len(judged), "short": len(judged)}
    assert content["size_classes"]["to_100k"] is None
    assert content["size_classes"]["above_1m"]["bits"] == mean["bits"]


def test_a_map_that_says_nothing_scores_exactly_nothing() -> None:
    """0 bits whatever stands where, and no rank."""
    judged = estimates()
    mean = score_measured(looks_at(judged, 1), even(judged), DRAWS)["mean"]
    assert (mean["bits"], mean["rank"], mean["random_levels"]) == (0, 0, 0)


def test_positions_that_stay_are_found_by_the_map_of_a_day_before() -> None:
    """And by distance alone, once some looks are known: the ceiling is the higher."""
    judged = estimates()
    first = judged[0]
    looks = looks_at(dict.fromkeys(judged, first), 1)
    stood = [
        MeasuredLook(look.time_ms, MARK, look.coverage, look.is_long, looks[0].level, looks[0].usd)
        for look in looks
    ]
    rows = score_measured(stood, judged, DRAWS)["mean"]["baselines"]
    assert rows["ceiling"]["bits"] > rows["distance"]["bits"] > 1.0
    assert rows["ceiling"]["rank"] == pytest.approx(1)
    assert rows["ceiling"]["difference"] < 0


def test_it_is_settling_below_fourteen_days() -> None:
    """Figures without intervals, and nothing claimed."""
    judged = estimates(13)
    content = score_measured(looks_at(judged, 1), judged, DRAWS)
    assert content["verdict"] == "settling: 13 of 14 days"
    assert "settling" in content["sentence"]
    assert content["mean"]["bits_ci"] is None
    assert content["mean"]["baselines"]["flat"]["ci"] is None


def test_one_side_alone_is_judged_where_the_other_is_not() -> None:
    """The mean is that of the side there is; without any the reason is given."""
    judged = estimates()
    looks = [
        MeasuredLook(look.time_ms, MARK, (0.31, 0.1), look.is_long, look.level, look.usd)
        for look in looks_at(judged, 1)
    ]
    content = score_measured(looks, judged, DRAWS)
    assert content["sides"]["short"] is None
    assert content["mean"] == content["sides"]["long"]
    few = score_measured(looks_at(judged, 1, accounts=14), judged, DRAWS)
    assert few["mean"] is None
    assert "15 accounts" in few["reason"]
    assert set(few) == set(content)
    assert "no look" in score_measured([], judged, DRAWS)["reason"]
