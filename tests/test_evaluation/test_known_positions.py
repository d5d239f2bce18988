"""A market whose every position is known: does the map stand where they do?

The simulated traders' leverage, entries, stops and patience are their own; the estimator sees what an
exchange publishes (bars, open interest, forced orders), fits its kernel on eleven past days of it, and is
then asked where positions stand. Truth and map are compared cell by cell.
"""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy.stats import spearmanr

from liqstream.evaluation.baselines import one_sided, uniform
from liqstream.evaluation.kernel_fit import fit
from liqstream.evaluation.scoring_data import Realised
from liqstream.market import DAY_MS, HOUR_MS, Bars, FloatArray
from liqstream.model.estimator import Estimator
from liqstream.model.kernel import Kernel, tiered
from liqstream.model.spread import BIN_WIDTH
from liqstream.simulator.market import SimulatedMarket

SYMBOL = "BTCUSDT"
NOON_MS = 20_600 * DAY_MS + DAY_MS // 2
BAR_MS, TOTAL_MS = 300_000, 1_800_000
LOOKS = 9
CELL, REACH = 0.001, 0.10
"""Cells of .1 % up to 10 % from the price."""

Map = tuple[FloatArray, FloatArray]
"""Weight per cell of the longs (nearest first) and of the shorts."""


def bars_so_far(market: SimulatedMarket, now_ms: int) -> Bars:
    bars = market.bars(SYMBOL, BAR_MS, start_ms=market.first_ms, end_ms=now_ms, now_ms=now_ms)
    closed = [bar for bar in bars if bar.closed]
    interest = np.array([market.open_interest(SYMBOL, bar.open_time_ms + BAR_MS - 1) for bar in closed])
    return Bars(
        BAR_MS,
        np.array([bar.open_time_ms for bar in closed], dtype=np.int64),
        np.array([bar.open for bar in closed]),
        np.array([bar.high for bar in closed]),
        np.array([bar.low for bar in closed]),
        np.array([bar.close for bar in closed]),
        interest,
        interest.copy(),
        np.array([bar.volume_base for bar in closed]),
        np.full(len(closed), np.nan),
    )


def realised_so_far(market: SimulatedMarket, now_ms: int) -> Realised:
    times = np.arange(-(-market.first_ms // TOTAL_MS) * TOTAL_MS, now_ms - TOTAL_MS + 1, TOTAL_MS)
    sides = {"long": np.zeros(len(times)), "short": np.zeros(len(times))}
    for fill in market.liquidations(SYMBOL, start_ms=int(times[0]), end_ms=int(times[-1]) + TOTAL_MS):
        sides[fill.side][(fill.time_ms - int(times[0])) // TOTAL_MS] += fill.price * fill.quantity
    return Realised(TOTAL_MS, times, sides["long"], sides["short"])


def cells(log_prices: NDArray[np.floating], weights: FloatArray, log_price: float, side: int) -> FloatArray:
    distance = side * (log_prices - log_price)
    return np.histogram(distance, round(REACH / CELL), (0, REACH), weights=weights)[0]


def true_map(market: SimulatedMarket, now_ms: int, log_price: float) -> Map:
    found = []
    for name, side in (("long", -1), ("short", 1)):
        levels = [level for level in market.standing(SYMBOL, now_ms) if level.side == name]
        prices = np.log(np.array([level.price for level in levels]))
        usd = np.array([level.notional_usd for level in levels])
        found.append(cells(prices, usd, log_price, side))
    return found[0], found[1]


def maps(bars: Bars, kernel: Kernel) -> dict[str, Map]:
    """The estimate, and every baseline that says where something stands (an excursion does not)."""
    estimator = Estimator(kernel, interval_ms=BAR_MS)
    estimator.advance(bars)
    density = estimator.standing(by_group=False)
    log_price = float(np.log(bars.close[-1]))
    bins = density.low_log_price + BIN_WIDTH * (np.arange(density.long_usd.shape[1]) + 0.5)
    found = {
        "model": (
            cells(bins, density.long_usd[0], log_price, -1),
            cells(bins, density.short_usd[0], log_price, 1),
        )
    }
    for name, standing in (("uniform", uniform(bars)[1]), ("one_sided", one_sided(bars)[1])):
        bins = (standing.first_bin + np.arange(len(standing.long)) + 0.5) * BIN_WIDTH
        found[name] = cells(bins, standing.long, log_price, -1), cells(bins, standing.short, log_price, 1)
    day = bars[-DAY_MS // BAR_MS :]
    distance = CELL * (np.arange(round(REACH / CELL)) + 0.5)
    found["extreme"] = (
        (distance > log_price - np.log(day.low.min())).astype(np.float64),
        (distance > np.log(day.high.max()) - log_price).astype(np.float64),
    )
    return found


def agreement(estimate: Map, truth: Map) -> float:
    """Rank correlation cell by cell, mean of the sides; 0 where an estimate tells no cell from another."""
    sides = [
        spearmanr(guess, true)[0] if guess.min() < guess.max() else 0.0
        for guess, true in zip(estimate, truth, strict=True)
    ]
    return float(np.mean(sides))


def agreements(seed: int, *, with_builtin: bool = False) -> dict[str, float]:
    """Of the map, by a kernel fitted on eleven days, and of every baseline, over the next three."""
    market = SimulatedMarket((SYMBOL,), now_ms=NOON_MS, seed=seed, history_days=12)
    fitted = fit(
        bars_so_far(market, NOON_MS), realised_so_far(market, NOON_MS), tiered(), name="fitted", min_days=11
    )
    found: dict[str, list[float]] = {}
    for look in range(1, LOOKS + 1):
        now_ms = NOON_MS + look * 8 * HOUR_MS
        market.advance(now_ms)
        bars = bars_so_far(market, now_ms)
        truth = true_map(market, now_ms, float(np.log(bars.close[-1])))
        estimates = maps(bars, fitted.kernel)
        if with_builtin:
            estimates["builtin"] = maps(bars, tiered())["model"]
        for name, estimate in estimates.items():
            found.setdefault(name, []).append(agreement(estimate, truth))
    return {name: float(np.mean(values)) for name, values in found.items()}


@pytest.mark.long
@pytest.mark.parametrize("seed", [1, *(pytest.param(seed, marks=pytest.mark.attack) for seed in (2, 3))])
def test_the_true_levels_are_recovered_better_than_by_any_baseline(seed: int) -> None:
    """Fitted on eleven days, looked at over the next three: the map agrees best with the truth."""
    means = agreements(seed)
    assert max(means, key=lambda name: means[name]) == "model", means
    assert means["model"] > 0.4, means
