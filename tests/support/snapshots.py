"""Snapshots for tests of the wire: small maps that change as much as asked."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from liqstream.heatmap.price_grid import Grid
from liqstream.heatmap.quantise import QUANTISED_USD
from liqstream.heatmap.snapshot import HeatmapSnapshot

GRID = Grid(90_000.0, 50.0, 300)


def first_snapshot(
    symbol: str = "BTCUSDT", *, epoch: int = 1, seq: int = 1, seed: int = 0, grid: Grid = GRID
) -> HeatmapSnapshot:
    """A map with longs in its lower and shorts in its upper half."""
    rng = np.random.default_rng(seed)
    usd = QUANTISED_USD[rng.integers(1, 400, grid.cells)]
    rows = np.arange(grid.cells)
    return HeatmapSnapshot(
        symbol=symbol,
        timestamp_ms=1_766_932_200_000 + seq * 1000,
        epoch=epoch,
        seq=seq,
        grid=grid,
        long=np.where(rows < grid.cells // 2, usd, 0),
        short=np.where(rows >= grid.cells // 2, usd, 0),
        current_price=grid.price(grid.cells // 2),
        positions_created=3,
        positions_consumed=1,
        stale=False,
        source="simulated",
    )


def next_snapshot(
    previous: HeatmapSnapshot, *, changed_share: float = 0.05, seed: int = 0
) -> HeatmapSnapshot:
    """The snapshot after `previous`: one seq on, one second on, a share of its levels different."""
    rng = np.random.default_rng((previous.seq, seed))
    changed = rng.random(previous.grid.cells) < changed_share
    usd = QUANTISED_USD[rng.integers(1, 400, previous.grid.cells)]
    rows = np.arange(previous.grid.cells)
    below = rows < previous.grid.cells // 2
    return replace(
        previous,
        seq=previous.seq + 1,
        timestamp_ms=previous.timestamp_ms + 1000,
        long=np.where(changed & below, usd, previous.long),
        short=np.where(changed & ~below, usd, previous.short),
        current_price=previous.current_price + 0.5,
    )


def series(symbol: str, count: int, *, epoch: int = 1, seed: int = 0) -> list[HeatmapSnapshot]:
    """`count` snapshots of one symbol, seq 1 onwards."""
    made = [first_snapshot(symbol, epoch=epoch, seed=seed)]
    while len(made) < count:
        made.append(next_snapshot(made[-1], seed=seed))
    return made
