"""The layer's sentence and its history, on made looks; the rest on a real server
(test_http/test_positions_api.py)."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from liqstream.heatmap.price_grid import Grid
from liqstream.heatmap.quantise import dequantise
from liqstream.ingest.measured_layer import KERNEL, LOOK_KEPT_MS, MEASURED, _filled, sentence
from liqstream.positions.measured import levels_of
from liqstream.store.positions import CELL_WIDTH, CellColumns
from tests.support.lqh1 import COLUMN_MS, matrix
from tests.test_positions.test_measured import known

GRID = Grid(90_000.0, 100.0, 200)
T0_MS = 1_780_000_200_000


def facts(**changed: Any) -> dict[str, Any]:
    """A layer's figures."""
    coverage = {"long": 0.38, "short": 0.31, "if_one_sided": True, "unsound": False, "partial": False}
    return {"coverage": coverage | changed, "age": {"median_ms": 240_000.0}, "deadline_factor": 1.0}


def test_coverage_and_age_in_words() -> None:
    """The "if" stands until it is proved; what is partial or unsound is called so."""
    assert sentence(facts()) == (
        "38 % of longs, 31 % of shorts, if open interest counts one side; median age 4 min"
    )
    assert sentence(facts(if_one_sided=False)) == "38 % of longs, 31 % of shorts; median age 4 min"
    assert "a partial view: a side is below 20 %" in sentence(facts(partial=True))
    assert "more than there can be" in sentence(facts(unsound=True))
    assert sentence(facts() | {"age": {"median_ms": None}}).endswith("one side")
    late = sentence(facts() | {"deadline_factor": 1.5})
    assert late.endswith("median age 4 min; reads take 1.5 times as long as they should")


def base(columns: int, gap: int | None = None) -> Any:
    """An estimate's history that stands everywhere; the price is 100,000."""
    full = np.full((columns, GRID.cells), 300, dtype=np.uint16)
    candles = np.full((4, columns), 100_000.0)
    if gap is not None:
        candles[:, gap] = np.nan
    return matrix(full, full, candles, GRID)


def looks(*times_ms: int) -> CellColumns:
    """A long of 1 M USD at about 95,000 and a short of 2 M at about 105,000 at each look."""
    cells = np.floor(np.log([95_050.0, 105_050.0]) / CELL_WIDTH).astype(np.int64)
    count = len(times_ms)
    return CellColumns(
        np.repeat(times_ms, 2),
        np.tile(cells, count),
        np.tile([1e6, 0.0], count),
        np.tile([0.0, 2e6], count),
        np.array(times_ms, dtype=np.int64),
    )


def test_columns_show_the_last_look_before_their_end() -> None:
    """Not an older one, nothing in a gap, and never the estimate."""
    stored = looks(T0_MS + COLUMN_MS // 2, T0_MS + 3 * COLUMN_MS - 1)
    filled = _filled(base(6, gap=2), stored, None)
    shown = [int(dequantise(filled.long[column]).sum()) for column in range(6)]
    assert shown[0] == pytest.approx(1e6, rel=0.02)
    assert shown[1] == pytest.approx(1e6, rel=0.02)
    assert shown[2] == 0
    assert shown[3] == pytest.approx(1e6, rel=0.02)
    assert shown[5] == 0
    assert LOOK_KEPT_MS == COLUMN_MS
    at = np.flatnonzero(filled.short[0])
    assert abs(GRID.price(int(at[0])) - 105_050) < 200
    assert (filled.exchanges, filled.kernel) == ((MEASURED,), KERNEL)


def test_the_column_that_is_open_shows_what_is_measured_now() -> None:
    """Whatever was looked at before."""
    levels = levels_of(known(), "BTC", 9000, None)
    assert levels is not None
    wide = Grid(1000.0, 500.0, 300)
    candles = np.full((4, 2), 60_000.0)
    empty = np.zeros((2, wide.cells), dtype=np.uint16)
    filled = _filled(matrix(empty, empty, candles, wide), looks(), levels)
    assert filled.long[0].sum() == 0
    total = int(dequantise(filled.long[1]).sum())
    assert total == pytest.approx(np.nansum(levels.usd), rel=0.02)
