"""liqstream/heatmap/market_table.py: figures rounded to what is shown, and changes between tables."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest

from liqstream.heatmap.market_table import (
    FIELDS,
    MarketTable,
    fixed,
    map_figures,
    percent_change,
    price_figure,
    usd_figure,
)
from liqstream.heatmap.price_grid import Grid
from tests.support.market_tables import table


def test_changes_lead_from_one_table_to_the_next() -> None:
    """Only columns with a change, only the rows that changed; rows are the same table by market."""
    first = table(1, price=[98_000, 3000.5], venues=[["binance"], ["okx"]])
    second = table(2, price=[98_000, 3001], venues=[["binance"], ["binance", "okx"]], stale=[True, False])
    changes = second.changes(first)
    assert changes == {
        "price": {"i": [1], "v": [3001]},
        "venues": {"i": [1], "v": [["binance", "okx"]]},
        "stale": {"i": [0], "v": [True]},
    }
    assert first.changes(first) == {}
    (btc, _) = second.rows()
    assert list(btc) == ["symbol", *FIELDS]
    assert (btc["symbol"], btc["price"], btc["stale"], btc["funding"]) == ("BTCUSDT", 98_000, True, None)
    assert MarketTable(5, 9 * first.epoch, 1, (), dict.fromkeys(FIELDS, ())).position > first.position


@pytest.mark.parametrize(
    ("figure", "shown"),
    [
        (price_figure(98_123.456789), 98_123.46),
        (price_figure(0.000012345678), 0.00001234568),
        (price_figure(98_000.0), 98_000),
        (price_figure(None), None),
        (usd_figure(12_345_678.0), 12_300_000),
        (usd_figure(math.nan), None),
        (usd_figure(math.inf), None),
        (usd_figure(0.0), 0),
        (fixed(-0.12345, 2), -0.12),
        (percent_change(110.0, 100.0), 10),
        (percent_change(100.04, 100.0), 0),
        (percent_change(1.0, 0.0), None),
        (percent_change(None, 1.0), None),
    ],
)
def test_figures_are_rounded_to_what_is_shown(figure: Any, shown: Any) -> None:
    """Whole numbers are ints, as in all of the stream; what is not known is None."""
    assert figure == shown
    assert type(figure) is type(shown)


def test_a_map_s_figures_are_of_its_clusters() -> None:
    """The next big one above and below, and the imbalance within 2 and 5 %."""
    grid = Grid(90.0, 0.5, 41)
    long_usd, short_usd = np.zeros(41, dtype=np.int64), np.zeros(41, dtype=np.int64)
    long_usd[16], short_usd[22], short_usd[28] = 3_000_000, 1_000_000, 5_000_000
    assert map_figures(grid, long_usd, short_usd, 100.0) == {
        "above_price": 101,
        "above_usd": 1_000_000,
        "below_price": 98,
        "below_usd": 3_000_000,
        "imbalance_2": -0.5,
        "imbalance_5": 0.33,
    }
    nothing = map_figures(grid, long_usd * 0, short_usd * 0, 100.0)
    assert set(nothing.values()) == {None}
