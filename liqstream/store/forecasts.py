"""Forecasts as they were issued: written once, never changed, read back to be served and graded."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import astuple, dataclass

import duckdb

_COLUMNS = "symbol, horizon, time_ms, exchanges, method, content"
_SAME = "stored.symbol = ? AND stored.horizon = ? AND stored.time_ms = ?"


@dataclass(frozen=True, slots=True)
class StoredForecast:
    """One horizon's forecast for the window that begins at `time_ms` (UTC epoch ms).

    `exchanges` are comma-separated, `content` is JSON of what was issued.
    """

    symbol: str
    horizon: str
    time_ms: int
    exchanges: str
    method: str
    content: str


def insert_forecasts(connection: duckdb.DuckDBPyConnection, forecasts: Sequence[StoredForecast]) -> int:
    """Write in one transaction those of a symbol, horizon and time not stored yet; returns how many.

    Raises duckdb.Error; then none is stored.
    """
    new = 0
    connection.begin()
    try:
        for forecast in forecasts:
            key = (forecast.symbol, forecast.horizon, forecast.time_ms)
            row = connection.execute(
                f"INSERT INTO forecasts SELECT ?, ?, ?, ?, ?, ? WHERE NOT EXISTS "  # noqa: S608  names are ours
                f"(SELECT 1 FROM forecasts AS stored WHERE {_SAME})",
                [*astuple(forecast), *key],
            ).fetchone()
            new += int(row[0]) if row else 0
        connection.commit()
    except BaseException:
        connection.rollback()
        raise
    return new


def read_forecasts(
    cursor: duckdb.DuckDBPyConnection, symbol: str, *, start_ms: int, end_ms: int
) -> list[StoredForecast]:
    """A symbol's forecasts issued in [start_ms, end_ms), ascending by time."""
    rows = cursor.execute(
        f"SELECT {_COLUMNS} FROM forecasts WHERE symbol = ? AND time_ms >= ? AND time_ms < ? "  # noqa: S608
        "ORDER BY time_ms, horizon",
        [symbol, start_ms, end_ms],
    ).fetchall()
    return [StoredForecast(*row) for row in rows]
