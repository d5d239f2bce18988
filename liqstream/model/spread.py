"""The kernel laid over a bar's path: one small matrix product per bar.

Spreading a path over the kernel is a convolution. The path of a bar touches few bins and the kernel many,
so the kernel is stored shifted by every bin of a bar's path, all groups and both sides side by side: the
convolution is then one vector-matrix product, several times cheaper than adding point by point. Bars wider
than the stored shifts are rare and are convolved group by group.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import lru_cache
from itertools import accumulate

import numpy as np

from liqstream.market import FloatArray
from liqstream.model.kernel import Kernel

BIN_WIDTH = math.log(10) / 11513
"""Log-price bins of 2 bp; 5 bp cost .003 in rank correlation on 1h bars, .012 on 5m (docs/model.md).

A whole number of them to a factor of ten, so that a market quoted in other units falls into the same bins.
"""

_SHIFTS = (16, 64)
"""Path widths in bins for which shifted kernels are stored: a usual 5m bar, a usual hour."""


@dataclass(frozen=True, slots=True, eq=False)
class GroupMass:
    """The kernel's mass of one leverage group, from `nearest` to `farthest` bins from the entry price."""

    group: int
    nearest: int
    farthest: int
    masses: FloatArray


@dataclass(frozen=True, slots=True, eq=False)
class _Shifted:
    """Kernels shifted by 0, 1, 2... bins, one per row: each group's long block (mirrored) and short block.

    `columns` are the first columns of each group's two blocks.
    """

    matrix: FloatArray
    columns: tuple[tuple[int, int], ...]


class Spread:
    """A kernel on bins of log price: spreads path occupancies to both sides, per leverage group.

    `groups` are those with mass, `nearest` and `reach` the bins from an entry to the nearest and the farthest
    level, `masses[d]` the mass d bins from the entry, of all groups.
    """

    __slots__ = ("_shifted", "groups", "masses", "nearest", "reach")

    def __init__(self, kernel: Kernel, bin_width: float = BIN_WIDTH) -> None:
        masses = kernel.bin_masses(bin_width)
        self.groups = tuple(
            GroupMass(group, int(used[0]), int(used[-1]), row[used[0] : used[-1] + 1])
            for group, row in enumerate(masses)
            if len(used := np.flatnonzero(row))
        )
        self.nearest = min(group.nearest for group in self.groups)
        self.reach = masses.shape[1] - 1
        self.masses: FloatArray = masses.sum(axis=0)
        self._shifted = tuple(_shift(self.groups, shifts) for shifts in _SHIFTS)

    def over(self, occupancy: FloatArray) -> tuple[FloatArray, tuple[tuple[int, int], ...]]:
        """Mass by ascending bin, all groups in one row, and where each group's two blocks begin in it.

        For a path from bin `low` up, a long block begins at bin `low - farthest`, a short block at bin
        `low + nearest`; either is `len(occupancy) + len(masses) - 1` long.
        """
        width = len(occupancy)
        for shifted in self._shifted:
            if width <= len(shifted.matrix):
                return occupancy @ shifted.matrix[:width], shifted.columns
        columns = _columns(self.groups, width)
        pairs = [(group.masses[::-1], group.masses) for group in self.groups]
        return np.concatenate([np.convolve(occupancy, mass) for pair in pairs for mass in pair]), columns


@lru_cache(maxsize=64)
def spread_of(kernel: Kernel) -> Spread:
    """The kernel's Spread, made once and shared by all markets that use it."""
    return Spread(kernel)


def _columns(groups: tuple[GroupMass, ...], width: int) -> tuple[tuple[int, int], ...]:
    sizes = [len(group.masses) + width - 1 for group in groups for _ in ("long", "short")]
    starts = [0, *accumulate(sizes)]
    return tuple(zip(starts[:-1:2], starts[1::2], strict=True))


def _shift(groups: tuple[GroupMass, ...], shifts: int) -> _Shifted:
    columns = _columns(groups, shifts)
    last = groups[-1].masses
    matrix = np.zeros((shifts, columns[-1][1] + len(last) + shifts - 1))
    for group, (long, short) in zip(groups, columns, strict=True):
        size = len(group.masses)
        for shift in range(shifts):
            matrix[shift, long + shift : long + shift + size] = group.masses[::-1]
            matrix[shift, short + shift : short + shift + size] = group.masses
    return _Shifted(matrix, columns)
