"""The kernel laid over a bar's path: one small matrix product per bar.

Spreading a path over the kernel is a convolution. The path of a bar touches few bins and the kernel many,
so the kernel is stored shifted by every bin of a bar's path, all groups and both sides side by side: the
convolution is then one vector-matrix product, several times cheaper than adding point by point. Bars wider
than the stored shifts are rare and are convolved group by group.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import numpy as np

from liqstream.heatmap.kernel import Kernel
from liqstream.market import FloatArray

BIN_WIDTH = 0.0002
"""Log-price bins of 2 bp; 5 bp cost .003 in rank correlation on 1h bars, .012 on 5m (docs/model.md)."""

_SHIFTS = (16, 64)
"""Path widths in bins for which shifted kernels are stored: a usual 5m bar, a usual hour."""


@dataclass(frozen=True, slots=True, eq=False)
class GroupMass:
    """The kernel's mass of one leverage group: entry i lies `nearest + i` bins from the entry price."""

    group: int
    nearest: int
    masses: FloatArray

    @property
    def farthest(self) -> int:
        """Bins from the entry price to the last mass."""
        return self.nearest + len(self.masses) - 1


@dataclass(frozen=True, slots=True, eq=False)
class _Shifted:
    """Kernels shifted by 0, 1, 2... bins, one per row: each group's long block (mirrored), then the short
    ones; `columns` are the bounds of each block."""

    matrix: FloatArray
    columns: tuple[tuple[int, int], ...]


class Spread:
    """A kernel on bins of log price: spreads path occupancies to both sides, per leverage group.

    `groups` are those with mass, `reach` the bins from an entry to the farthest level, `within[d]` the mass
    within d bins of the entry.
    """

    __slots__ = ("_shifted", "groups", "reach", "within")

    def __init__(self, kernel: Kernel, bin_width: float = BIN_WIDTH) -> None:
        masses = kernel.bin_masses(bin_width)
        self.groups = tuple(
            GroupMass(group, int(used[0]), row[used[0] : used[-1] + 1])
            for group, row in enumerate(masses)
            if len(used := np.flatnonzero(row))
        )
        self.reach = masses.shape[1] - 1
        self.within: FloatArray = np.cumsum(masses.sum(axis=0))
        self._shifted = tuple(_shift(self.groups, shifts) for shifts in _SHIFTS)

    def blocks(self, occupancy: FloatArray) -> list[FloatArray]:
        """Mass by ascending bin: the long block of each of `groups`, then the short block of each.

        For a path from bin `low` up, entry 0 of a long block is bin `low - farthest`, entry 0 of a short
        block bin `low + nearest`; a block has `len(occupancy) + len(masses) - 1` entries.
        """
        width = len(occupancy)
        for shifted in self._shifted:
            unused = len(shifted.matrix) - width
            if unused >= 0:
                mass = occupancy @ shifted.matrix[:width]
                return [mass[start : end - unused] for start, end in shifted.columns]
        return [np.convolve(occupancy, group.masses[::-1]) for group in self.groups] + [
            np.convolve(occupancy, group.masses) for group in self.groups
        ]


@lru_cache(maxsize=64)
def spread_of(kernel: Kernel) -> Spread:
    """The kernel's Spread, made once and shared by all markets that use it."""
    return Spread(kernel)


def _shift(groups: tuple[GroupMass, ...], shifts: int) -> _Shifted:
    templates = [group.masses[::-1] for group in groups] + [group.masses for group in groups]
    ends = np.cumsum([len(template) + shifts - 1 for template in templates]).tolist()
    columns = tuple(zip([0, *ends], ends, strict=False))
    matrix = np.zeros((shifts, ends[-1]))
    for (start, _), template in zip(columns, templates, strict=True):
        for shift in range(shifts):
            matrix[shift, start + shift : start + shift + len(template)] = template
    return _Shifted(matrix, columns)
