"""Margin tables: rates, deductions, and tables that are none."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from liqstream.positions.margin_tables import read_margin_tables, table_of
from tests.support.account_bodies import BTC, META, TIERS, margin


def test_the_tables_of_an_answer() -> None:
    """Tiered ones by their id; an id below 50 is a single tier of that leverage."""
    tables = read_margin_tables(META)
    assert tables["BTC"].rate.tolist() == [1 / 80, 1 / 40]
    assert tables["BTC"].deduction.tolist() == [0, 150e6 / 80]
    assert tables["ATOM"].rate.tolist() == [1 / 10]


@given(st.sampled_from(sorted(TIERS)), st.floats(0, 1e10))
def test_the_margin_is_that_of_each_part_at_its_own_rate(coin: str, notional: float) -> None:
    """And continuous at every bound."""
    assert table_of(TIERS[coin]).margin(notional) == pytest.approx(margin(TIERS[coin], notional), rel=1e-9)


@pytest.mark.parametrize("tiers", [[], [(5.0, 40.0)], [(0.0, 20.0), (1.0, 40.0)], [(0.0, 0.5)]])
def test_tables_that_are_none(tiers: list[tuple[float, float]]) -> None:
    """They must begin at 0 and allow ever less."""
    with pytest.raises(ValueError, match="begins at 0"):
        table_of(tiers)


@pytest.mark.parametrize("tiers", [[(0.0, 1e308), (1e8, 15.0)], [(0.0, 40.0), (1e300, 15.0)]])
def test_tables_that_nobody_can_mean(tiers: list[tuple[float, float]]) -> None:
    """Refused before anything is worked out of them."""
    with pytest.raises(ValueError, match="at most 5000x"):
        table_of(tiers)


@pytest.mark.parametrize("meta", [None, [], "x", {}, {"universe": None}, {"universe": 5}])
def test_an_answer_without_tables_is_refused(meta: object) -> None:
    """As one of another form."""
    with pytest.raises((KeyError, TypeError, ValueError)):
        read_margin_tables(meta)


def test_a_coin_with_an_unreadable_table_has_none() -> None:
    """The others have theirs."""
    listed: list[Any] = [*META["universe"], {"name": "X", "marginTableId": 77}]
    broken = {"universe": listed, "marginTables": []}
    assert set(read_margin_tables(broken)) == {"ATOM"}
    assert table_of(BTC).margin(0) == 0
