"""What became of a market's clusters since they were looked at last: taken by the price, or new.

A cluster is swept once the price has reached it and at most a fifth of it is left, as the page's outlines
have it (web/js/data/swept.js). It is new if no cluster has overlapped it for an hour.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from liqstream.heatmap.clusters import Cluster
from liqstream.heatmap.snapshot import HeatmapSnapshot
from liqstream.market import FloatArray

LEFT = 0.2
"""A cluster is swept once no more than this share of it is left."""
FORGET_S = 3600.0
"""A cluster not seen for so long is new when it comes back."""
DAY_S = 86_400.0
"""One the price has not gone through by then is not followed any more."""
LONGEST_GAP_S = 120.0
"""After a longer one nobody can say what happened meanwhile: the next look is a first one."""


@dataclass(frozen=True, slots=True)
class SizedCluster:
    """A cluster, and the percent of the market's clusters that are not larger."""

    cluster: Cluster
    percentile: float


@dataclass(frozen=True, slots=True)
class Growth:
    """A cluster that is larger than it was seen so far; `before_usd` and `before_percentile` 0: it is new."""

    now: SizedCluster
    before_usd: float
    before_percentile: float


@dataclass(frozen=True, slots=True)
class Look:
    """The market's clusters now, largest first; those swept, as they stood; those that have grown."""

    clusters: Sequence[SizedCluster]
    swept: Sequence[SizedCluster] = ()
    grown: Sequence[Growth] = ()


@dataclass(slots=True)
class _Known:
    """A stretch of prices of one side in which a cluster was seen, and the largest it was."""

    cluster: Cluster
    most_usd: float
    most_percentile: float
    seen_s: float


@dataclass(slots=True)
class _Entered:
    """A cluster the price has reached, as it stood before."""

    sized: SizedCluster
    since_s: float


class ClusterWatch:
    """Follows one market; `look` is called with every new map of it."""

    def __init__(self) -> None:
        self._standing: Sequence[SizedCluster] = ()
        self._entered: list[_Entered] = []
        self._known: list[_Known] = []
        self._looked_s: float | None = None

    def look(
        self,
        snapshot: HeatmapSnapshot,
        clusters: Sequence[Cluster],
        passed: tuple[float, float],
        now_s: float,
    ) -> Look:
        """Compare with the look before; `passed` are the lowest and the highest price (USD) since then."""
        sized = _sized(clusters)
        is_first = self._looked_s is None or now_s - self._looked_s > LONGEST_GAP_S
        if is_first:
            self._standing, self._entered, self._known = (), [], []
        self._looked_s = now_s
        swept = self._swept(snapshot, passed, now_s)
        grown = self._grown(sized, now_s)
        self._standing = [
            each for each in sized if not any(_overlap(each.cluster, e.sized.cluster) for e in self._entered)
        ]
        return Look(sized, swept, () if is_first else grown)

    def _swept(
        self, snapshot: HeatmapSnapshot, passed: tuple[float, float], now_s: float
    ) -> list[SizedCluster]:
        low, high = passed
        reached = [each for each in self._standing if each.cluster.low <= high and each.cluster.high >= low]
        swept, waiting = [], []
        for entered in (*self._entered, *(_Entered(each, now_s) for each in reached)):
            cluster = entered.sized.cluster
            if usd_between(snapshot, cluster) <= LEFT * cluster.usd:
                swept.append(entered.sized)
                self._known = [each for each in self._known if not _overlap(each.cluster, cluster)]
            elif now_s - entered.since_s < DAY_S:
                waiting.append(entered)
        self._entered = waiting
        return swept

    def _grown(self, sized: Sequence[SizedCluster], now_s: float) -> list[Growth]:
        before = [each for each in self._known if now_s - each.seen_s <= FORGET_S]
        left, seen, grown = before, [], []
        for each in sized:
            # Of those before this look: one that has come apart is known in each of its parts.
            same = [known for known in before if _overlap(known.cluster, each.cluster)]
            usd = max((known.most_usd for known in same), default=0.0)
            percentile = max((known.most_percentile for known in same), default=0.0)
            if each.cluster.usd > usd or each.percentile > percentile:
                grown.append(Growth(each, usd, percentile))
            left = [part for known in left for part in _beside(known, each.cluster)]
            seen.append(
                _Known(each.cluster, max(usd, each.cluster.usd), max(percentile, each.percentile), now_s)
            )
        self._known = left + seen
        return grown


def usd_between(snapshot: HeatmapSnapshot, cluster: Cluster) -> float:
    """What stands now, in USD, between a cluster's edges on its side."""
    values: FloatArray = np.asarray(
        snapshot.long if cluster.side == "long" else snapshot.short, dtype=np.float64
    )
    grid = snapshot.grid
    prices = grid.p0 + np.arange(len(values)) * grid.step
    return float(values[(prices > cluster.low) & (prices < cluster.high)].sum())


def _sized(clusters: Sequence[Cluster]) -> list[SizedCluster]:
    ordered = sorted(each.usd for each in clusters)
    ranks = np.searchsorted(ordered, [each.usd for each in clusters], side="right")
    sized = [
        SizedCluster(each, 100.0 * float(rank) / len(ordered))
        for each, rank in zip(clusters, ranks, strict=True)
    ]
    return sorted(sized, key=lambda each: -each.cluster.usd)


def _beside(known: _Known, cluster: Cluster) -> list[_Known]:
    """What is left of a stretch without a cluster's: all of it, its ends, or nothing."""
    whole = known.cluster
    if not _overlap(whole, cluster):
        return [known]
    ends = (whole.low, min(whole.high, cluster.low)), (max(whole.low, cluster.high), whole.high)
    return [replace(known, cluster=replace(whole, low=low, high=high)) for low, high in ends if low < high]


def _overlap(one: Cluster, other: Cluster) -> bool:
    return one.side == other.side and one.low < other.high and other.low < one.high
