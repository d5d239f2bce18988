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
