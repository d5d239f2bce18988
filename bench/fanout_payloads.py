"""Snapshots of about 2, 10 and 30 KB as v1 messages, changing like a market's."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from liqstream.heatmap.price_grid import Grid
from liqstream.heatmap.quantise import QUANTISED_USD
from liqstream.heatmap.snapshot import HeatmapSnapshot

ROWS_BY_KB = {2: 30, 10: 162, 30: 492}


class Market:
    """A symbol of whose levels `changed_share`, to the nearest whole one, are drawn anew per snapshot."""

    def __init__(self, symbol: str, rows: int, *, changed_share: float = 0.05, seed: int = 1) -> None:
        self._rng = np.random.default_rng(seed)
        self._changed_share = changed_share
        grid = Grid(90_000.0, 50.0, rows)
        self._below = np.arange(rows) < rows // 2
        usd = self._draw(rows)
        self.snapshot = HeatmapSnapshot(
            symbol=symbol,
            timestamp_ms=1_766_932_200_000,
            epoch=1_766_932_200_000,
            seq=1,
            grid=grid,
            long=np.where(self._below, usd, 0),
            short=np.where(self._below, 0, usd),
            current_price=grid.price(rows // 2),
            positions_created=5,
            positions_consumed=2,
            stale=False,
            source="simulated",
        )

    def _draw(self, rows: int) -> np.ndarray[tuple[int, ...], np.dtype[np.int64]]:
        # Like real maps: most levels between 10 thousand and 100 million USD.
        return QUANTISED_USD[self._rng.integers(150, 620, rows)]

    def advance(self) -> HeatmapSnapshot:
        """The next snapshot."""
        rows = self.snapshot.grid.cells
        changed = self._rng.permutation(rows) < round(self._changed_share * rows)
        usd = self._draw(rows)
        self.snapshot = replace(
            self.snapshot,
            seq=self.snapshot.seq + 1,
            timestamp_ms=self.snapshot.timestamp_ms + 1000,
            long=np.where(changed & self._below, usd, self.snapshot.long),
            short=np.where(changed & ~self._below, usd, self.snapshot.short),
            current_price=self.snapshot.current_price + 0.1,
        )
        return self.snapshot
