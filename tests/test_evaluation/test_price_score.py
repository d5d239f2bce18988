"""liqstream/evaluation/price_score.py: random prices score as chance, prices on the map as skill."""

from __future__ import annotations

from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from liqstream.evaluation.bootstrap import Bootstrap
from liqstream.evaluation.price_score import Events, graded, no_prices, place, price_score
from liqstream.evaluation.price_windows import ROWS, SweptWindows, permuted, swept_windows
from liqstream.market import HOUR_MS, Bars, FloatArray
from liqstream.model.kernel import tiered
from tests.support.realised import aligned_bars
from tests.support.recorded import hourly_bars

HOURLY = "btc_1h_price_oi_liquidations_20251204_20260401.csv"
DRAWS = Bootstrap(draws=100)
SEEDS = 20


def calm_and_wild(days: int = 12) -> Bars:
    """Days of little and of much movement by turns."""
    bars = aligned_bars(days)
    moves = np.log(bars.close / bars.open)
    factor = np.where(bars.open_time_ms // 86_400_000 % 2, 0.7, 3.0)
    close = 60_000 * np.exp(np.cumsum(moves * factor))
    open_ = np.concatenate(([60_000.0], close[:-1]))
    above, below = np.log(bars.high / bars.open), np.log(bars.low / bars.open)
    high = np.maximum(open_ * np.exp(above * factor), np.maximum(open_, close))
    low = np.minimum(open_ * np.exp(below * factor), np.minimum(open_, close))
    return replace(bars, open=open_, close=close, high=high, low=low)


BARS = calm_and_wild()


def windows_of(bars: Bars) -> SweptWindows:
    return swept_windows(bars, tiered(), [HOUR_MS], from_ms=0, to_ms=2**60)[HOUR_MS]


@cache
def swept() -> SweptWindows:
    """The windows of BARS; not made where the file is only collected."""
    return windows_of(BARS)


def events_at(windows: SweptWindows, outward: FloatArray, usd_per_window: FloatArray) -> Events:
    """As many events per window as `outward` has columns, so far (log) from its price."""
    count = outward.shape[1]
    sign = np.where(windows.is_long, -1.0, 1.0)[:, None]
    prices = np.exp(windows.start[:, None] + sign * outward)
    times = (windows.time_ms[:, None] + np.arange(count)).ravel()
    order = np.argsort(times, kind="stable")
    usd = np.repeat(usd_per_window / count, count)
    return Events(times[order], np.repeat(windows.is_long, count)[order], prices.ravel()[order], usd[order])


def anywhere(windows: SweptWindows, seed: int, usd: FloatArray | None = None) -> Events:
    """Six liquidations per window, anywhere in what it swept."""
    where = np.random.default_rng(seed).random((len(windows), 6)) * windows.reached[:, None]
    # Wide windows hold most USD, as they do in markets.
    return events_at(windows, where, windows.reached**2 * 1e9 if usd is None else usd)


def on_the_map(windows: SweptWindows, seed: int = 1) -> Events:
    """Six liquidations per window, as the map has it."""
    rng = np.random.default_rng(seed)
    where = np.zeros((len(windows), 6))
    for at, (first, cells) in enumerate(
        zip(windows.first_cell.tolist(), windows.cells.tolist(), strict=True)
    ):
        weights = windows.weights[0][first : first + cells]
        cell = rng.choice(cells, 6, p=weights / weights.sum())
        where[at] = (cell + rng.random(6)) * windows.reached[at] / cells
    return events_at(windows, where, np.ones(len(windows)))


def figures(windows: SweptWindows, events: Events) -> dict[str, Any]:
    return graded(windows, place(windows, events), DRAWS)


def assert_is_chance(windows: SweptWindows, usd: FloatArray | None = None, draw: Any = anywhere) -> None:
    """The null, whole: bits as computed from the cells, level with shuffled cells, no lift, no skill."""
    found = []
    level_with_shuffled = 0
    for seed in range(SEEDS):
        windows.weights[ROWS.index("permuted")] = permuted(windows, seed)
        scored = figures(windows, draw(windows, seed, usd))
        found.append((scored["bits"]["map"], scored["lift"]["map"], scored["random_prices"]))
        low, high = scored["baselines"]["permuted"]["ci"]
        level_with_shuffled += low <= 0 <= high
        assert scored["verdict"] == "no better than chance"
    bits, lift, by_chance = np.mean(found, axis=0)
    assert bits == pytest.approx(by_chance, abs=0.03)
    assert by_chance < -0.1
    assert 0.95 <= lift <= 1.05
    assert level_with_shuffled >= 17


def test_prices_anywhere_are_chance() -> None:
    """Where the width of windows differs, as it does, and wide ones hold most USD."""
    assert_is_chance(swept())


def test_sums_over_windows_would_call_chance_a_skill() -> None:
    """What is wrong with a pooled metric: bands among fixed cells, sums over all windows, a lift."""
    events = anywhere(swept(), 1)
    placed = place(swept(), events)
    # Bands that only wide windows reach, as a flat kernel has them.
    edge = int(np.quantile(swept().cells, 0.8))
    far = np.concatenate([np.arange(cells) >= edge for cells in swept().cells.tolist()]).astype(np.float64)
    recall = (placed.usd * far[placed.cell]).sum() / placed.usd.sum()
    assert recall / far.mean() > 1.4
    assert figures(replace(swept(), bands=far), events)["lift"]["map"] == pytest.approx(1, abs=0.1)


@pytest.mark.shared_data
def test_prices_anywhere_in_four_real_months_are_chance(shared_data: Path) -> None:
    """Realised USD of each hour at random prices between the close before and the extreme."""
    bars, realised = hourly_bars(shared_data / HOURLY)
    windows = windows_of(bars)
    row = np.searchsorted(realised.open_time_ms, windows.time_ms)
    usd = np.where(windows.is_long, realised.long_usd[row], realised.short_usd[row])
    assert_is_chance(windows, usd)
    by_chance = figures(windows, anywhere(windows, 0, usd))["random_prices"]
    assert by_chance == pytest.approx(-0.72, abs=0.02)


def test_prices_on_the_map_are_a_skill() -> None:
    """Bits and lift above chance, above every simple rule; each side has its figures."""
    found = figures(swept(), on_the_map(swept()))
    assert found["bits"]["ci"][0] > 0
    assert found["lift"]["ci"][0] > 1
    assert found["verdict"] == "better than distance from the price"
    for name in ("flat", "B3", "distance", "beyond_6h", "beyond_72h", "permuted"):
        assert found["baselines"][name]["ci"][0] > 0, name
    for side in ("long", "short"):
        assert found[side]["precision"] > found[side]["base_rate"]
        assert found[side]["lift"] == pytest.approx(
            found[side]["recall"] / found[side]["price_area"], rel=0.01
        )
    assert found["long"]["events"] + found["short"]["events"] == found["events"]


def test_no_skill_is_claimed_that_another_rule_has_too() -> None:
    """What beats distance is named beside the simple rule that does as well as the map."""
    windows = replace(swept(), weights=swept().weights.copy())
    windows.weights[ROWS.index("flat")] = windows.weights[0]
    found = figures(windows, on_the_map(windows))
    assert found["baselines"]["distance"]["ci"][0] > 0
    assert found["verdict"] == (
        "better than distance from the price, not shown to be better than a flat kernel"
    )


def test_a_map_that_says_nothing_scores_exactly_nothing() -> None:
    """Without open interest nothing stands: 0 bits, a lift of 1."""
    empty = windows_of(replace(BARS, open_interest_base=BARS.close * np.nan))
    found = figures(empty, anywhere(empty, 1))
    assert (found["bits"]["map"], found["random_prices"]) == (0, 0)
    assert found["lift"]["map"] == 1


def test_an_event_counts_in_its_window_or_is_counted_as_left_out() -> None:
    """Up to 20 bp outside it is the end cell's; farther off, or in no window, it is not scored."""
    window = int(np.flatnonzero(swept().is_long)[0])
    time_ms, start, reached = swept().time_ms[window], swept().start[window], swept().reached[window]
    outward = np.array([-0.0019, 0.0, reached + 0.0019, -0.0021, reached + 0.0021, 0.0])
    times = np.array([time_ms] * 5 + [10**9], dtype=np.int64)
    placed = place(swept(), Events(times, np.ones(6, np.bool_), np.exp(start - outward), np.ones(6)))
    first = swept().first_cell[window]
    assert placed.cell.tolist() == [first, first, first + swept().cells[window] - 1]
    assert placed.outside == 3


def rows_of(events: Events, rows: Any) -> Events:
    """Some of the events."""
    return Events(events.time_ms[rows], events.is_long[rows], events.price_usd[rows], events.usd[rows])


def test_windows_of_many_events_weigh_as_twenty() -> None:
    """One cascade does not decide."""
    once = anywhere(swept(), 1)
    in_one = once.time_ms // HOUR_MS == swept().time_ms[5] // HOUR_MS
    many, more = (rows_of(once, np.repeat(np.arange(len(once)), np.where(in_one, n, 1))) for n in (100, 200))
    assert figures(swept(), many)["bits"] == figures(swept(), more)["bits"]
    assert figures(swept(), many)["bits"] != figures(swept(), once)["bits"]


def test_half_hours_and_hours_are_scored() -> None:
    """The first figures are those of hours; keys are the same with and without figures."""
    events = anywhere(swept(), 1)
    found = price_score(BARS, events, tiered(), from_ms=0, bootstrap=DRAWS)
    assert set(found) == set(no_prices(""))
    assert set(found["by_window"]) == {"30m", "1h"}
    assert found["window"] == "1h"
    assert found["bits"] == found["by_window"]["1h"]["bits"]
    assert found["by_window"]["30m"]["windows"] > found["windows"]


def test_too_few_events_are_no_score() -> None:
    """Every key, None, and a sentence; a side below fifty has no figures."""
    events = anywhere(swept(), 1)
    few = rows_of(events, slice(0, 40))
    found = price_score(BARS, few, tiered(), from_ms=0)
    assert found["bits"] == {"map": None, "ci": None}
    assert "50 are needed" in found["reason"]
    none = price_score(BARS, None, tiered(), from_ms=0)
    assert "no single liquidations" in none["reason"]
    unknown = replace(rows_of(few, slice(0, 0)), unknown_kind=7)
    assert "prices of 7 liquidations" in price_score(BARS, unknown, tiered(), from_ms=0)["reason"]
    longs = rows_of(events, events.is_long)
    assert figures(swept(), longs)["short"] is None


def test_bars_longer_than_an_hour_have_no_prices() -> None:
    """They do not tell what an hour swept."""
    bars = replace(BARS, interval_ms=4 * HOUR_MS)
    assert "longer than an hour" in price_score(bars, anywhere(swept(), 1), tiered(), from_ms=0)["reason"]
