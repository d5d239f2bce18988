"""liqstream/simulator/positions.py: what is touched is found without looking at everything."""

from __future__ import annotations

from typing import Any

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from liqstream.simulator.positions import SLOTS, Positions
from liqstream.simulator.traders import Entries

SYMBOLS = 2
STEP = st.tuples(
    st.sampled_from(("open", "look", "look and retire", "retire one", "margin")),
    st.integers(0, SYMBOLS - 1),
    st.integers(1, 30),
    st.integers(1, 30),
)


def opened(positions: Positions, symbol: int, below: int, above: int) -> None:
    """One position that ends at 100 - below and 100 + above."""
    columns: dict[str, Any] = dict.fromkeys(Entries.__dataclass_fields__, np.ones(1))
    columns |= {"symbol": np.array([symbol]), "lower": np.array([1.0 - below / 100])}
    columns |= {"upper": np.array([1.0 + above / 100]), "is_long": np.array([True])}
    columns |= {"liquidation": columns["lower"]}
    one, price = np.ones(1), np.full(1, 100.0)
    positions.open(Entries(**columns), slice(0, 1), price=price, quantity=one, opened_ms=one, exit_ms=one)


@given(st.lists(STEP, min_size=30, max_size=60))
def test_what_is_touched_is_what_a_look_at_every_slot_finds(steps: list[tuple[str, int, int, int]]) -> None:
    """Whatever was opened and retired before, slots in ascending order."""
    positions = Positions(SYMBOLS)
    for kind, symbol, below, above in steps:
        if kind == "open":
            opened(positions, symbol, below, above)
        elif kind == "retire one":
            standing = np.flatnonzero(positions.lower > -np.inf)
            positions.retire(standing[below % len(standing) :][:1] if len(standing) else standing)
        elif kind == "margin":
            held = np.flatnonzero(positions.liquidation == positions.lower)[:below]
            positions.change_margin(held, np.full(len(held), above / 10), np.full(len(held), 100.0))
        else:
            low, high = np.full(SYMBOLS, 99.9), np.full(SYMBOLS, 100.1)
            low[symbol], high[symbol] = 100.0 - below, 100.0 + above
            hits = positions.touched(low, high)
            rows = np.arange(SYMBOLS * SLOTS) // SLOTS
            is_below, is_above = positions.lower >= low[rows], positions.upper <= high[rows]
            slots = np.flatnonzero(is_below | is_above)
            assert hits.slots.tolist() == slots.tolist()
            assert hits.below.tolist() == is_below[slots].tolist()
            ends = np.where(is_below, positions.lower, positions.upper)[slots]
            assert hits.trigger.tolist() == ends.tolist()
            if kind == "look and retire":
                positions.retire(hits.slots)


def test_a_level_that_margin_has_moved_is_found_there() -> None:
    """Nearer than any end was before."""
    positions = Positions(SYMBOLS)
    opened(positions, 0, 30, 20)
    positions.change_margin(np.array([0]), np.array([0.1]), np.array([100.0]))
    hits = positions.touched(np.array([96.0, 99.0]), np.array([101.0, 101.0]))
    assert (hits.slots.tolist(), hits.trigger.tolist()) == ([0], [97.0])
