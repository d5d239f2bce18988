"""The liquidation price: where an account's value is its maintenance margin.

    isolated   P = -(rawUsd + d) / (s - l |s|)
    cross, i   P = -(totalRawUsd + d_i + sum over j != i of v_j) / (s_i - l_i |s_i|)
               v_j = s_j m_j - l_j |s_j| m_j + d_j

s is the signed size, m the marks, l and d those of a tier: of the others the one at m_j, of the solved
position the one of |s| P. The margin is the largest of its tiers' lines, so value less margin is the least
of lines that all rise with the price (a long) or all fall (a short): its root is the highest or the lowest
of theirs, and no tier has to be tried. https://hyperliquid.gitbook.io/hyperliquid-docs/trading/liquidations
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from liqstream.market import FloatArray
from liqstream.positions.margin_tables import MarginTable

IntArray = NDArray[np.integer]

HIGHEST = 1e15
"""USD; a level above it, like one at or below 0, is none."""


class MarginColumns:
    """The tables of several coins as columns, for many positions at once: row i is `tables[i]`.

    Shorter tables repeat their last tier.
    """

    def __init__(self, tables: Sequence[MarginTable]) -> None:
        tiers = max((len(table.rate) for table in tables), default=1)
        self.rate = np.array([_padded(table.rate, tiers) for table in tables]).reshape(-1, tiers)
        self.deduction = np.array([_padded(table.deduction, tiers) for table in tables]).reshape(-1, tiers)

    def liquidation_prices(self, table: IntArray, size: FloatArray, constant: FloatArray) -> FloatArray:
        """Prices in USD, NaN where there is none; every argument has shape (n,).

        `table` are rows of tables, `size` signed sizes in base coin; `constant` is rawUsd of an isolated
        position, or totalRawUsd with the sum over the account's other positions.
        """
        rate, deduction = self.rate[table], self.deduction[table]
        slope = size[:, None] - rate * np.abs(size)[:, None]
        with np.errstate(divide="ignore", invalid="ignore"):
            roots = -(constant[:, None] + deduction) / slope
        prices = np.where(size > 0, roots.max(axis=1), roots.min(axis=1))
        sound = (prices > 0) & (prices <= HIGHEST) & (size != 0)
        found: FloatArray = np.where(sound, prices, np.nan)
        return found

    def contributions(self, table: IntArray, size: FloatArray, mark: FloatArray) -> FloatArray:
        """s m - l |s| m + d of each position, USD: what it adds to the other positions' constant."""
        notional = np.abs(size) * mark
        margin = (self.rate[table] * notional[:, None] - self.deduction[table]).max(axis=1)
        added: FloatArray = size * mark - margin
        return added


def _padded(values: FloatArray, tiers: int) -> FloatArray:
    padded: FloatArray = np.pad(values, (0, tiers - len(values)), mode="edge")
    return padded


def liquidation_price(size: float, constant: float, table: MarginTable) -> float | None:
    """One position's level in USD (see MarginColumns.liquidation_prices), None where there is none."""
    columns = MarginColumns([table])
    found = columns.liquidation_prices(np.zeros(1, dtype=np.intp), np.array([size]), np.array([constant]))
    return None if np.isnan(found[0]) else float(found[0])
