"""liqstream/heatmap/clusters.py: clusters, next big ones, imbalance and sums, the same as on the page."""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from liqstream.heatmap.clusters import Cluster, excess, find_clusters, imbalance, next_big, sum_to_price
from liqstream.heatmap.price_grid import Grid

CASES = json.loads((Path(__file__).parents[1] / "cluster_cases.json").read_text())


@pytest.mark.parametrize("case", CASES, ids=lambda case: case["name"])
def test_figures_are_those_of_the_shared_cases(case: dict[str, Any]) -> None:
    """tests/js/clusters.test.js holds JavaScript to the same."""
    long_usd, short_usd, price = np.array(case["long"]), np.array(case["short"]), case["price"]
    grid = Grid(case["p0"], case["step"], len(long_usd))
    over = excess(long_usd + short_usd, grid)
    assert over.round(3).tolist() == pytest.approx(case["excess"], abs=2e-3)
    clusters = {side: find_clusters(side, long_usd, short_usd, grid) for side in ("long", "short")}
    assert {side: [asdict(each) for each in found] for side, found in clusters.items()} == case["clusters"]
    for place, side in (("above", "short"), ("below", "long")):
        found = next_big(clusters[side], price)
        assert (None if found is None else found.price) == case["next"][place]
    for within, value in case["imbalance"].items():
        assert imbalance(long_usd, short_usd, grid, price, float(within)) == pytest.approx(value, abs=1e-12)
    for to, usd, is_beyond in case["sums"]:
        assert sum_to_price(long_usd, short_usd, grid, price, to) == (usd, is_beyond)


def test_a_cluster_ends_where_the_grid_does() -> None:
    """The lowest cell is no neighbour of the highest."""
    usd = np.zeros(41)
    usd[[0, 1, 39, 40]] = 1.2e7, 1.2e7, 9e6, 9e6
    found = find_clusters("short", np.zeros(41), usd, Grid(100.0, 1.0, 41))
    assert sorted((each.low, each.high) for each in found) == [(99.5, 101.5), (138.5, 140.5)]


def test_the_shoulders_of_a_cluster_are_none_of_their_own() -> None:
    """What falls away from the peak does not count to it below half of it; what rises again is another's."""
    usd = np.zeros(61)
    usd[25:37] = np.array([60, 45, 100, 45, 40, 35, 30, 20, 60, 30, 45, 100]) * 1e5
    for grid, row, of in ((Grid(1000.0, 1.0, 61), usd, 27), (Grid(1000.0, 1.0, 61), usd[::-1].copy(), 33)):
        found = find_clusters("short", np.zeros(61), row, grid)
        assert (found[0].price, found[0].low, found[0].high) == (1000 + of, 1000 + of - 0.5, 1000 + of + 0.5)
        assert sorted(each.usd for each in found) == [6e6, 6e6, 1e7, 1e7]


def test_the_next_big_cluster_is_the_nearest_that_is_no_crumb() -> None:
    """12 % of the largest on the way; what lies behind the price does not count."""
    at = [(99.0, 5e9), (101.0, 1.1e6), (102.0, 1.3e6), (105.0, 1e7)]
    clusters = [Cluster("short", price, price - 1, price + 1, usd) for price, usd in at]
    found = next_big(clusters, 100.0)
    assert found is not None
    assert found.price == 102.0
    assert found.distance(100.0) == pytest.approx(0.02)
    assert next_big(clusters[:1], 100.0) is None
    assert next_big([], 100.0) is None
