"""The levels of one symbol at one moment, by exchange, so that a map of any of them can be made."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass

import numpy as np

from liqstream.heatmap.price_grid import Grid, keep_to_their_side, quantised_levels
from liqstream.heatmap.quantise import QuantisedArray, UsdArray
from liqstream.market import FloatArray
from liqstream.market.data_quality import QUALITY_FLAGS
from liqstream.model.density import LEVERAGE_GROUPS


@dataclass(frozen=True, slots=True, eq=False)
class LevelMix:
    """The leverage mix: USD of each side by leverage group, shape (groups, cells of `grid`)."""

    grid: Grid
    groups: tuple[str, ...]
    long_usd: FloatArray
    short_usd: FloatArray


@dataclass(frozen=True, slots=True, eq=False)
class LevelsNow:
    """A symbol's levels on their grid, quantised USD per cell, and its price in USD."""

    grid: Grid
    long_usd: UsdArray
    short_usd: UsdArray
    price_usd: float


@dataclass(frozen=True, slots=True, eq=False)
class ExchangeCells:
    """One exchange's USD, shape (leverage groups, cells), its price (NaN: unknown) and its quality flags."""

    exchange: str
    price_usd: float
    long_usd: FloatArray
    short_usd: FloatArray
    flags: frozenset[str]


@dataclass(frozen=True, slots=True, eq=False)
class SymbolState:
    """`exchanges` added up at the price of the first of them that has one; `long`, `short` are quantised."""

    exchanges: tuple[ExchangeCells, ...]
    price_usd: float
    mix: LevelMix
    long: QuantisedArray
    short: QuantisedArray
    quality: tuple[str, ...]

    def only(self, exchanges: Collection[str]) -> SymbolState | None:
        """The state of some exchanges on the same grid; None if none of them has a price."""
        return add_up([cells for cells in self.exchanges if cells.exchange in exchanges], self.mix.grid)


def add_up(exchanges: Sequence[ExchangeCells], grid: Grid) -> SymbolState | None:
    """Exchanges, the ones whose price is to be trusted first, as one state; None if none has a price.

    All of them are on `grid`. Every exchange counts alike: only the price depends on their order.
    """
    price_usd = next((cells.price_usd for cells in exchanges if not np.isnan(cells.price_usd)), None)
    if price_usd is None:
        return None
    long_usd = np.zeros((len(LEVERAGE_GROUPS), grid.cells))
    short_usd = np.zeros_like(long_usd)
    for cells in exchanges:
        long_usd += cells.long_usd
        short_usd += cells.short_usd
    keep_to_their_side(long_usd, short_usd, grid, price_usd)
    flags = frozenset[str]().union(*(cells.flags for cells in exchanges))
    return SymbolState(
        tuple(exchanges),
        price_usd,
        LevelMix(grid, LEVERAGE_GROUPS, long_usd, short_usd),
        *quantised_levels(long_usd, short_usd),
        tuple(flag for flag in QUALITY_FLAGS if flag in flags),
    )


def changes(previous: SymbolState | None, state: SymbolState) -> tuple[int, int]:
    """Cells that gained, and cells that were swept, since the previous state; 0 without one on this grid."""
    if previous is None or previous.mix.grid != state.mix.grid:
        return 0, 0
    gained = np.count_nonzero(state.long > previous.long) + np.count_nonzero(state.short > previous.short)
    swept = np.count_nonzero((previous.long > 0) & (state.long == 0)) + np.count_nonzero(
        (previous.short > 0) & (state.short == 0)
    )
    return int(gained), int(swept)
