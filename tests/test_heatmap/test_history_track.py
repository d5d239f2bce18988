"""liqstream/heatmap/history_track.py: finished columns are kept, whenever they were asked for."""

from __future__ import annotations

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from liqstream.heatmap.history_track import DEAD_BAND_STEPS, Track
from liqstream.heatmap.price_grid import grid_over
from liqstream.heatmap.quantise import FLOOR_USD, dequantise
from liqstream.heatmap.warmup import Warmup
from liqstream.market import Bars
from liqstream.model.density import LEVERAGE_GROUPS
from liqstream.model.estimator import Estimator
from liqstream.model.kernel import tiered
from tests.support.market_bars import random_bars
from tests.support.markets import MINUTE_MS

BAR_MS = 5 * MINUTE_MS
COLUMN_MS = 3 * BAR_MS
GRID = grid_over(40_000, 90_000, step=200)


def warm(bars: Bars) -> Warmup:
    unknown = np.full(len(bars), np.nan)
    return Warmup(bars, unknown, unknown, np.zeros(len(bars), dtype=np.int64))


def track(t0_ms: int, exchanges: int = 1, *, by_leverage: bool = False) -> Track:
    estimators = [Estimator(tiered(), interval_ms=BAR_MS) for _ in range(exchanges)]
    return Track(COLUMN_MS, t0_ms, GRID, estimators, by_leverage=by_leverage)


@settings(max_examples=15)
@given(cuts=st.lists(st.integers(1, 60), max_size=4), exchanges=st.integers(1, 3))
def test_kept_up_bit_by_bit_equals_built_at_once(cuts: list[int], exchanges: int) -> None:
    """Whenever a history was asked for in between, its finished columns are the same."""
    markets = [random_bars(60, seed) for seed in range(exchanges)]
    t0_ms = int(markets[0].open_time_ms[0])
    end_ms = t0_ms + 60 * BAR_MS
    whole = track(t0_ms, exchanges)
    whole.finish([warm(bars) for bars in markets], end_ms)
    parts = track(t0_ms, exchanges)
    for cut in [*sorted(cuts), 60]:
        until_ms = t0_ms + cut * BAR_MS
        new_bars = [warm(bars[np.searchsorted(bars.open_time_ms, parts.next_ms) : cut]) for bars in markets]
        rest = parts.finish(new_bars, until_ms)
        parts.provisional(rest, [None] * exchanges, until_ms + 1)
    assert len(parts.columns) == len(whole.columns) == 20
    for one, other in zip(parts.columns, whole.columns, strict=True):
        for first, second in zip(one, other, strict=True):
            np.testing.assert_array_equal(first, second)


def test_a_column_holds_what_stands_at_its_end() -> None:
    """Nothing of a column lies on the wrong side of its close."""
    bars = random_bars(300)
    made = track(int(bars.open_time_ms[0]))
    made.finish([warm(bars)], int(bars.open_time_ms[-1]) + BAR_MS)
    prices = GRID.prices()
    for long, short, candle in made.columns:
        assert not long[prices > candle[3] + GRID.step].any()
        assert not short[prices < candle[3] - GRID.step].any()


def test_a_columns_candle_is_of_the_bars_in_it() -> None:
    """Open of the first, highest high, lowest low, close of the last; the one that forms is one of them."""
    bars = random_bars(32, seed=4)
    t0_ms = int(bars.open_time_ms[0])
    made = track(t0_ms)
    rest = made.finish([warm(bars[:31])], t0_ms + 31 * BAR_MS)
    assert [len(exchange.bars) for exchange in rest] == [1]
    columns = [*made.columns, *made.provisional(rest, [bars[31:]], t0_ms + 32 * BAR_MS - 1)]
    assert len(columns) == 11
    for number, (_, _, candle) in enumerate(columns):
        part = bars[3 * number : 3 * number + 3]
        assert candle.tolist() == [part.open[0], part.high.max(), part.low.min(), part.close[-1]]


def test_cells_within_the_dead_band_stay_as_they_were() -> None:
    """A finished cell differs from the exact one by one step at most, and never in being there."""
    bars = random_bars(300)
    t0_ms, end_ms = int(bars.open_time_ms[0]), int(bars.open_time_ms[-1]) + BAR_MS
    made, exact = track(t0_ms), track(t0_ms)
    made.finish([warm(bars)], end_ms)
    columns = exact.provisional([warm(bars)], [None], end_ms)
    for kept, true in zip(made.columns, columns, strict=True):
        assert np.abs(kept[0].astype(int) - true[0]).max() <= DEAD_BAND_STEPS
        np.testing.assert_array_equal(kept[0] > 0, true[0] > 0)
    stayed = 0
    for before, kept, true in zip(made.columns, made.columns[1:], columns[1:], strict=False):
        moved = np.abs(true[0].astype(int) - before[0])
        near = (moved <= DEAD_BAND_STEPS) & ((true[0] > 0) == (before[0] > 0))
        np.testing.assert_array_equal(kept[0][near], before[0][near])
        np.testing.assert_array_equal(kept[0][~near], true[0][~near])
        stayed += int((kept[0] != true[0]).sum())
    assert stayed > 100


def test_several_exchanges_are_added_up() -> None:
    """Twice the same exchange stands for twice the USD."""
    bars = random_bars(30)
    t0_ms, end_ms = int(bars.open_time_ms[0]), int(bars.open_time_ms[-1]) + BAR_MS
    one = track(t0_ms).provisional([warm(bars)], [None], end_ms)[-1]
    two = track(t0_ms, 2).provisional([warm(bars), warm(bars)], [None, None], end_ms)[-1]
    both = (one[0] > 1) & (two[0] > 0)
    doubled = (two[0].astype(int) - one[0])[both]
    assert np.abs(doubled - np.log(2) / np.log(1.02)).max() <= 1


def test_leverage_groups_add_up_to_the_whole() -> None:
    """Within a step of each, and 500 USD of every group that is below the first step."""
    bars = random_bars(300)
    t0_ms, end_ms = int(bars.open_time_ms[0]), int(bars.open_time_ms[-1]) + BAR_MS
    whole = track(t0_ms).provisional([warm(bars)], [None], end_ms)[-1]
    made = track(t0_ms, by_leverage=True)
    parts = made.provisional([warm(bars)], [None], end_ms)[-1]
    for part, side in zip(parts[:2], whole[:2], strict=True):
        groups = dequantise(part).reshape(-1, GRID.cells)
        assert groups.shape[0] == len(LEVERAGE_GROUPS)
        assert (groups.sum(axis=1) > 0).sum() > 2
        total, expected = groups.sum(axis=0), dequantise(side)
        assert (np.abs(total - expected) <= 0.02 * expected + FLOOR_USD * len(LEVERAGE_GROUPS)).all()
        assert total.sum() > 0.9 * expected.sum() > 0
    assert made.values_per_side == len(LEVERAGE_GROUPS) * GRID.cells
    made.finish([warm(bars)], end_ms)
    assert {len(column[0]) for column in made.columns} == {made.values_per_side}


def test_columns_are_forgotten_from_the_front() -> None:
    """Those that open before a time go; the next one to finish stays the same."""
    bars = random_bars(60)
    t0_ms = int(bars.open_time_ms[0])
    made = track(t0_ms)
    made.finish([warm(bars)], t0_ms + 60 * BAR_MS)
    last, next_ms = made.columns[-1], made.next_ms
    made.drop_before(t0_ms + 5 * COLUMN_MS + 1)
    assert (len(made.columns), made.t0_ms, made.next_ms) == (15, t0_ms + 5 * COLUMN_MS, next_ms)
    assert made.columns[-1] is last
    made.drop_before(next_ms + COLUMN_MS)
    assert (made.columns, made.next_ms) == ([], next_ms)


def test_a_track_covers_what_its_grid_spans() -> None:
    """From its first cell's price to its last one's."""
    made = track(0)
    assert made.covers(40_000, 90_000)
    assert not made.covers(39_999, 90_000)
    assert not made.covers(40_000, 90_001)
