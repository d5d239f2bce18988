"""liqstream/heatmap/symbol_state.py: exchanges added up, all alike, and what changed between two states."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from liqstream.heatmap.price_grid import grid_over
from liqstream.heatmap.quantise import dequantise
from liqstream.heatmap.symbol_state import ExchangeCells, SymbolState, add_up, changes
from liqstream.model.density import LEVERAGE_GROUPS

GRID = grid_over(99.0, 101.0, step=0.1)
SHAPE = (len(LEVERAGE_GROUPS), GRID.cells)
PRICE = 100.05


def cells_of(number: int, price_usd: float = PRICE, *flags: str) -> ExchangeCells:
    """An exchange with USD on both sides, no two exchanges alike."""
    rng = np.random.default_rng(number)
    below = GRID.prices() < PRICE
    longs, shorts = rng.exponential(1e6, (2, *SHAPE))
    return ExchangeCells(f"x{number}", price_usd, longs * below, shorts * ~below, frozenset(flags))


def added(*exchanges: ExchangeCells) -> SymbolState:
    state = add_up(exchanges, GRID)
    assert state is not None
    return state


@given(order=st.permutations(range(4)))
def test_the_order_of_exchanges_does_not_matter(order: list[int]) -> None:
    """Each counts once and alike, in whatever order they come: the sum is that of their own levels."""
    exchanges = [cells_of(number) for number in range(4)]
    state = added(*(exchanges[number] for number in order))
    np.testing.assert_allclose(state.mix.long_usd, sum(one.long_usd for one in exchanges))
    np.testing.assert_allclose(state.mix.short_usd, sum(one.short_usd for one in exchanges))
    np.testing.assert_allclose(dequantise(state.long), state.mix.long_usd.sum(axis=0), rtol=0.011, atol=500)
    np.testing.assert_allclose(dequantise(state.short), state.mix.short_usd.sum(axis=0), rtol=0.011, atol=500)


def test_the_price_is_that_of_the_first_exchange_that_has_one() -> None:
    """And each side ends at it, whatever the other exchanges' prices are."""
    state = added(cells_of(1, math.nan), cells_of(2, 99.65), cells_of(3, PRICE))
    assert state.price_usd == 99.65
    assert not state.long[GRID.prices() >= 99.65].any()
    whole = cells_of(1).long_usd + cells_of(2).long_usd + cells_of(3).long_usd
    assert state.mix.long_usd.sum() == pytest.approx(whole.sum())
    assert add_up([cells_of(1, math.nan)], GRID) is None


def test_flags_of_all_exchanges_come_in_their_fixed_order() -> None:
    """One exchange's fault is the map's."""
    state = added(cells_of(1, PRICE, "calibrating", "gap"), cells_of(2, PRICE, "no_open_interest", "gap"))
    assert state.quality == ("no_open_interest", "gap", "calibrating")


def test_some_exchanges_alone_are_a_state_of_their_own() -> None:
    """Levels, price and flags are theirs; the grid is the same. None without a price among them."""
    first, second = cells_of(1, PRICE, "gap"), cells_of(2, 100.45)
    both = added(first, second, cells_of(3, math.nan))
    alone = both.only(["x2"])
    assert alone is not None
    np.testing.assert_array_equal(alone.long, added(second).long)
    assert (alone.price_usd, alone.quality, alone.mix.grid) == (100.45, (), GRID)
    assert both.only(["x3"]) is None
    assert both.only([]) is None


def test_cells_that_gained_and_cells_that_were_swept_are_counted() -> None:
    """On both sides; on another grid, and before the first state, nothing is known to have changed."""
    exchange = cells_of(1)
    longs, shorts = exchange.long_usd.copy(), exchange.short_usd.copy()
    longs[:, 0] *= 2
    longs[:, 1] = 0
    shorts[:, -1] = 0
    shorts[:, -2] /= 2
    before, after = added(exchange), added(replace(exchange, long_usd=longs, short_usd=shorts))
    assert changes(before, after) == (1, 2)
    assert changes(None, after) == (0, 0)
    moved = add_up([exchange], replace(GRID, p0=GRID.p0 + 0.1))
    assert moved is not None
    assert changes(before, moved) == (0, 0)
