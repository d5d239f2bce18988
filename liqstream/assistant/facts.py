"""What is stated of a snapshot, a forecast or a score: a few figures, bounded, in plain values."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any, Literal, TypeAlias

import numpy as np

from liqstream.client import Forecast, HorizonForecast, Snapshot
from liqstream.client.levels import FloatArray
from liqstream.heatmap.clusters import Cluster, find_clusters, imbalance, next_big, sum_to_price
from liqstream.heatmap.price_grid import Grid
from liqstream.market import Side

Facts: TypeAlias = dict[str, Any]

MOST_LEVELS = 50
"""Levels, clusters or chances of one side in one answer at most."""
IMBALANCE_WITHIN = 0.02
"""Share of the price, to either side, within which longs and shorts are compared."""


def trust_of(snapshot: Snapshot, now_s: float) -> Facts:
    """How far to trust a snapshot: its source, time, age in s, whether it is stale, and what is doubtful.

    `now_s` is Unix time.
    """
    return {
        "symbol": snapshot.symbol,
        "source": snapshot.source,
        "time": _iso(snapshot.time.timestamp()),
        "age_s": round(max(0.0, now_s - snapshot.time.timestamp()), 1),
        "stale": snapshot.stale,
        "quality": list(snapshot.quality),
        "silent_exchanges": sorted(snapshot.silent),
        "current_price": snapshot.current_price,
    }


def levels_of(
    snapshot: Snapshot, *, side: Literal["long", "short", "both"], within_percent: float, most: int
) -> Facts:
    """The largest levels within a distance of the price, largest first, `most` of each side at most."""
    prices, found = snapshot.prices, {}
    distance = 100 * (prices / snapshot.current_price - 1)
    for name, usd in (("long", snapshot.long_usd), ("short", snapshot.short_usd)):
        if side in (name, "both"):
            rows = np.flatnonzero((np.abs(distance) <= within_percent) & (usd > 0))
            largest = rows[np.argsort(-usd[rows], kind="stable")][:most]
            found[name] = {"levels": _levels(prices, usd, distance, largest), "in_range": len(rows)}
    return {**found, "bounds": {"within_percent": within_percent, "most_per_side": most, **_range(snapshot)}}


def clusters_of(snapshot: Snapshot, *, most: int) -> Facts:
    """The clusters of each side, largest first, the next big one, and the imbalance near the price."""
    grid, price = _grid(snapshot), snapshot.current_price
    sides: Facts = {}
    for side in ("long", "short"):
        found = find_clusters(side, snapshot.long_usd, snapshot.short_usd, grid)
        big = next_big(found, price)
        sides[side] = {
            "clusters": [_cluster(each, price) for each in found[:most]],
            "in_all": len(found),
            "next_big": None if big is None else _cluster(big, price),
        }
    share = imbalance(snapshot.long_usd, snapshot.short_usd, grid, price, IMBALANCE_WITHIN)
    bounds = {"most_per_side": most, "imbalance_within_percent": 100 * IMBALANCE_WITHIN, **_range(snapshot)}
    return {**sides, "imbalance": share, "bounds": bounds}


def sum_of(snapshot: Snapshot, price: float) -> Facts:
    """USD on the way from the price now to another one: of longs below, of shorts above."""
    side: Side = "long" if price < snapshot.current_price else "short"
    usd, is_beyond = sum_to_price(
        snapshot.long_usd, snapshot.short_usd, _grid(snapshot), snapshot.current_price, price
    )
    return {
        "to_price": price,
        "distance_percent": _distance_percent(price, snapshot.current_price),
        "side": side,
        "usd": usd,
        "bounds": {"ends_before_the_price": is_beyond, **_range(snapshot)},
    }


def forecast_of(forecast: Forecast, now_s: float, *, price: float | None = None, from_price: float) -> Facts:
    """The newest forecast by horizon: USD expected with its 80 % range, chances, and what may be claimed.

    With a `price` also the chance that it is reached from `from_price`, the price now, on.
    """
    return {
        "exchanges": list(forecast.exchanges),
        "issued": _iso(forecast.time_ms / 1000),
        "issued_age_s": round(max(0.0, now_s - forecast.time_ms / 1000), 1),
        "horizons": {
            name: _horizon(each) | _reach(each, price, from_price) for name, each in forecast.horizons.items()
        },
        "bounds": {"most_chances_per_horizon": MOST_LEVELS},
    }


def _horizon(forecast: HorizonForecast) -> Facts:
    sides = {}
    for name, side in (("long", forecast.long), ("short", forecast.short)):
        quantiles = side.quantiles_usd or {}
        low, high = quantiles.get("0.1"), quantiles.get("0.9")
        sides[name] = {
            "expected_usd": side.expected_usd,
            "range_80_usd": None if low is None else [low, high],
        }
    chances = [
        {"side": each.side, "kind": each.kind, "price": each.price_usd, "chance": each.chance}
        for each in forecast.chances[:MOST_LEVELS]
    ]
    return {
        "until": _iso(forecast.until_ms / 1000),
        **sides,
        "chances": chances,
        "verdict": forecast.skill.verdict,
        "graded_windows": forecast.skill.windows,
    }


def _reach(forecast: HorizonForecast, price: float | None, from_price: float) -> Facts:
    if price is None:
        return {}
    return {"price": price, "chance_to_reach": forecast.chance_to_reach(price, from_price_usd=from_price)}


def accuracy_of(score: Mapping[str, Any]) -> Facts:
    """How well the drawn map ranked what was liquidated, beside simple rules, with 95 % intervals."""
    mean = score.get("mean") or {}
    baselines = mean.get("baselines") or {}
    return {
        "exchange": score.get("exchange"),
        "interval": score.get("interval"),
        "spans_compared": score.get("n"),
        "drawn_map": _rank(mean.get("drawn_map")),
        "simple_rules": {name: _rank(row) for name, row in list(baselines.items())[:MOST_LEVELS]},
        "warnings": list(score.get("warnings") or ())[:MOST_LEVELS],
        "reason": score.get("reason"),
        "method": score.get("method"),
        "bounds": {"figure": "Spearman rank correlation, 1 is perfect and 0 is chance"},
    }


def _rank(row: Mapping[str, Any] | None) -> Facts | None:
    return None if row is None else {"spearman": row.get("spearman"), "ci_95": row.get("spearman_ci")}


def _cluster(cluster: Cluster, price: float) -> Facts:
    return {
        "price": cluster.price,
        "from": cluster.low,
        "to": cluster.high,
        "usd": cluster.usd,
        "distance_percent": _distance_percent(cluster.price, price),
    }


def _levels(
    prices: FloatArray, usd: FloatArray, distance: FloatArray, rows: np.ndarray[Any, Any]
) -> list[Facts]:
    return [
        {
            "price": float(prices[row]),
            "usd": float(usd[row]),
            "distance_percent": round(float(distance[row]), 4),
        }
        for row in rows
    ]


def _distance_percent(price: float, current: float) -> float:
    return round(100 * (price / current - 1), 4)


def _grid(snapshot: Snapshot) -> Grid:
    return Grid(snapshot.grid.p0, snapshot.grid.step, len(snapshot.grid))


def _range(snapshot: Snapshot) -> Facts:
    prices = snapshot.prices
    return {"map_from": float(prices[0]), "map_to": float(prices[-1])} if len(prices) else {}


def _iso(time_s: float) -> str:
    return datetime.fromtimestamp(time_s, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
