"""What is measured of one coin: levels, how much of the open interest they cover, how old they are."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from liqstream.market import HOUR_MS, FloatArray
from liqstream.model.density import LEVERAGE_GROUPS
from liqstream.positions.tracker import Tracker

UNSOUND = 1.01
"""A coverage above it cannot be: positions are counted twice, or open interest is not what it seems."""
PROVES_ONE_SIDE = 0.55
"""Were both sides counted in open interest, none could exceed half of it."""
PROOF_AGE_MS = HOUR_MS
"""Levels are no older in the median where a side proves it."""
PARTIAL = 0.2
"""Below this coverage of a side the layer is a partial view."""
AGE_BANDS = (0.05, 1.0)
"""Ages apart: of levels so near to the mark (share of it), and of all."""
_GROUP_ENDS = np.array([10.0, 25.0, 50.0, 100.0])


@dataclass(frozen=True, slots=True, eq=False)
class MeasuredLevels:
    """A coin's open positions, each array of shape (n,).

    Signed `size` in base coin, `entry` and `level` in USD (NaN: none), `leverage` (NaN: unknown), the
    maintenance margin's `rate`, `age_ms` since the level was confirmed. `is_touched`: the mark is at or
    beyond the level, so it is not drawn and has to be read. `slot` is the position's in the table.
    """

    mark: float
    slot: NDArray[np.integer]
    size: FloatArray
    entry: FloatArray
    level: FloatArray
    leverage: FloatArray
    rate: FloatArray
    age_ms: FloatArray
    is_touched: NDArray[np.bool_]

    @property
    def has_level(self) -> NDArray[np.bool_]:
        """Which are drawn: with a level that the mark has not reached."""
        drawn: NDArray[np.bool_] = np.isfinite(self.level) & ~self.is_touched
        return drawn

    @property
    def usd(self) -> FloatArray:
        """USD of each position at its level; NaN without one."""
        usd: FloatArray = np.abs(self.size) * self.level
        return usd

    def near(self, share: float) -> NDArray[np.bool_]:
        """Drawn levels within a share of the mark."""
        distance = np.abs(self.level / self.mark - 1)
        near: NDArray[np.bool_] = self.has_level & (distance <= share)
        return near


@dataclass(frozen=True, slots=True)
class Coverage:
    """How much of a coin's open interest is known: per side the share that tracked accounts hold, and of it
    what has a level; the median ages, by USD, of all drawn levels and of those within 5 % of the mark
    (None: none).
    """

    long: float
    short: float
    long_with_level: float
    short_with_level: float
    median_age_ms: float | None
    near_age_ms: float | None

    @property
    def is_unsound(self) -> bool:
        """Whether a side is more than there can be."""
        return max(self.long, self.short) > UNSOUND

    @property
    def is_partial(self) -> bool:
        """Whether a side is hardly known."""
        return min(self.long, self.short) < PARTIAL

    @property
    def proves_one_side(self) -> bool:
        """Whether a side is more than half of the open interest, which therefore counts one side.

        Old sizes prove nothing: open interest may have fallen since, and left them more than half of it.
        """
        is_new = self.median_age_ms is not None and self.median_age_ms <= PROOF_AGE_MS
        return is_new and PROVES_ONE_SIDE < max(self.long, self.short) <= UNSOUND


def levels_of(
    tracker: Tracker, coin: str, now_ms: int, other_mark: float | None = None
) -> MeasuredLevels | None:
    """A coin's positions now; before its mark is known at another one, None without that."""
    number = tracker.coins.number_of.get(coin)
    if number is None:
        return None
    table, mark = tracker.positions, float(tracker.coins.mark[number])
    if not np.isfinite(mark):
        if other_mark is None:
            return None
        mark = other_mark
    slot = np.flatnonzero(table.is_open & (table.coin == number))
    size, level = table.size[slot], table.level[slot]
    notional = np.abs(size) * np.where(np.isfinite(level), level, mark)
    margin = tracker.coins.margin
    tier = np.argmax(margin.rate[number] * notional[:, None] - margin.deduction[number], axis=1)
    touched = np.where(size > 0, level >= mark, level <= mark)
    return MeasuredLevels(
        mark,
        slot,
        size,
        table.entry[slot],
        level,
        table.leverage[slot],
        margin.rate[number][tier],
        (now_ms - table.checked_ms[slot]).astype(np.float64),
        touched & np.isfinite(level),
    )


def coverage_of(levels: MeasuredLevels, open_interest: float) -> Coverage | None:
    """The coverage of a coin; None without open interest (base coin)."""
    if not open_interest > 0:
        return None
    is_long, held = levels.size > 0, np.abs(levels.size) / open_interest
    has_level = np.isfinite(levels.level)
    drawn = levels.has_level
    near = levels.near(AGE_BANDS[0])
    return Coverage(
        float(held[is_long].sum()),
        float(held[~is_long].sum()),
        float(held[is_long & has_level].sum()),
        float(held[~is_long & has_level].sum()),
        weighted_median(levels.age_ms[drawn], levels.usd[drawn]),
        weighted_median(levels.age_ms[near], levels.usd[near]),
    )


def weighted_median(values: FloatArray, weights: FloatArray) -> float | None:
    """The value at which half of the weight is reached; None without any."""
    if not weights.sum() > 0:
        return None
    by_value = np.argsort(values)
    reached = np.cumsum(weights[by_value])
    return float(values[by_value][np.searchsorted(reached, reached[-1] / 2)])


def measured_cells(
    levels: MeasuredLevels, p0: float, step: float, cells: int
) -> tuple[FloatArray, FloatArray]:
    """Long and short USD per leverage group and cell, shape (groups, cells); touched levels are not drawn.

    Cell i holds the prices within half a step of `p0 + i * step`, USD. The group is that of 1 / (|level /
    entry - 1| + l), the leverage that has its liquidation so far from entry.
    """
    chosen = np.flatnonzero(levels.has_level)
    level, size = levels.level[chosen], levels.size[chosen]
    cell = np.round((level - p0) / step).astype(np.int64)
    inside = (cell >= 0) & (cell < cells)
    distance = np.abs(level / levels.entry[chosen] - 1)
    leverage = 1 / (np.where(np.isfinite(distance), distance, 0.1) + levels.rate[chosen])
    group = np.searchsorted(_GROUP_ENDS, leverage, side="left")
    place = group * cells + cell
    sides = []
    for is_side in (size > 0, size < 0):
        use = inside & is_side
        weights = (np.abs(size) * level)[use]
        total = np.bincount(place[use], weights=weights, minlength=len(LEVERAGE_GROUPS) * cells)
        sides.append(total.reshape(len(LEVERAGE_GROUPS), cells).astype(np.float64))
    return sides[0], sides[1]
