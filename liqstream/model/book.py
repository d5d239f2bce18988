"""What stands: liquidation notional by log-price bin, side and leverage group, and where the rest went.

Every dollar added is accounted for: it stands, was consumed by the price, decayed with time, or was swept by
its own bar. `Totals` keeps those books per side.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from liqstream.market import FloatArray
from liqstream.model.bar_path import BarPath
from liqstream.model.density import LEVERAGE_GROUPS
from liqstream.model.far_store import COARSE, FarStore
from liqstream.model.packed_rows import PackedRows
from liqstream.model.spread import GroupMass, Spread

MIN_BINS = 164 * COARSE
"""Bins of the array at least: 41 % of price to either side, the kernel's reach and 14 % of drift. It begins
and ends with a coarse bin; what lies beyond is in the far stores."""

_SMALLEST_SCALE = 1e-9
_NOWHERE_BELOW = -(2**62)


@dataclass(slots=True)
class Totals:
    """USD of one side since the start, before calibration:
    added = standing + consumed + decayed + swept.

    `swept` is what the same bar's path swept again: it never stood.
    """

    added: float = 0.0
    standing: float = 0.0
    consumed: float = 0.0
    decayed: float = 0.0
    swept: float = 0.0


class Book:
    """Both sides of one market on bins of log price, as arrays of shape (leverage groups, bins).

    The arrays hold USD divided by `scale`, so that decay costs one multiplication; entry 0 is bin
    `first_bin`. They follow the price when the kernel would reach beyond them; what they leave behind is
    kept in far stores, coarsely, and taken back when the price returns. At rest the arrays are packed, into
    a twelfth to a third of the bytes; `step` and `copy` unpack them.
    """

    __slots__ = (
        "_packed",
        "below_close",
        "close_bin",
        "far",
        "first_bin",
        "highest_long",
        "long",
        "long_totals",
        "lowest_short",
        "scale",
        "short",
        "short_totals",
        "spread",
    )

    def __init__(self, spread: Spread) -> None:
        self.spread = spread  # the kernel, shared by all books of its kind
        self.first_bin = 0  # bin of entry 0 of the arrays; moves with the price
        self.close_bin: int | None = None  # bin of the last close; None before the first bar
        self.below_close = 0.0  # share of that bin below the close
        # Nothing stands beyond these toward the price: most bars touch no level and need no look at all.
        self.highest_long = _NOWHERE_BELOW
        self.lowest_short = -_NOWHERE_BELOW
        self.scale = 1.0  # USD per unit of the arrays; folded into them before it underflows
        self.long: FloatArray = np.zeros((len(LEVERAGE_GROUPS), MIN_BINS))
        self.short: FloatArray = np.zeros((len(LEVERAGE_GROUPS), MIN_BINS))
        # Long and short while the book rests; the arrays are then empty.
        self._packed: tuple[PackedRows, PackedRows] | None = None
        # Longs below the array and shorts above it.
        self.far = (FarStore(len(LEVERAGE_GROUPS)), FarStore(len(LEVERAGE_GROUPS)))
        self.long_totals = Totals()
        self.short_totals = Totals()

    def copy(self) -> Book:
        """An independent book in the same state."""
        book = object.__new__(Book)
        book.spread = self.spread
        book.first_bin = self.first_bin
        book.close_bin = self.close_bin
        book.below_close = self.below_close
        book.highest_long = self.highest_long
        book.lowest_short = self.lowest_short
        book.scale = self.scale
        book._packed = None
        book.long, book.short = self._unpacked() or (self.long.copy(), self.short.copy())
        book.far = (self.far[0].copy(), self.far[1].copy())
        book.long_totals = replace(self.long_totals)
        book.short_totals = replace(self.short_totals)
        return book

    @property
    def rests(self) -> bool:
        """Whether the arrays are packed: `long` and `short` are then those of a copy."""
        return self._packed is not None

    @property
    def nbytes(self) -> int:
        """Of what stands, far stores included."""
        sides = self._packed or (self.long, self.short)
        return sum(each.nbytes for each in (*sides, *(far.usd for far in self.far)))

    def rest(self) -> None:
        """Pack the arrays until the next step: for a market that is seldom looked at."""
        if self._packed is None:
            self._packed = (PackedRows(self.long), PackedRows(self.short))
            self.long = self.short = np.empty((len(LEVERAGE_GROUPS), 0))

    def _unpacked(self) -> tuple[FloatArray, FloatArray] | None:
        return None if self._packed is None else (self._packed[0].unpacked(), self._packed[1].unpacked())

    def step(self, path: BarPath, added_usd: float, decay_rate: float) -> tuple[float, float]:
        """One bar: consume what it touched, decay the rest, add its own entries to both sides.

        Returns the long and the short USD consumed of what stood before.
        """
        if unpacked := self._unpacked():
            self.long, self.short = unpacked
            self._packed = None
        self._make_room(path)
        consumed = self._consume(path)
        if decay_rate > 0.0:
            self._decay(decay_rate)
        self.close_bin, self.below_close = path.close, path.below_close
        if added_usd > 0.0:
            self._add(path, added_usd)
        return consumed

    def _consume(self, path: BarPath) -> tuple[float, float]:
        # A touched level is wiped whole: consuming a part of it ranks worse by .05 to .10. Of the bin an
        # extreme ends in, the part it covered is wiped: whole bins cost .008 in rank correlation on 5m.
        close, first = self.close_bin, self.first_bin
        if close is None:
            return 0.0, 0.0
        long_usd = short_usd = 0.0
        if path.low <= self.highest_long:
            spared = _part(path.below_low, self.below_close if path.low == close else 1.0)
            hit = self.long[:, max(path.low - first, 0) : self.highest_long + 1 - first]
            long_usd = self.scale * _wipe(hit, 0, spared if path.low >= first else 0.0)
            self.highest_long = path.low
            self.long_totals.consumed += long_usd
            self.long_totals.standing -= long_usd
        if path.high >= self.lowest_short:
            spared = _part(path.above_high, 1.0 - self.below_close if path.high == close else 1.0)
            last = min(path.high - first, self.short.shape[1] - 1)
            hit = self.short[:, self.lowest_short - first : last + 1]
            short_usd = self.scale * _wipe(hit, -1, spared if path.high - first == last else 0.0)
            self.lowest_short = path.high
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
            for far in self.far:
                far.scale(self.scale)
            self.scale = 1.0

    def _add(self, path: BarPath, usd: float) -> None:
        stored = usd / self.scale
        self.highest_long = max(self.highest_long, min(path.high - self.spread.nearest, path.close))
        self.lowest_short = min(self.lowest_short, max(path.low + self.spread.nearest, path.close))
        low, width = path.low - self.first_bin, path.high - path.low + 1
        mass, columns = self.spread.over(path.occupancy * stored)
        for group, (long_column, short_column) in zip(self.spread.groups, columns, strict=True):
            # What lies beyond the bar's extremes was touched by nothing yet. Where a block reaches into
            # the bar's own range, those bins are left out here.
            nearest, farthest = group.nearest, group.farthest
            inside = width - nearest if width > nearest else 0
            size = farthest - nearest + width - inside
            start = low - farthest
            levels = self.long[group.group, start : start + size]
            levels += mass[long_column : long_column + size]
            start = low + nearest + inside
            levels = self.short[group.group, start : start + size]
            levels += mass[short_column + inside : short_column + inside + size]
            if inside:
                self._add_within(path, stored, group)
        for totals, swept in (
            (self.long_totals, path.swept_long * usd),
            (self.short_totals, path.swept_short * usd),
        ):
            totals.added += usd
            totals.swept += swept
            totals.standing += usd - swept

    def _add_within(self, path: BarPath, stored: float, group: GroupMass) -> None:
        """Add what stands between the bar's extremes and its close: mostly of entries made after the
        extreme, and the spared part of the bins where extreme and close lie."""
        low, high, close = (bin_ - self.first_bin for bin_ in (path.low, path.high, path.close))
        near = group.masses[: high - low - group.nearest + 1]
        if group.nearest == 0:
            # The path is at its own bin when it makes an entry: what is that near is swept at once.
            near = np.concatenate(([0.0], near[1:]))
        skip = group.nearest + len(near) - 1
        # A correlation, hence the reversed kernel: the long level at low + j takes near[m] from the entry at
        # low + j + nearest + m; index 0 of the full result is j = -skip. Entries before the low were swept by
        # it.
        inside = np.convolve(path.after_low, near[::-1])[skip : skip + close - low + 1]
        if len(inside) == close - low + 1:
            inside[-1] *= path.below_close
        inside[0] += path.below_low * _at_start(path.occupancy - path.after_low, near, group.nearest)
        self.long[group.group, low : low + len(inside)] += stored * inside

        skip = close - low - group.nearest
        inside = np.convolve(path.after_high, near)[max(skip, 0) : high - low - group.nearest + 1]
        if skip >= 0:
            inside[0] *= 1.0 - path.below_close
        before_high = (path.occupancy - path.after_high)[::-1]
        inside[-1] += path.above_high * _at_start(before_high, near, group.nearest)
        self.short[group.group, high + 1 - len(inside) : high + 1] += stored * inside

    def _make_room(self, path: BarPath) -> None:
        """Move the array so that this bar's levels fit; a very wide bar widens it."""
        reach, bins = self.spread.reach + 1, self.long.shape[1]
        lowest, highest = path.low - reach, path.high + reach
        if self.first_bin <= lowest and highest < self.first_bin + bins:
            return
        bins = max(MIN_BINS, -(-(highest - lowest + 1 + 2 * COARSE) // COARSE) * COARSE)
        first_bin = ((lowest + highest + 1) // 2 - bins // 2) // COARSE * COARSE
        self.long = self._moved(self.long, self.far[0], first_bin, bins)
        self.short = self._moved(self.short, self.far[1], first_bin, bins)
        self.first_bin = first_bin
        longs, shorts = (np.flatnonzero(side.any(axis=0)) for side in (self.long, self.short))
        self.highest_long = first_bin + int(longs[-1]) if len(longs) else _NOWHERE_BELOW
        self.lowest_short = first_bin + int(shorts[0]) if len(shorts) else -_NOWHERE_BELOW

    def _moved(self, array: FloatArray, far: FarStore, first_bin: int, bins: int) -> FloatArray:
        shift = self.first_bin - first_bin
        start, end = max(-shift, 0), min(bins - shift, array.shape[1])
        taken = far.take(first_bin // COARSE, bins // COARSE)
        moved = np.zeros((len(array), bins)) if taken is None else taken
        if start >= end:
            far.put(self.first_bin // COARSE, array)
            return moved
        moved[:, start + shift : end + shift] += array[:, start:end]
        far.put(self.first_bin // COARSE, array[:, :start])
        far.put((self.first_bin + end) // COARSE, array[:, end:])
        return moved


def _part(spared: float, occupied: float) -> float:
    """The share spared of what stands in a bin that is occupied only in part."""
    return spared / occupied if spared < occupied else 1.0


def _wipe(hit: FloatArray, end: int, spared: float) -> float:
    """Clear some bins but for the spared share of the one at `end`; returns how much was cleared."""
    edge = hit[:, end]
    kept = edge * spared
    edge -= kept
    cleared = float(np.add.reduce(hit, axis=None))
    hit.fill(0.0)
    edge += kept
    return cleared


def _at_start(occupancy: FloatArray, near: FloatArray, nearest: int) -> float:
    """The kernel's mass in the path's first bin, from entries `nearest` bins and more above it."""
    return float(occupancy[nearest : nearest + len(near)] @ near)
