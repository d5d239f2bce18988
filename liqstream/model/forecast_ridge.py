"""Ridge regressions that share one set of sums: the forecast's combination, and every baseline beside it.

What has been seen is kept as moments (sums of products) in blocks of four weeks, so that a daily refit on up
to a year solves a few small systems however long the year was. Each named row uses a subset of the columns;
its penalty is the one whose past forecasts had the least squared error (docs/model.md).
"""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from liqstream.market import DAY_MS, FloatArray

YEAR_MS = 365 * DAY_MS
MIN_WINDOWS = 300
"""So many past windows are needed before a combination is fitted."""

MIN_SPREAD = 1e-4
"""A column that varies less than this, relative to its size, is taken as constant: it explains nothing."""

_BLOCK_MS = 28 * DAY_MS


@dataclass(slots=True)
class _Block:
    first_ms: int
    count: int
    sums: FloatArray
    products: FloatArray


class Moments:
    """Sums and products of rows and their target, in blocks that can be forgotten."""

    __slots__ = ("_blocks", "columns")

    def __init__(self, columns: int) -> None:
        self.columns = columns
        self._blocks: list[_Block] = []

    @property
    def count(self) -> int:
        """Rows held."""
        return sum(block.count for block in self._blocks)

    def add(self, time_ms: int, rows: FloatArray, target: FloatArray) -> None:
        """Take in rows of shape (n, columns) and their targets (n,) of one moment."""
        joined = np.concatenate((rows, target[:, None]), axis=1)
        if not self._blocks or time_ms // _BLOCK_MS != self._blocks[-1].first_ms // _BLOCK_MS:
            size = self.columns + 1
            self._blocks.append(_Block(time_ms, 0, np.zeros(size), np.zeros((size, size))))
        block = self._blocks[-1]
        block.count += len(joined)
        block.sums += joined.sum(axis=0)
        block.products += joined.T @ joined

    def forget(self, before_ms: int) -> None:
        """Drop the blocks that hold anything from before a time."""
        self._blocks = [block for block in self._blocks if block.first_ms >= before_ms]

    def totals(self) -> tuple[int, FloatArray, FloatArray]:
        """Count, sums and products of everything held; the target is the last column."""
        size = self.columns + 1
        sums, products = np.zeros(size), np.zeros((size, size))
        for block in self._blocks:
            sums += block.sums
            products += block.products
        return self.count, sums, products

    def least_squares(self, penalty: FloatArray) -> FloatArray:
        """Coefficients of the raw columns under a ridge penalty per column; no intercept of its own."""
        _, _, products = self.totals()
        system = products[:-1, :-1] + np.diag(penalty)
        # A column nothing has moved yet (an hour that was not seen) must not make the system singular.
        system[np.diag_indices_from(system)] += 1e-9 * max(1.0, float(np.trace(system)) / len(system))
        solved: FloatArray = np.linalg.solve(system, products[:-1, -1]).astype(np.float64, copy=False)
        return solved


@dataclass(slots=True)
class _Fit:
    """One named row: its columns, coefficients and intercept per penalty, and the penalties' past errors."""

    columns: NDArray[np.int64]
    errors: FloatArray
    coefficients: FloatArray | None = None
    intercepts: FloatArray | None = None

    def predict(self, row: FloatArray) -> FloatArray:
        """y_hat per penalty and side; shape (penalties, 2)."""
        assert self.coefficients is not None
        assert self.intercepts is not None
        predicted: FloatArray = self.coefficients @ row[self.columns] + self.intercepts[:, None]
        return predicted


@dataclass(slots=True)
class RidgeRows:
    """Named ridge regressions of y over shared columns, both sides of a market pooled.

    `columns` maps each row's name to the indices of the columns it uses.
    """

    width: int
    columns: dict[str, NDArray[np.int64]]
    penalties: tuple[float, ...]
    windows: int = 0
    _moments: Moments = field(init=False)
    _fits: dict[str, _Fit] = field(init=False)

    def __post_init__(self) -> None:
        """Make sums and fits, empty."""
        self._moments = Moments(self.width)
        self._fits = {
            name: _Fit(columns, np.zeros(len(self.penalties))) for name, columns in self.columns.items()
        }

    @property
    def fitted(self) -> bool:
        """Whether enough windows were there at the last refit."""
        return all(fit.coefficients is not None for fit in self._fits.values())

    def predict(self, row: FloatArray) -> dict[str, FloatArray]:
        """y_hat of every named row for longs and shorts, by its best penalty so far.

        `row` has the shape (width, 2). Where errors are equal, as before any, the strongest penalty counts.
        """
        found = {}
        for name, fit in self._fits.items():
            best = len(fit.errors) - 1 - int(np.argmin(fit.errors[::-1]))
            found[name] = fit.predict(row)[best]
        return found

    def learn(self, time_ms: int, row: FloatArray, y: FloatArray) -> None:
        """Take in a window that has ended: the row it had at its beginning, and y of longs and shorts."""
        if self.fitted:
            for fit in self._fits.values():
                fit.errors += ((fit.predict(row) - y) ** 2).sum(axis=1)
        self._moments.add(time_ms, row.T, y)
        self.windows += 1

    def refit(self, time_ms: int) -> None:
        """Fit every row anew on the windows that ended by `time_ms`, of a year at most."""
        self._moments.forget(time_ms - YEAR_MS)
        count, sums, products = self._moments.totals()
        if count < 2 * MIN_WINDOWS:
            return
        mean = sums / count
        covered = products - count * np.outer(mean, mean)
        spread = np.sqrt(np.maximum(np.diag(covered), 0.0) / count)
        constant = spread[:-1] <= MIN_SPREAD * (1.0 + np.abs(mean[:-1]))
        scale = np.where(constant, np.inf, spread[:-1])
        system = covered[:-1, :-1] / np.outer(scale, scale)
        target = covered[:-1, -1] / scale
        for fit in self._fits.values():
            at = fit.columns
            part, right = system[np.ix_(at, at)], target[at]
            solved = np.stack(
                [np.linalg.solve(part + weight * np.eye(len(at)), right) for weight in self.penalties]
            )
            fit.coefficients = solved / scale[at]
            fit.intercepts = mean[-1] - fit.coefficients @ mean[at]
