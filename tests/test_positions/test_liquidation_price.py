"""The liquidation price, beside the documentation's example and a bisection that knows no tiers' formulas."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from liqstream.positions.liquidation_price import HIGHEST, MarginColumns, liquidation_price
from liqstream.positions.margin_tables import table_of
from tests.support.account_bodies import BTC, TIERS, Held, level


def test_the_documented_example() -> None:
    """A long of .0335 with rawUsd -95.059824 at 50x is liquidated at 2866.27."""
    found = liquidation_price(0.0335, -95.059824, table_of([(0.0, 50.0)]))
    assert found == pytest.approx(2866.26936529, abs=1e-3)


@given(
    st.sampled_from(sorted(TIERS)),
    st.booleans(),
    st.floats(1e3, 1e9),
    st.floats(0.5, 5e4),
    st.floats(-0.2, 1.5),
)
def test_a_level_is_where_value_and_margin_meet(
    coin: str, is_long: bool, notional: float, mark: float, share: float
) -> None:
    """Longs and shorts, in every tier, and none where there is none."""
    size = notional / mark * (1 if is_long else -1)
    raw = share * notional - size * mark
    found = liquidation_price(size, raw, table_of(TIERS[coin]))
    expected = level(Held(coin, size, mark, mark, raw), (), 0.0)
    if expected is None or not 1e-6 < expected < HIGHEST / 10:
        return
    assert found == pytest.approx(expected, rel=1e-6)


def test_levels_that_are_none() -> None:
    """A long that owes nothing, and a short with more than anything could cost."""
    assert liquidation_price(1.0, 0.0, table_of(BTC)) is None
    assert liquidation_price(1.0, 5.0, table_of(BTC)) is None
    assert liquidation_price(-1.0, 2e15 * 1.1, table_of(BTC)) is None
    assert liquidation_price(-1.0, -5.0, table_of(BTC)) is None


def test_a_level_one_tier_above_the_present_size_is_solved_there() -> None:
    """A short of 149 M USD is liquidated where it is worth more than 150 M."""
    size = -149e6 / 1e5
    raw = 149e6 * 1.08
    found = liquidation_price(size, raw, table_of(BTC))
    assert found is not None
    assert abs(size) * found > 150e6
    rate, deduction = 1 / 40, 150e6 / 80
    assert found == pytest.approx(-(raw + deduction) / (size - rate * abs(size)))
    in_first_tier = liquidation_price(size, raw, table_of(BTC[:1]))
    assert in_first_tier is not None
    assert found < in_first_tier


def test_many_at_once_are_each_as_alone() -> None:
    """Tables of different lengths beside each other."""
    tables = [table_of(TIERS[coin]) for coin in ("BTC", "ATOM", "ETH")]
    columns = MarginColumns(tables)
    size, constant = np.array([10.0, -500.0, 40_000.0]), np.array([-9e5, 6e3, -1.2e8])
    found = columns.liquidation_prices(np.arange(3), size, constant)
    for row, table in enumerate(tables):
        alone = liquidation_price(float(size[row]), float(constant[row]), table)
        assert alone is not None
        assert math.isclose(found[row], alone)
