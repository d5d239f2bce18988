"""What became of clusters between two looks."""

from __future__ import annotations

import math

from liqstream.alerts.cluster_watch import FORGET_S, ClusterWatch, Look, usd_between
from liqstream.heatmap.clusters import Cluster, find_clusters
from liqstream.heatmap.snapshot import HeatmapSnapshot
from tests.test_alerts.test_evaluator import EMPTY, at

BOTH = at(100.0, long=[1500, 0, 0, 0, 0], short=[0, 0, 0, 0, 1200])
NOTHING_PASSED = (math.inf, -math.inf)


def look(watch: ClusterWatch, snapshot: HeatmapSnapshot, now_s: float) -> Look:
    clusters = [
        cluster
        for side in ("long", "short")
        for cluster in find_clusters(
            "long" if side == "long" else "short", snapshot.long, snapshot.short, snapshot.grid
        )
    ]
    return watch.look(snapshot, clusters, NOTHING_PASSED, now_s)


def test_what_fades_without_the_price_is_neither_swept_nor_new_when_it_is_back() -> None:
    """Within an hour; later it is new, and after a long gap nothing is."""
    watch = ClusterWatch()
    look(watch, BOTH, 0.0)
    assert look(watch, at(100.0, long=EMPTY, short=EMPTY), 1.0).swept == []
    assert look(watch, BOTH, 2.0).grown == []
    for now_s in range(3, int(FORGET_S) + 100, 100):
        look(watch, at(100.0, long=EMPTY, short=EMPTY), float(now_s))
    assert len(look(watch, BOTH, FORGET_S + 100).grown) == 2
    assert look(watch, at(100.0, long=[1500, 0, 900, 0, 0], short=EMPTY), 9e9).grown == ()


def test_two_that_become_one_and_part_again_are_not_new() -> None:
    """Together they are compared with the larger of them, apart each with what they were together."""
    watch = ClusterWatch()
    small, large = Cluster("long", 98.5, 98.25, 98.75, 100.0), Cluster("long", 99.0, 98.75, 99.25, 900.0)
    watch.look(BOTH, [large, small], NOTHING_PASSED, 0.0)
    whole = Cluster("long", 99.0, 98.25, 99.25, 1000.0)
    (growth,) = watch.look(BOTH, [whole], NOTHING_PASSED, 1.0).grown
    assert (growth.now.cluster, growth.before_usd, growth.before_percentile) == (whole, 900.0, 100.0)
    assert watch.look(BOTH, [small, large], NOTHING_PASSED, 2.0).grown == []
    watch.look(BOTH, [whole], NOTHING_PASSED, 3.0)
    watch.look(BOTH, [large], NOTHING_PASSED, 4.0)
    assert watch.look(BOTH, [small, large], NOTHING_PASSED, 5.0).grown == []


def test_what_stands_between_edges_is_of_one_side() -> None:
    """Whole levels."""
    assert usd_between(BOTH, Cluster("long", 99.0, 98.75, 99.25, 0.0)) == 1500
    assert usd_between(BOTH, Cluster("short", 99.0, 98.75, 99.25, 0.0)) == 0
