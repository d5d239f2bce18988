"""Rows of an array without the empty ends of each: of a book's many bins, what stands fills few."""

from __future__ import annotations

import numpy as np

from liqstream.market import FloatArray


class PackedRows:
    """An array of shape (rows, columns) whose rows are kept from their first figure to their last one."""

    __slots__ = ("_columns", "_rows")

    def __init__(self, array: FloatArray) -> None:
        self._columns = array.shape[1]
        self._rows: list[tuple[int, FloatArray]] = []
        for row in array:
            filled = np.flatnonzero(row)
            first, end = (int(filled[0]), int(filled[-1]) + 1) if len(filled) else (0, 0)
            self._rows.append((first, row[first:end].copy()))

    @property
    def nbytes(self) -> int:
        """Of the figures that are kept."""
        return sum(figures.nbytes for _, figures in self._rows)

    def unpacked(self) -> FloatArray:
        """The array as it was, to the bit; the caller's own."""
        array = np.zeros((len(self._rows), self._columns))
        for row, (first, figures) in zip(array, self._rows, strict=True):
            row[first : first + len(figures)] = figures
        return array
