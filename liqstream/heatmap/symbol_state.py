"""What stands in one symbol's markets at one moment, venue by venue, so that any of them can be told."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass

import numpy as np

from liqstream.heatmap.density import LEVERAGE_GROUPS
from liqstream.heatmap.ladder import RungArray
from liqstream.heatmap.quality import QUALITY_FLAGS
from liqstream.heatmap.wire_state import Grid, keep_to_their_side, wire_state
from liqstream.market import FloatArray


@dataclass(frozen=True, slots=True, eq=False)
class LevelMix:
    """USD per (leverage group, grid level) of each side: what stands where, and at which leverage."""

    grid: Grid
    groups: tuple[str, ...]
    long_usd: FloatArray
    short_usd: FloatArray


@dataclass(frozen=True, slots=True, eq=False)
class VenueCells:
    """One venue's USD per (leverage group, grid level), its price (NaN: unknown) and its faults."""

    exchange: str
    price_usd: float
    long_usd: FloatArray
    short_usd: FloatArray
    flags: frozenset[str]


@dataclass(frozen=True, slots=True, eq=False)
class SymbolState:
    """`venues` added up at the price of the first of them that has one."""

    venues: tuple[VenueCells, ...]
    price_usd: float
    mix: LevelMix
    long: RungArray
    short: RungArray
    quality: tuple[str, ...]

    def only(self, exchanges: Collection[str]) -> SymbolState | None:
        """The state of some venues on the same grid; None if none of them has a price."""
        return add_up([venue for venue in self.venues if venue.exchange in exchanges], self.mix.grid)


def add_up(venues: Sequence[VenueCells], grid: Grid) -> SymbolState | None:
    """Venues, the ones whose price is to be trusted first, as one state; None if none has a price."""
    price_usd = next((venue.price_usd for venue in venues if not np.isnan(venue.price_usd)), None)
    if price_usd is None:
        return None
    long_usd = np.zeros((len(LEVERAGE_GROUPS), grid.rows))
    short_usd = np.zeros_like(long_usd)
    for venue in venues:
        long_usd += venue.long_usd
        short_usd += venue.short_usd
    keep_to_their_side(long_usd, short_usd, grid, price_usd)
    flags = frozenset[str]().union(*(venue.flags for venue in venues))
    return SymbolState(
        tuple(venues),
        price_usd,
        LevelMix(grid, LEVERAGE_GROUPS, long_usd, short_usd),
        *wire_state(long_usd, short_usd),
        tuple(flag for flag in QUALITY_FLAGS if flag in flags),
    )


def changes(previous: SymbolState | None, state: SymbolState) -> tuple[int, int]:
    """Cells that gained, and cells that were swept, since the previous state of the same grid."""
    if previous is None or previous.mix.grid != state.mix.grid:
        return 0, 0
    gained = np.count_nonzero(state.long > previous.long) + np.count_nonzero(state.short > previous.short)
    swept = np.count_nonzero((previous.long > 0) & (state.long == 0)) + np.count_nonzero(
        (previous.short > 0) & (state.short == 0)
    )
    return int(gained), int(swept)
