"""liqstream/evaluation/forecast_replay.py: what is recomputed knows only what was known then."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from liqstream.evaluation.forecast_replay import ROWS, Replay, replay, shuffled_by_day
from liqstream.evaluation.scoring_data import Realised
from liqstream.market import DAY_MS, HOUR_MS, Bars
from liqstream.market.bars import join_bars
from liqstream.model.estimator import Estimator
from liqstream.model.forecast_content import BANDS, DISTANCES
from liqstream.model.forecast_features import HORIZONS
from liqstream.model.forecast_priors import shipped_priors
from liqstream.model.kernel import tiered
from tests.support.market_bars import random_bars

HOURS = 21 * 24


def hours(count: int = HOURS) -> Bars:
    """Hours of a random walk from a midnight on."""
    bars = random_bars(count, volatility=0.003, interval_ms=HOUR_MS)
    return replace(bars, open_time_ms=bars.open_time_ms - bars.open_time_ms[0] % DAY_MS)


def world(bars: Bars) -> Realised:
    """Liquidations as the map has them, with noise."""
    predicted = Estimator(tiered(), interval_ms=HOUR_MS).advance(bars)
    noise = np.random.default_rng(3).lognormal(0, 0.3, (2, len(bars)))
    return Realised(
        HOUR_MS, bars.open_time_ms, predicted.raw_long_usd * noise[0], predicted.raw_short_usd * noise[1]
    )


def forecasts(bars: Bars, realised: Realised) -> Replay:
    return replay(bars, realised, tiered(), [HORIZONS["1h"]])["1h"]


def test_noise_after_a_bar_changes_nothing_before_it_to_the_bit() -> None:
    """Bars, open interest and totals after hour n are replaced; every figure issued by then stays."""
    bars = hours()
    realised = world(bars)
    cut = HOURS - 40
    rng = np.random.default_rng(9)
    noise = random_bars(HOURS, seed=8, volatility=0.01, interval_ms=HOUR_MS)
    later = replace(noise, open_time_ms=bars.open_time_ms)
    other = Realised(
        HOUR_MS,
        realised.open_time_ms,
        np.concatenate((realised.long_usd[:cut], rng.lognormal(10, 3, HOURS - cut))),
        np.concatenate((realised.short_usd[:cut], rng.lognormal(10, 3, HOURS - cut))),
    )
    before = forecasts(bars, realised)
    after = forecasts(join_bars(bars[:cut], later[cut:]), other)
    issued = int((before.times <= bars.open_time_ms[cut]).sum())
    assert issued > 250
    assert before.complete()[:issued].any()
    for name in ("log_range", "rows", "reached_usd", "cases", "chances", "volatility"):
        kept, changed = (np.array(getattr(found, name)) for found in (before, after))
        assert np.array_equal(kept[:issued], changed[:issued], equal_nan=True), name
        assert not np.array_equal(kept[issued:], changed[issued:], equal_nan=True), name


def test_every_row_is_issued_for_the_same_windows() -> None:
    """Once the regressions are fitted each of them says something, and what came is beside it."""
    bars = hours()
    realised = world(bars)
    found = forecasts(bars, realised)
    complete = found.complete()
    assert complete.sum() > 24
    for name in ROWS:
        assert np.isfinite(found.y_hat(name)[complete]).all()
        assert (found.usd(name)[complete] >= 0).all()
    at = int(np.flatnonzero(complete)[-1])
    row = int(np.searchsorted(bars.open_time_ms, found.time_ms[at]))
    assert found.realised()[at].tolist() == [realised.long_usd[row], realised.short_usd[row]]
    assert found.excursions[at][0] == pytest.approx(np.log(bars.open[row] / bars.low[row]))
    assert found.cases[at].shape == (2, len(DISTANCES) + BANDS)


def test_a_window_without_all_its_totals_is_unknown() -> None:
    """Two half hours make an hour; with one missing the hour is unknown, not zero."""
    bars = hours(100)
    halves = np.repeat(bars.open_time_ms, 2)
    halves[1::2] += HOUR_MS // 2
    realised = Realised(HOUR_MS // 2, halves, np.full(200, 1e5), np.full(200, 2e5))
    kept = np.ones(200, dtype=bool)
    kept[181] = False
    part = Realised(HOUR_MS // 2, halves[kept], realised.long_usd[kept], realised.short_usd[kept])
    found = replay(bars, part, tiered(), [HORIZONS["1h"]], priors=shipped_priors())["1h"]
    of_window = dict(zip(found.time_ms, found.realised(), strict=True))
    assert of_window[int(bars.open_time_ms[89])].tolist() == [2e5, 4e5]
    assert np.isnan(of_window[int(bars.open_time_ms[90])]).all()


def test_shuffled_days_keep_their_hours_and_their_sum() -> None:
    """Days change places as a whole; nothing is lost, and the order is not the one it was."""
    bars = hours(240)
    realised = world(bars)
    shuffled = shuffled_by_day(realised, 1)
    assert np.array_equal(shuffled.open_time_ms, realised.open_time_ms)
    assert shuffled.long_usd.sum() == pytest.approx(realised.long_usd.sum())
    assert not np.array_equal(shuffled.long_usd, realised.long_usd)
    of_day = {tuple(day) for day in realised.long_usd.reshape(-1, 24).tolist()}
    assert {tuple(day) for day in shuffled.long_usd.reshape(-1, 24).tolist()} == of_day
