"""liqstream/heatmap/snapshot_builder.py: a new number only when a reader would notice."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from liqstream.heatmap.price_grid import grid_over
from liqstream.heatmap.snapshot_builder import DataStatus, SnapshotBuilder
from liqstream.heatmap.symbol_state import ExchangeCells, SymbolState, add_up
from liqstream.model.density import LEVERAGE_GROUPS

GRID = grid_over(99.0, 101.0, step=0.1)
STATUS = DataStatus(1000, stale=False, source="live")


def cells_of(exchange: str, usd: float, price_usd: float = 100.05) -> ExchangeCells:
    levels = np.full((len(LEVERAGE_GROUPS), GRID.cells), usd)
    return ExchangeCells(exchange, price_usd, levels, levels.copy(), frozenset())


def state_of(*exchanges: ExchangeCells) -> SymbolState:
    state = add_up(exchanges, GRID)
    assert state is not None
    return state


@pytest.fixture
def builder() -> SnapshotBuilder:
    """Epoch 7, no snapshot yet."""
    return SnapshotBuilder(7, "tiered")


def test_a_state_becomes_a_snapshot(builder: SnapshotBuilder) -> None:
    """All of the state and of its data's status, as the first of its epoch."""
    state = state_of(cells_of("binance", 1e6))
    made = builder.snapshot_of("BTCUSDT", state, STATUS)
    assert (made.symbol, made.position, made.kernel) == ("BTCUSDT", (7, 1), "tiered")
    assert (made.timestamp_ms, made.stale, made.source) == (1000, False, "live")
    assert (made.grid, made.current_price) == (GRID, 100.05)
    assert made.long[0] == pytest.approx(5e6, rel=0.011)
    assert builder.last("BTCUSDT") is made
    assert builder.last("ETHUSDT") is None


def test_numbers_grow_only_with_what_a_reader_notices(builder: SnapshotBuilder) -> None:
    """Time alone gives the last snapshot again; levels and staleness make a new one."""
    state = state_of(cells_of("binance", 1e6))
    first = builder.snapshot_of("BTCUSDT", state, STATUS)
    assert builder.snapshot_of("BTCUSDT", state, replace(STATUS, time_ms=2000)) is first
    stale = builder.snapshot_of("BTCUSDT", state, replace(STATUS, stale=True))
    more = builder.snapshot_of("BTCUSDT", state_of(cells_of("binance", 2e6)), STATUS)
    assert [stale.seq, more.seq] == [2, 3]
    assert more.positions_created == np.count_nonzero(more.long) + np.count_nonzero(more.short)
    assert more.positions_consumed == 0


def test_time_never_runs_backwards(builder: SnapshotBuilder) -> None:
    """An exchange that falls away may take the newest data with it."""
    builder.snapshot_of("BTCUSDT", state_of(cells_of("binance", 1e6)), STATUS)
    later = builder.snapshot_of("BTCUSDT", state_of(cells_of("binance", 2e6)), replace(STATUS, time_ms=500))
    assert later.timestamp_ms == 1000


def test_a_symbol_that_returns_goes_on_with_its_numbers(builder: SnapshotBuilder) -> None:
    """Nobody is sent a number of this epoch twice; a new epoch begins at 1."""
    state = state_of(cells_of("binance", 1e6))
    builder.snapshot_of("BTCUSDT", state, STATUS)
    builder.snapshot_of("BTCUSDT", state_of(cells_of("binance", 2e6)), STATUS)
    builder.forget("BTCUSDT")
    assert builder.last("BTCUSDT") is None
    assert builder.snapshot_of("BTCUSDT", state, STATUS).position == (7, 3)
    builder.forget("BTCUSDT")
    builder.start_epoch(8)
    assert builder.snapshot_of("BTCUSDT", state, STATUS).position == (8, 1)


def test_a_new_epoch_numbers_anew(builder: SnapshotBuilder) -> None:
    """The last snapshot is its first, the next one its second."""
    builder.snapshot_of("BTCUSDT", state_of(cells_of("binance", 1e6)), STATUS)
    builder.start_epoch(9)
    again = builder.last("BTCUSDT")
    assert again is not None
    assert again.position == (9, 1)
    assert builder.snapshot_of("BTCUSDT", state_of(cells_of("binance", 2e6)), STATUS).position == (9, 2)


def test_some_exchanges_have_a_snapshot_of_their_own(builder: SnapshotBuilder) -> None:
    """With the number and grid of the whole one; levels, price, status and changes are theirs."""
    quiet = cells_of("bybit", 1e5, 100.45)
    builder.snapshot_of("BTCUSDT", state_of(cells_of("binance", 1e6), quiet), STATUS)
    whole = builder.snapshot_of("BTCUSDT", state_of(cells_of("binance", 2e6), quiet), STATUS)
    status = DataStatus(900, stale=True, source="replay")
    found = builder.snapshot_of_exchanges("BTCUSDT", ["bybit"], status)
    assert found is not None
    alone, mix = found
    assert (alone.position, alone.grid) == (whole.position, GRID)
    assert (alone.current_price, alone.timestamp_ms, alone.stale, alone.source) == (
        100.45,
        900,
        True,
        "replay",
    )
    assert (alone.positions_created, alone.positions_consumed) == (0, 0)
    assert mix.long_usd[:, 0].tolist() == [1e5] * len(LEVERAGE_GROUPS)
    assert builder.mix_of("BTCUSDT").long_usd[0, 0] == 2.1e6
    assert builder.snapshot_of_exchanges("BTCUSDT", ["okx"], status) is None
