"""liqstream/evaluation/price_windows.py: the price that windows swept, as every row weighted it before."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from liqstream.evaluation.price_windows import (
    EVEN_SHARE,
    MIN_CELLS,
    ROWS,
    SweptWindows,
    permuted,
    swept_windows,
)
from liqstream.market import HOUR_MS, Bars
from liqstream.model.kernel import tiered
from tests.support.realised import aligned_bars

BARS = aligned_bars(days=2)
HALF_HOUR_MS = 1_800_000


def windows_of(bars: Bars, length_ms: int = HOUR_MS) -> SweptWindows:
    return swept_windows(bars, tiered(), [length_ms], from_ms=0, to_ms=2**60)[length_ms]


SWEPT = windows_of(BARS)


def test_a_window_reaches_from_the_close_before_it_to_its_extreme() -> None:
    """Equal cells of about 5 bp; sides that swept less than four are left out."""
    at = int(np.flatnonzero(SWEPT.is_long)[3])
    row = int(np.searchsorted(BARS.open_time_ms, SWEPT.time_ms[at]))
    assert SWEPT.start[at] == np.log(BARS.close[row - 1])
    lowest = np.log(BARS.low[row : row + 12].min())
    assert SWEPT.reached[at] == pytest.approx(SWEPT.start[at] - lowest)
    assert SWEPT.cells[at] == round(SWEPT.reached[at] / 0.0005)
    assert SWEPT.cells.min() >= MIN_CELLS
    assert len(SWEPT.window_of_cell()) == SWEPT.cells.sum() == SWEPT.weights.shape[1]


@pytest.mark.parametrize("row", range(len(ROWS)), ids=ROWS)
def test_a_rows_weights_are_a_probability_with_a_tenth_spread_evenly(row: int) -> None:
    """The mean over a window's cells is 1, and nothing is impossible."""
    sums = np.bincount(SWEPT.window_of_cell(), SWEPT.weights[row])
    assert sums == pytest.approx(SWEPT.cells)
    assert SWEPT.weights[row].min() >= EVEN_SHARE - 1e-12


def test_distance_grows_outward_and_past_extremes_step_up() -> None:
    """Both rows know nothing but where the price is and was."""
    distance, beyond = (SWEPT.weights[ROWS.index(name)] for name in ("distance", "beyond_24h"))
    for first, cells in zip(SWEPT.first_cell.tolist(), SWEPT.cells.tolist(), strict=True):
        assert (np.diff(distance[first : first + cells]) > 0).all()
        assert (np.diff(beyond[first : first + cells]) >= 0).all()


def test_the_strongest_cells_are_a_share_of_each_window() -> None:
    """At least one cell; cells of equal weight share the last places."""
    for chosen, part in ((SWEPT.bands, 0.2), (SWEPT.tops, 0.1)):
        sums = np.bincount(SWEPT.window_of_cell(), chosen)
        wanted = [max(1, round(part * cells)) for cells in SWEPT.cells.tolist()]
        assert sums == pytest.approx(np.array(wanted, dtype=np.float64))
    nothing = windows_of(replace(BARS, open_interest_base=BARS.close * np.nan))
    share = np.bincount(nothing.window_of_cell(), nothing.bands) / nothing.cells
    assert nothing.bands == pytest.approx(np.repeat(share, nothing.cells))


def test_shuffled_cells_stay_in_their_window() -> None:
    """The same weights in another order, another for each seed."""
    first, second = permuted(SWEPT, 1), permuted(SWEPT, 2)
    assert (first != second).any()
    for shuffled in (first, second, SWEPT.weights[ROWS.index("permuted")]):
        for start, cells in zip(SWEPT.first_cell.tolist(), SWEPT.cells.tolist(), strict=True):
            part = slice(start, start + cells)
            assert sorted(shuffled[part]) == sorted(SWEPT.weights[0][part])


def test_windows_that_lack_a_bar_are_left_out() -> None:
    """Nor is one whose price before it is not known."""
    row = 12 * 12 + 3  # in the window that opens at 12:00
    opened = BARS.open_time_ms[12 * 12]
    kept = np.delete(np.arange(len(BARS)), row)
    holed = windows_of(Bars(BARS.interval_ms, *(getattr(BARS, name)[kept] for name in _COLUMNS)))
    assert opened in SWEPT.time_ms
    assert opened not in holed.time_ms
    kept = np.delete(np.arange(len(BARS)), 12 * 12 - 1)
    before = windows_of(Bars(BARS.interval_ms, *(getattr(BARS, name)[kept] for name in _COLUMNS)))
    assert opened not in before.time_ms


_COLUMNS = [name for name in Bars.__slots__ if name != "interval_ms"]


def test_what_comes_later_changes_no_weight() -> None:
    """The map stands as it stood before each window; lengths are looked at together."""
    until = int(BARS.open_time_ms[300]) // HOUR_MS * HOUR_MS
    crash = np.where(BARS.open_time_ms >= until, 0.7, 1.0)
    prices = {name: getattr(BARS, name) * crash for name in ("open", "high", "low", "close")}
    lengths = [HALF_HOUR_MS, HOUR_MS]
    first, second = (
        swept_windows(bars, tiered(), lengths, from_ms=0, to_ms=until)
        for bars in (BARS, replace(BARS, **prices))
    )
    for length in lengths:
        assert len(first[length])
        assert np.array_equal(first[length].weights, second[length].weights)
    known = first[HOUR_MS].weights[:-1]  # all but the shuffled one, which depends on how many there are
    assert np.array_equal(known, SWEPT.weights[:-1, : known.shape[1]])


def test_no_window_is_no_error() -> None:
    """A span without bars has none."""
    assert len(swept_windows(BARS[:0], tiered(), [HOUR_MS], from_ms=0, to_ms=1)[HOUR_MS]) == 0
