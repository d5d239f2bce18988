"""What lies beyond a book's array: kept in coarse bins until the price returns."""

from __future__ import annotations

import numpy as np

from liqstream.market import FloatArray

COARSE = 25
"""Bins of a book in one bin of its far store: 50 bp."""


class FarStore:
    """One side's far levels in coarse bins, of shape (rows, coarse bins), in units of the book's array.

    Column 0 is coarse bin `first`, which begins at bin `first * COARSE` of the book. Arrays are replaced,
    never written into, so that copies may share them.
    """

    __slots__ = ("first", "usd")

    def __init__(self, rows: int) -> None:
        self.first = 0
        self.usd: FloatArray = np.zeros((rows, 0))

    def copy(self) -> FarStore:
        """An independent store in the same state."""
        other = object.__new__(FarStore)
        other.first, other.usd = self.first, self.usd
        return other

    def __bool__(self) -> bool:
        """Whether anything is kept."""
        return bool(self.usd.shape[1])

    def put(self, first: int, levels: FloatArray) -> None:
        """Keep levels of a book's bins from coarse bin `first` on, whole coarse bins of them."""
        added = levels.reshape(len(levels), -1, COARSE).sum(axis=2)
        used = np.flatnonzero(added.any(axis=0))
        if not len(used):
            return
        added, first = added[:, used[0] : used[-1] + 1], first + int(used[0])
        if not self:
            self.first, self.usd = first, added
            return
        start = min(first, self.first)
        end = max(first + added.shape[1], self.first + self.usd.shape[1])
        grown = np.zeros((len(added), end - start))
        grown[:, self.first - start : self.first - start + self.usd.shape[1]] += self.usd
        grown[:, first - start : first - start + added.shape[1]] += added
        self.first, self.usd = start, grown

    def take(self, first: int, count: int) -> FloatArray | None:
        """Give back what lies in `count` coarse bins from `first` on, evenly over the book's bins.

        None where there is nothing.
        """
        begin, end = max(first, self.first), min(first + count, self.first + self.usd.shape[1])
        if begin >= end:
            return None
        levels = np.zeros((len(self.usd), count))
        levels[:, begin - first : end - first] = self.usd[:, begin - self.first : end - self.first]
        left = self.usd.copy()
        left[:, begin - self.first : end - self.first] = 0.0
        used = np.flatnonzero(left.any(axis=0))
        kept = slice(int(used[0]), int(used[-1]) + 1) if len(used) else slice(0, 0)
        self.first, self.usd = self.first + kept.start, left[:, kept]
        spread: FloatArray = np.repeat(levels / COARSE, COARSE, axis=1)
        return spread

    def scale(self, factor: float) -> None:
        """Multiply all that is kept."""
        self.usd = self.usd * factor
