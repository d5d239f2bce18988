"""liqstream/heatmap/price_score.py: bands that are right have a lift, bands that are not have none."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from liqstream.heatmap.kernel import tiered
from liqstream.heatmap.model import Estimator
from liqstream.heatmap.price_score import Events, price_score
from liqstream.heatmap.spread import BIN_WIDTH
from liqstream.market import Bars
from tests.test_heatmap.market_bars import FIVE_MINUTES_MS, random_bars

BARS = random_bars(600, volatility=0.004)


def events(bars: Bars, *, on_the_map: bool) -> Events:
    """Long liquidations in every bar that fell: where the map stands thickest, or anywhere it passed."""
    rng = np.random.default_rng(2)
    made = Estimator(tiered(), interval_ms=FIVE_MINUTES_MS)
    found: list[tuple[int, float]] = []
    for row in range(1, len(bars)):
        made.advance(bars[row - 1 : row])
        low, start = np.log(bars.low[row]), np.log(bars.close[row - 1])
        if row < 100 or low > start - 0.003:
            continue
        density = made.standing(by_group=False)
        prices = density.low_log_price + BIN_WIDTH * (np.arange(density.long_usd.shape[1]) + 0.5)
        weights = np.where((prices > low) & (prices < start), density.long_usd[0] ** 2, 0.0)
        if weights.sum() <= 0:
            continue
        log_prices = (
            rng.choice(prices, 5, p=weights / weights.sum()) if on_the_map else rng.uniform(low, start, 5)
        )
        found += [(int(bars.open_time_ms[row]) + 1000 * i, p) for i, p in enumerate(log_prices.tolist())]
    times = np.array([time_ms for time_ms, _ in found], dtype=np.int64)
    price = np.exp([log_price for _, log_price in found])
    return Events(times, np.ones(len(times), dtype=np.bool_), price, np.full(len(times), 1e5))


def long_score(*, on_the_map: bool) -> dict[str, Any]:
    found = price_score(BARS, events(BARS, on_the_map=on_the_map), tiered(), from_ms=0)
    assert found["short"] is None
    long: dict[str, Any] = found["long"]
    return long


def test_liquidations_where_the_map_stands_thickest_have_a_lift() -> None:
    """Bands hold far more of them than of the price."""
    found = long_score(on_the_map=True)
    assert found["lift"] > 1.5
    assert found["precision"] > found["base_rate"]
    assert found["lift"] == pytest.approx(found["recall"] / found["price_area"], rel=0.01)


def test_liquidations_anywhere_have_none() -> None:
    """Spread evenly over what the price ran through, bands hold no more than their share."""
    assert long_score(on_the_map=False)["lift"] == pytest.approx(1, abs=0.15)


def test_too_few_events_are_no_score() -> None:
    """Below fifty events a side has no figures; events outside of the bars do not count."""
    whole = events(BARS, on_the_map=True)
    few = Events(whole.time_ms[:40], whole.is_long[:40], whole.price_usd[:40], whole.usd[:40])
    assert price_score(BARS, few, tiered(), from_ms=0) == {"long": None, "short": None}
    late = Events(whole.time_ms + 10**9, whole.is_long, whole.price_usd, whole.usd)
    assert price_score(BARS, late, tiered(), from_ms=0) == {"long": None, "short": None}
