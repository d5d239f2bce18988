"""The price each window ran through, in cells, and how every map and simple rule had weighted them before.

A window is swept from the close before it to its extreme; its cells are at most 5 bp wide or a little more.
A row's weight of a cell is p(cell) x cells, 1 where the row says nothing: nine tenths of p go by what the row
puts there, a tenth is spread evenly.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from liqstream.evaluation.forecast_maps import UniformLevels
from liqstream.market import HOUR_MS, Bars, FloatArray, TimeArray
from liqstream.model.density import LevelDensity
from liqstream.model.estimator import Estimator
from liqstream.model.kernel import Kernel, broad
from liqstream.model.spread import BIN_WIDTH

IntArray = NDArray[np.int64]

CELL_WIDTH = 0.0005
"""Log price; cells of a window are equal and as near to this as their number allows."""
MIN_CELLS = 4
"""Windows that swept less price say nothing about where."""
EVEN_SHARE = 0.1
"""Share of every row's probability that is spread evenly: a row is never certain."""
SMEAR_BINS = 13
"""The moving mean of the smeared map: 26 bp."""
BAND_SHARE = 0.2
"""The strongest fifth of a window's cells are its bands, at least one cell."""
TOP_SHARE = 0.1
"""Precision is that of the strongest tenth, at least one cell."""
BEYOND_HOURS = (6, 24, 72)
BEYOND_WEIGHT = 3.0
"""Weight of a cell beyond a past extreme; 1 is that of the others."""
PERMUTATION_SEED = 20_261_126

MAP = "map"
ROWS = (
    MAP,
    "smeared",
    "flat",
    "B3",
    "distance",
    *(f"beyond_{hours}h" for hours in BEYOND_HOURS),
    "sqrt_map_x_distance",
    "permuted",
)
"""The judged map; it under a moving mean; a kernel flat to 10 % in the same machinery; B3's levels; weight by
distance from the price alone; thrice the weight beyond a past extreme; both; and the map's cells shuffled."""

_MAPS = (MAP, "smeared", "flat", "B3")


@dataclass(frozen=True, slots=True, eq=False)
class SweptWindows:
    """One length's windows, each side on its own, ascending by time; shape (windows,) each.

    `start` is the log price before the window, `reached` how far the price ran outward from it. A window's
    cells, nearest first, are `weights[:, first_cell : first_cell + cells]`, one row per name of ROWS. `bands`
    and `tops` are 1 for the map's strongest fifth and tenth of a window's cells.
    """

    length_ms: int
    time_ms: TimeArray
    is_long: NDArray[np.bool_]
    start: FloatArray
    reached: FloatArray
    cells: IntArray
    first_cell: IntArray
    weights: FloatArray
    bands: FloatArray
    tops: FloatArray

    def __len__(self) -> int:
        return len(self.time_ms)

    def window_of_cell(self) -> IntArray:
        """The window each cell belongs to."""
        return np.repeat(np.arange(len(self), dtype=np.int64), self.cells)


def swept_windows(
    bars: Bars, kernel: Kernel, lengths_ms: Sequence[int], *, from_ms: int, to_ms: int
) -> dict[int, SweptWindows]:
    """The windows of each length (a multiple of the bars') that open in [from_ms, to_ms), UTC-aligned.

    Windows that lack a bar, or the bar just before, are left out; so are sides that swept under MIN_CELLS.
    """
    windows = {length: _Collected(length) for length in lengths_ms}
    opens = {length: _whole_windows(bars, length, from_ms, to_ms) for length in lengths_ms}
    maps = _Maps(kernel, bars.interval_ms)
    done = 0
    for row in sorted({row for rows in opens.values() for row in rows}):
        maps.advance(bars[done:row])
        done = row
        standing = maps.standing()
        for length, rows in opens.items():
            if row in rows:
                windows[length].add(bars, row, length // bars.interval_ms, standing)
    return {length: collected.made() for length, collected in windows.items()}


def _whole_windows(bars: Bars, length_ms: int, from_ms: int, to_ms: int) -> set[int]:
    times = bars.open_time_ms
    count = length_ms // bars.interval_ms
    rows = np.arange(1, max(len(bars) - count + 1, 1))
    opens = times[rows] if len(rows) else times[:0]
    whole = (opens % length_ms == 0) & (opens >= from_ms) & (opens < to_ms)
    whole &= times[rows - 1] == opens - bars.interval_ms
    whole &= times[np.minimum(rows + count - 1, len(bars) - 1)] == opens + length_ms - bars.interval_ms
    return set(rows[whole].tolist())


class _Maps:
    """What stands of each map before a window: cumulated USD over bin edges, per side."""

    def __init__(self, kernel: Kernel, interval_ms: int) -> None:
        self._map = Estimator(kernel, interval_ms=interval_ms)
        self._flat = Estimator(broad().flat_to(0.10), interval_ms=interval_ms)
        self._uniform = UniformLevels()

    def advance(self, bars: Bars) -> None:
        self._map.advance(bars)
        self._flat.advance(bars)
        for prices in zip(bars.high.tolist(), bars.low.tolist(), bars.close.tolist(), strict=True):
            self._uniform.step(*prices)

    def standing(self) -> dict[str, tuple[float, FloatArray]]:
        """By name of _MAPS, the log price of the first bin edge and cumulated USD (longs, shorts)."""
        own = self._map.standing(by_group=False)
        densities = {MAP: own, "flat": self._flat.standing(by_group=False), "B3": self._uniform.standing()}
        found = {name: cumulated(density) for name, density in densities.items()}
        return found | {"smeared": (found[MAP][0], smeared(found[MAP][1]))}


def cumulated(density: LevelDensity) -> tuple[float, FloatArray]:
    """The log price of the first bin edge, and the USD of longs and shorts below each edge, all groups of a
    density in one row."""
    usd = np.stack((density.long_usd[0], density.short_usd[0]))
    return density.low_log_price, np.concatenate((np.zeros((2, 1)), np.cumsum(usd, axis=1)), axis=1)


def smeared(cumulated: FloatArray) -> FloatArray:
    """Cumulated USD under a moving mean over SMEAR_BINS bins."""
    half = SMEAR_BINS // 2
    padded = np.pad(cumulated, ((0, 0), (half, half)), mode="edge")
    sums = np.concatenate((np.zeros((2, 1)), np.cumsum(padded, axis=1)), axis=1)
    mean: FloatArray = (sums[:, SMEAR_BINS:] - sums[:, :-SMEAR_BINS]) / SMEAR_BINS
    return mean


class _Collected:
    """The windows of one length as they are found."""

    def __init__(self, length_ms: int) -> None:
        self._length_ms = length_ms
        self._heads: list[tuple[int, bool, float, float, int]] = []  # time, is long, start, reached, cells
        self._weights: list[FloatArray] = []  # per window, rows x cells

    def add(self, bars: Bars, row: int, count: int, standing: dict[str, tuple[float, FloatArray]]) -> None:
        """Both sides of the window that opens at a row of the bars."""
        start = float(np.log(bars.close[row - 1]))
        extremes = float(bars.low[row : row + count].min()), float(bars.high[row : row + count].max())
        for side, (extreme, sign) in enumerate(zip(extremes, (-1, 1), strict=True)):
            reached = sign * (float(np.log(extreme)) - start)
            cells = round(reached / CELL_WIDTH)
            if cells < MIN_CELLS:
                continue
            self._heads.append((int(bars.open_time_ms[row]), side == 0, start, reached, cells))
            past = _past_extremes(bars, row, side, start)
            self._weights.append(_weights(standing, side, start, reached, cells, past))

    def made(self) -> SweptWindows:
        heads = np.array(self._heads, dtype=np.float64).reshape(-1, 5)
        cells = heads[:, 4].astype(np.int64)
        first = np.concatenate(([0], np.cumsum(cells)[:-1])) if len(cells) else cells
        weights = np.concatenate(self._weights, axis=1) if len(cells) else np.ones((len(ROWS), 0))
        made = SweptWindows(
            self._length_ms,
            heads[:, 0].astype(np.int64),
            heads[:, 1].astype(np.bool_),
            heads[:, 2],
            heads[:, 3],
            cells,
            first.astype(np.int64),
            weights,
            *(_strongest(weights[0], first, cells, share) for share in (BAND_SHARE, TOP_SHARE)),
        )
        made.weights[ROWS.index("permuted")] = permuted(made, PERMUTATION_SEED)
        return made


def permuted(windows: SweptWindows, seed: int) -> FloatArray:
    """The map's weights with the cells of each window in random order."""
    at_random = np.random.default_rng(seed).random((1, windows.weights.shape[1]))[0]
    order = np.lexsort((at_random, windows.window_of_cell()))
    shuffled: FloatArray = windows.weights[0][order]
    return shuffled


def _strongest(weights: FloatArray, first_cell: IntArray, cells: IntArray, share: float) -> FloatArray:
    """1 for the strongest share of each window's cells, at least one; equals share the last places."""
    chosen = np.zeros(len(weights))
    for first, size in zip(first_cell.tolist(), cells.tolist(), strict=True):
        within = weights[first : first + size]
        count = max(1, round(share * size))
        least = np.partition(within, size - count)[size - count]
        above, equal = within > least, within == least
        chosen[first : first + size] = above + equal * ((count - above.sum()) / equal.sum())
    return chosen


def _past_extremes(bars: Bars, row: int, side: int, start: float) -> list[float]:
    """How far out from the price the extremes of the past hours lie, per entry of BEYOND_HOURS."""
    found = []
    for hours in BEYOND_HOURS:
        since = int(np.searchsorted(bars.open_time_ms, bars.open_time_ms[row] - hours * HOUR_MS))
        span = slice(min(since, row - 1), row)
        extreme = bars.low[span].min() if side == 0 else bars.high[span].max()
        found.append((1 if side else -1) * (float(np.log(extreme)) - start))
    return found


def _weights(
    standing: dict[str, tuple[float, FloatArray]],
    side: int,
    start: float,
    reached: float,
    cells: int,
    past: list[float],
) -> FloatArray:
    """One window's weights, rows x cells, nearest cell first."""
    outward = np.linspace(0.0, reached, cells + 1)
    middles = (outward[1:] + outward[:-1]) / 2
    masses = {}
    for name in _MAPS:
        low, cumulated = standing[name]
        edges = (start + (outward if side else -outward) - low) / BIN_WIDTH
        within = np.interp(edges, np.arange(cumulated.shape[1]), cumulated[side])
        masses[name] = np.maximum(np.diff(within) if side else -np.diff(within), 0.0)
    rows = [masses[name] for name in _MAPS]
    rows.append(middles)
    rows += [np.where(middles > extreme, BEYOND_WEIGHT, 1.0) for extreme in past]
    rows.append(np.sqrt(masses[MAP]) * middles)
    rows.append(masses[MAP])  # shuffled once all windows are known
    return np.stack([_relative(row) for row in rows])


def _relative(masses: FloatArray) -> FloatArray:
    """p(cell) x cells: 1 everywhere for a row that puts nothing there."""
    mean = float(masses.mean())
    if mean <= 0.0:
        return np.ones(len(masses))
    relative: FloatArray = (1 - EVEN_SHARE) * (masses / mean) + EVEN_SHARE
    return relative
