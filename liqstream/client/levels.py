"""The densities of a heatmap on their regular price grid, and the proof that they are the server's."""

from __future__ import annotations

import math
import zlib
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

FloatArray = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Level:
    """USD that would be force-closed around a price: longs below the market, shorts above it."""

    price: float
    long_usd: float
    short_usd: float


@dataclass(frozen=True, eq=False)
class Levels:
    """Level i stands for the prices within half a `step` of `p0 + i * step`, all in USD.

    `long_usd` and `short_usd` have one read-only float64 figure per level.
    """

    p0: float
    step: float
    long_usd: FloatArray
    short_usd: FloatArray

    @classmethod
    def of(cls, p0: float, step: float, long_usd: Sequence[float], short_usd: Sequence[float]) -> Levels:
        """Levels of plain lists. Raises ValueError unless both have the same length."""
        if len(long_usd) != len(short_usd):
            raise ValueError(f"{len(long_usd)} long levels beside {len(short_usd)} short ones")
        return cls(
            p0, step, _frozen(np.array(long_usd, np.float64)), _frozen(np.array(short_usd, np.float64))
        )

    def __len__(self) -> int:
        return len(self.long_usd)

    @cached_property
    def prices(self) -> FloatArray:
        """The price of every level, rounded to the decimals of the step."""
        return _frozen(grid_prices(self.p0, self.step, len(self)))

    @cached_property
    def checksum(self) -> int:
        """CRC-32 of p0, step, long and short as little-endian float64: equal states, equal sums."""
        head = np.array([self.p0, self.step], dtype="<f8").tobytes()
        long_sum = zlib.crc32(self.long_usd.astype("<f8").tobytes(), zlib.crc32(head))
        return zlib.crc32(self.short_usd.astype("<f8").tobytes(), long_sum)

    def changed(
        self,
        long_changes: tuple[Sequence[int], Sequence[float]],
        short_changes: tuple[Sequence[int], Sequence[float]],
    ) -> Levels:
        """These levels with new values at the given indices.

        Raises ValueError for an index outside of the grid or lists of unequal length.
        """
        return Levels(
            self.p0, self.step, _with(self.long_usd, *long_changes), _with(self.short_usd, *short_changes)
        )

    def masked(self, low: float, high: float) -> Levels:
        """These levels without the longs that `low` and the shorts that `high` (USD) has passed whole."""
        edges = self.p0 + (np.arange(len(self) + 1) - 0.5) * self.step
        long_usd = np.where(low <= edges[:-1], 0.0, self.long_usd)
        short_usd = np.where(high >= edges[1:], 0.0, self.short_usd)
        return Levels(self.p0, self.step, _frozen(long_usd), _frozen(short_usd))

    def occupied(self) -> tuple[Level, ...]:
        """The levels at which anything stands, by ascending price."""
        rows = np.flatnonzero((self.long_usd > 0) | (self.short_usd > 0))
        columns = (self.prices[rows], self.long_usd[rows], self.short_usd[rows])
        return tuple(
            Level(price, long_usd, short_usd)
            for price, long_usd, short_usd in zip(*(column.tolist() for column in columns), strict=True)
        )


def grid_prices(p0: float, step: float, rows: int) -> FloatArray:
    """The prices p0, p0 + step, ..., rounded to the decimals of the step."""
    decimals = max(0, -math.floor(math.log10(step) + 1e-9))
    prices: FloatArray = np.round(p0 + np.arange(rows) * step, decimals)
    return prices


def _with(values: FloatArray, indices: Sequence[int], new: Sequence[float]) -> FloatArray:
    if len(indices) != len(new):
        raise ValueError(f"{len(indices)} indices beside {len(new)} values")
    if not indices:
        return values
    if min(indices) < 0 or max(indices) >= len(values):
        raise ValueError(f"an index outside of the grid's {len(values)} levels")
    changed = values.copy()
    changed[list(indices)] = new
    return _frozen(changed)


def _frozen(values: FloatArray) -> FloatArray:
    values.setflags(write=False)
    return values
