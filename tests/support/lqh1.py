"""History matrices of tests, and "LQH1" read as docs/websocket_api.md describes it."""

from __future__ import annotations

from typing import Any

import numpy as np
import orjson
from numpy.typing import NDArray

from liqstream.heatmap.history_matrix import HistoryMatrix
from liqstream.heatmap.price_grid import Grid
from liqstream.market import FloatArray
from tests.support.markets import MINUTE_MS

COLUMN_MS = 15 * MINUTE_MS


def matrix(
    long: NDArray[np.uint16], short: NDArray[np.uint16], candles: FloatArray, grid: Grid
) -> HistoryMatrix:
    """A simulated BTCUSDT of quantised sides, shape (columns, cells), and candles, shape (4, columns)."""
    return HistoryMatrix(
        *("BTCUSDT", COLUMN_MS, 1_780_000_200_000, len(long), grid, long, short, candles, ("binance",)),
        *(7, 3, "simulated", False, ("gap",), "tiered", True),
    )


def decoded(body: bytes) -> tuple[dict[str, Any], NDArray[np.int64], NDArray[np.int64], FloatArray]:
    """The format read as its description says, without a line of the encoder."""
    assert body[:4] == b"LQH1"
    size = int.from_bytes(body[4:8], "little")
    head = orjson.loads(body[8 : 8 + size])
    columns, rows = head["columns"], head["rows"] * len(head.get("groups", "1"))
    rest = np.frombuffer(body, np.uint8, offset=8 + size).astype(np.int64)
    cells = columns * rows
    sides = []
    if head.get("signed"):
        plane, rest = rest[:cells].copy(), rest[cells:]
        large = np.flatnonzero(plane == 255)
        plane[large] = rest[0 : 2 * len(large) : 2] + 256 * rest[1 : 2 * len(large) : 2]
        rest = rest[2 * len(large) :]
        moved = np.where(plane % 2, -(plane + 1) // 2, plane // 2).reshape(columns, rows)
        both = np.cumsum(moved, axis=0)
        sides = [np.maximum(both, 0), np.maximum(-both, 0)]
    for _ in () if sides else ("long", "short"):
        moved = (rest[:cells] + 256 * rest[cells : 2 * cells]).reshape(columns, rows)
        sides.append(np.cumsum(moved, axis=0) % 65536)
        rest = rest[2 * cells :]
    figures = []
    for _ in range(4):
        value = sum(rest[plane * columns : (plane + 1) * columns] << (8 * plane) for plane in range(4))
        figures.append(np.where(value >= 2**31, value - 2**32, value))
        rest = rest[4 * columns :]
    assert len(rest) == 0
    candles = np.full((4, columns), np.nan)
    gaps = {column for first, count in head["gaps"] for column in range(first, first + count)}
    previous = 0
    for column in range(columns):
        if column in gaps:
            continue
        open_ = previous + int(figures[0][column])
        close = open_ + int(figures[3][column])
        ends = max(open_, close) + int(figures[1][column]), min(open_, close) - int(figures[2][column])
        candles[:, column] = np.array([open_, *ends, close]) * head["tick"]
        previous = close
    return head, sides[0], sides[1], candles
