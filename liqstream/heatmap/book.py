"""What stands: liquidation notional by log-price bin, side and leverage group, and where the rest went.

Every dollar added is accounted for: it stands, was consumed by the price, decayed with the open interest,
was swept by its own bar, or fell out of range. `Totals` keeps those books per side.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from liqstream.heatmap.density import LEVERAGE_GROUPS
from liqstream.heatmap.path import BarPath
from liqstream.heatmap.spread import GroupMass, Spread
from liqstream.market import FloatArray

MIN_BINS = 4096
"""Bins of the array at least: 41 % of price to either side, the kernel's reach and 14 % of drift."""

_SMALLEST_SCALE = 1e-9


@dataclass(slots=True)
class Totals:
    """USD of one side since the start, before calibration:
    added = standing + consumed + decayed + swept + out_of_range.

    `swept` is what the same bar's path swept again: it never stood. `out_of_range` was dropped when the
    array moved after the price.
    """

    added: float = 0.0
    standing: float = 0.0
    consumed: float = 0.0
    decayed: float = 0.0
    swept: float = 0.0
    out_of_range: float = 0.0


class Book:
    """Both sides of one market on bins of log price, as arrays of shape (leverage groups, bins).

    The arrays hold USD divided by `scale`, so that decay costs one multiplication; entry 0 is bin
    `first_bin`. They follow the price when the kernel would reach beyond them, and count what they drop.
    """

    __slots__ = ("close_bin", "first_bin", "long", "long_totals", "scale", "short", "short_totals", "spread")

    def __init__(self, spread: Spread) -> None:
        self.spread = spread
        self.first_bin = 0
        self.close_bin: int | None = None
        self.scale = 1.0
        self.long: FloatArray = np.zeros((len(LEVERAGE_GROUPS), MIN_BINS))
        self.short: FloatArray = np.zeros((len(LEVERAGE_GROUPS), MIN_BINS))
        self.long_totals = Totals()
        self.short_totals = Totals()

    def copy(self) -> Book:
        """An independent book in the same state."""
        book = object.__new__(Book)
        book.spread = self.spread
        book.first_bin = self.first_bin
        book.close_bin = self.close_bin
        book.scale = self.scale
        book.long = self.long.copy()
        book.short = self.short.copy()
        book.long_totals = replace(self.long_totals)
        book.short_totals = replace(self.short_totals)
        return book

    def step(self, path: BarPath, added_usd: float, decay_rate: float) -> tuple[float, float]:
        """One bar: consume what it touched, decay the rest, add its own entries to both sides.

        Returns the long and the short USD consumed of what stood before.
        """
        consumed = self._consume(path.low, path.high)
        if decay_rate > 0.0:
            self._decay(decay_rate)
        self._make_room(path)
        self.close_bin = path.close
        if added_usd > 0.0:
            self._add(path, added_usd)
        return consumed

    def _consume(self, low: int, high: int) -> tuple[float, float]:
        # A touched level is wiped whole: consuming a part of it ranks worse by .05 to .10.
        close = self.close_bin
        if close is None:
            return 0.0, 0.0
        # Longs stand below the last close and shorts above it: only the bins between need a look.
        first, bins = self.first_bin, self.long.shape[1]
        long_usd = short_usd = 0.0
        if low < close:
            hit = self.long[:, max(low - first, 0) : close - first]
            long_usd = float(np.add.reduce(hit, axis=None)) * self.scale
            hit.fill(0.0)
            self.long_totals.consumed += long_usd
            self.long_totals.standing -= long_usd
        if high > close:
            hit = self.short[:, close + 1 - first : min(high + 1 - first, bins)]
            short_usd = float(np.add.reduce(hit, axis=None)) * self.scale
            hit.fill(0.0)
            self.short_totals.consumed += short_usd
            self.short_totals.standing -= short_usd
        return long_usd, short_usd

    def _decay(self, rate: float) -> None:
        self.scale *= 1.0 - rate
        for totals in (self.long_totals, self.short_totals):
            gone = totals.standing * rate
            totals.standing -= gone
            totals.decayed += gone
        if self.scale < _SMALLEST_SCALE:
            self.long *= self.scale
            self.short *= self.scale
            self.scale = 1.0

    def _add(self, path: BarPath, usd: float) -> None:
        stored = usd / self.scale
        low, width = path.low - self.first_bin, path.high - path.low + 1
        groups = self.spread.groups
        blocks = self.spread.blocks(path.occupancy * stored)
        long_blocks, short_blocks = blocks[: len(groups)], blocks[len(groups) :]
        for group, long_block, short_block in zip(groups, long_blocks, short_blocks, strict=True):
            # What lies beyond the bar's extremes was touched by nothing yet. A block may be shorter than
            # the way to the extreme, or longer: the bins it passes within the bar are left out here.
            outside = long_block[: group.farthest]
            start = low - group.farthest
            levels = self.long[group.group, start : start + len(outside)]
            levels += outside
            outside = short_block[max(width - group.nearest, 0) :]
            start = low + max(width, group.nearest)
            levels = self.short[group.group, start : start + len(outside)]
            levels += outside
            if group.nearest < width:
                self._add_within(path, stored, group)
        for totals, swept in (
            (self.long_totals, path.swept_long * usd),
            (self.short_totals, path.swept_short * usd),
        ):
            totals.added += usd
            totals.swept += swept
            totals.standing += usd - swept

    def _add_within(self, path: BarPath, stored: float, group: GroupMass) -> None:
        """Add what stands between the bar's extremes and its close: of entries made after the extreme."""
        low, high, close = (bin_ - self.first_bin for bin_ in (path.low, path.high, path.close))
        near = group.masses[: high - low - group.nearest + 1]
        if group.nearest == 0:
            # The path is at its own bin when it makes an entry: what is that near is swept at once.
            near = np.concatenate(([0.0], near[1:]))
        if close > low:
            block = np.convolve(path.after_low, near[::-1])
            skip = group.nearest + len(near) - 1
            inside = block[skip : skip + close - low]
            self.long[group.group, low : low + len(inside)] += stored * inside
        if high > close:
            block = np.convolve(path.after_high, near)
            skip = close + 1 - low - group.nearest
            inside = block[max(skip, 0) : skip + high - close]
            self.short[group.group, high + 1 - len(inside) : high + 1] += stored * inside

    def _make_room(self, path: BarPath) -> None:
        """Move the array so that this bar's levels fit; a very wide bar widens it."""
        reach, bins = self.spread.reach + 1, self.long.shape[1]
        lowest, highest = path.low - reach, path.high + reach
        if self.first_bin <= lowest and highest < self.first_bin + bins:
            return
        bins = max(MIN_BINS, highest - lowest + 1)
        first_bin = (lowest + highest + 1) // 2 - bins // 2
        self.long = self._moved(self.long, self.long_totals, first_bin, bins)
        self.short = self._moved(self.short, self.short_totals, first_bin, bins)
        self.first_bin = first_bin

    def _moved(self, array: FloatArray, totals: Totals, first_bin: int, bins: int) -> FloatArray:
        moved = np.zeros((len(array), bins))
        shift = self.first_bin - first_bin
        start, end = max(-shift, 0), min(bins - shift, array.shape[1])
        if start < end:
            moved[:, start + shift : end + shift] = array[:, start:end]
        kept = float(moved.sum()) * self.scale
        totals.out_of_range += totals.standing - kept
        totals.standing = kept
        return moved
