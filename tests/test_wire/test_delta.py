"""A delta takes a holder of its base to the snapshot, and is none where indices would not mean the same."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from liqstream.heatmap.price_grid import Grid
from liqstream.wire.delta import delta_data
from tests.support.snapshots import first_snapshot, next_snapshot


@given(st.floats(0, 1), st.integers(0, 99))
def test_a_delta_takes_the_base_to_the_snapshot(share: float, seed: int) -> None:
    """Only levels that differ are named, with what they are now."""
    base = first_snapshot(seed=seed)
    snapshot = next_snapshot(base, changed_share=share, seed=seed)
    data = delta_data(base, snapshot)
    assert data is not None
    for side in ("long", "short"):
        usd = getattr(base, side).copy()
        assert np.all(usd[data[side]["i"]] != data[side]["v"])
        usd[data[side]["i"]] = data[side]["v"]
        assert np.array_equal(usd, getattr(snapshot, side))
    assert data["current_price"] == snapshot.current_price


def test_no_delta_across_generators_grids_or_kernels() -> None:
    """Level i of another grid is another price, other snapshots are not held, no delta names its kernel."""
    base = first_snapshot()
    snapshot = next_snapshot(base)
    assert delta_data(base, replace(snapshot, epoch=2)) is None
    assert delta_data(base, replace(snapshot, kernel="broad")) is None
    assert delta_data(base, replace(snapshot, grid=Grid(90_050.0, 50.0, 300))) is None
