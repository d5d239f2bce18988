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
    sides: list[NDArray[np.int64]] = []
    if head.get("packed"):
        *sides, rest = unpacked(rest, columns, rows, len(head.get("groups", "1")))
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


def unpacked(
    rest: NDArray[np.int64], columns: int, height: int, groups: int
) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.int64]]:
    """Longs, shorts, each of shape (columns, height), and what comes behind them; cell by cell."""
    flags = [bit for byte in rest[: -(-columns * height // 8)] for bit in f"{byte:08b}"]
    rest = rest[-(-columns * height // 8) :]
    lines = columns * groups
    moved = [
        _unzigzag(int(low + 256 * high)) for low, high in zip(rest, rest[lines : 2 * lines], strict=False)
    ]
    splits = np.cumsum(np.array(moved[:lines]).reshape(columns, groups), axis=0)
    values, rows = [int(each) for each in rest[2 * lines :]], height // groups
    taken = 0
    steps = np.zeros((columns + 1, height + 1), np.int64)
    sides = np.zeros((2, columns, height), np.int64)
    for column in range(columns):
        for at in range(height):
            is_lowest = at % rows == 0
            before = int(steps[column, at + 1])
            below, below_before = (0 if is_lowest else int(steps[column + now, at]) for now in (1, 0))
            takes_below = below > 0 and (before == 0 or abs(below - below_before) > 16)
            step = below if takes_below else before
            if flags[column * height + at] == "1":
                value, taken = values[taken], taken + 1
                if value == 255:
                    value, taken = values[taken] + 256 * values[taken + 1], taken + 2
                step = step + _unzigzag(value) if value else 0
            steps[column + 1, at + 1] = step
            is_short = at % rows >= splits[column, at // rows]
            sides[int(is_short), column, at] = step
    return sides[0], sides[1], rest[2 * lines + taken :]


def _unzigzag(value: int) -> int:
    return -(value + 1) // 2 if value % 2 else value // 2
