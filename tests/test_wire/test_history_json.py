"""A history as JSON: the same as its columns say, in parts, and refused when it is too large."""

from __future__ import annotations

import numpy as np
import orjson
import pytest

from liqstream.heatmap.history_matrix import HistoryMatrix
from liqstream.heatmap.price_grid import grid_over
from liqstream.wire import history_json as module
from liqstream.wire.history_codec import history_columns
from liqstream.wire.history_json import HistoryTooLargeError, history_json


def matrix(columns: int = 40, cells: int = 50) -> HistoryMatrix:
    """Every cell filled."""
    grid = grid_over(1000.0, 1000.0 + 5 * (cells - 1), step=5.0)
    sides = np.full((2, columns, cells), 7, dtype=np.uint16)
    return HistoryMatrix(
        *("BTCUSDT", 300_000, 1_780_000_200_000, columns, grid, sides[0], sides[1], np.ones((4, columns))),
        *(("binance",), 7, 3, "simulated", False, ("gap",), "tiered", True),
    )


@pytest.mark.parametrize("columns", [0, 1, 40])
def test_it_says_what_the_columns_say(columns: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """However many parts it comes in."""
    monkeypatch.setattr(module, "_PART_BYTES", 1000)
    made = matrix(columns)
    parts = list(history_json(made))
    assert len(parts) == columns + 1
    answer = orjson.loads(b"".join(parts))
    assert answer["data"] == list(history_columns(made))
    assert answer["meta"]["columns"] == columns
    assert answer["meta"]["price_bin_size"] == 5


@pytest.mark.parametrize(("bound", "most"), [("MAX_LEVELS", 1000), ("MAX_BYTES", 80_000)])
def test_too_large_a_history_says_what_would_fit(
    bound: str, most: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An interval and a number of columns that do fit."""
    monkeypatch.setattr(module, "_PART_BYTES", 1000)
    monkeypatch.setattr(module, bound, most)
    with pytest.raises(HistoryTooLargeError, match=r"interval=15m, at most [0-9]+ columns") as refused:
        list(history_json(matrix()))
    fitting = int(str(refused.value).partition("at most ")[2].partition(" ")[0])
    assert 10 <= fitting < 40
    list(history_json(matrix(fitting)))
