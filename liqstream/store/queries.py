"""Bars and liquidations out of the tables, as columns."""

from __future__ import annotations

from collections.abc import Collection
from typing import Any

import duckdb
import numpy as np
from numpy.typing import NDArray

from liqstream.market import Bars, FloatArray, TimeArray
from liqstream.store.columns import FundingColumns, LiquidationColumns

EARLIEST_MS = -(2**62)
LATEST_MS = 2**62

Columns = dict[str, NDArray[Any]]


def fetch(cursor: duckdb.DuckDBPyConnection, sql: str, parameters: list[Any]) -> Columns:
    """A query's result as NumPy columns."""
    return cursor.execute(sql, parameters).fetchnumpy()


_BARS = """
SELECT open_time_ms, open, high, low, close,
       coalesce(volume_base, 'NaN') AS volume_base, coalesce(taker_buy_base, 'NaN') AS taker_buy_base
FROM candles
WHERE exchange = ? AND symbol = ? AND interval_ms = ? AND open_time_ms >= ? AND open_time_ms < ?
ORDER BY open_time_ms
"""

# A coarse bar counts as closed once the fine bar that ends it, or any later one, is there.
_AGGREGATED_BARS = """
SELECT open_time_ms - open_time_ms % $coarse AS open_time_ms,
       arg_min(open, open_time_ms) AS open, max(high) AS high, min(low) AS low,
       arg_max(close, open_time_ms) AS close,
       coalesce(sum(volume_base), 'NaN') AS volume_base,
       coalesce(sum(taker_buy_base), 'NaN') AS taker_buy_base
FROM candles
WHERE exchange = $exchange AND symbol = $symbol AND interval_ms = $fine
  AND open_time_ms >= $start AND open_time_ms < $end
  AND open_time_ms < $closed
GROUP BY 1 ORDER BY 1
"""

_INTERVALS = """
SELECT interval_ms, max(open_time_ms) FROM candles WHERE exchange = ? AND symbol = ?
GROUP BY interval_ms ORDER BY interval_ms
"""


def bars(
    cursor: duckdb.DuckDBPyConnection,
    exchange: str,
    symbol: str,
    interval_ms: int,
    *,
    start_ms: int,
    end_ms: int,
) -> Bars:
    """Closed bars with open time in [start_ms, end_ms), each with the open interest known at its close.

    Bars not stored at this interval are made of finer ones that divide it, the finest first.
    """
    columns = fetch(cursor, _BARS, [exchange, symbol, interval_ms, start_ms, end_ms])
    for fine_ms, newest_ms in cursor.execute(_INTERVALS, [exchange, symbol]).fetchall():
        if fine_ms < interval_ms and interval_ms % fine_ms == 0:
            closed_ms = (newest_ms + fine_ms) // interval_ms * interval_ms
            finer = _aggregated(cursor, exchange, symbol, fine_ms, interval_ms, (start_ms, end_ms, closed_ms))
            columns = _filled(columns, finer)
    reported, base = _open_interest_as_of(
        cursor, exchange, symbol, columns["open_time_ms"].astype(np.int64) + interval_ms
    )
    return Bars(
        interval_ms,
        columns["open_time_ms"].astype(np.int64),
        columns["open"],
        columns["high"],
        columns["low"],
        columns["close"],
        base,
        reported,
        columns["volume_base"],
        columns["taker_buy_base"],
    )


def _aggregated(
    cursor: duckdb.DuckDBPyConnection,
    exchange: str,
    symbol: str,
    fine_ms: int,
    coarse_ms: int,
    span: tuple[int, int, int],
) -> Columns:
    start_ms, end_ms, closed_ms = span
    first_ms = -(-start_ms // coarse_ms) * coarse_ms
    last_ms = -(-end_ms // coarse_ms) * coarse_ms
    parameters = {
        "exchange": exchange,
        "symbol": symbol,
        "fine": fine_ms,
        "coarse": coarse_ms,
        "start": first_ms,
        "end": last_ms,
        "closed": closed_ms,
    }
    return cursor.execute(_AGGREGATED_BARS, parameters).fetchnumpy()


def _filled(columns: Columns, others: Columns) -> Columns:
    """The rows of `columns`, and those of `others` whose time they lack."""
    missing = ~np.isin(others["open_time_ms"], columns["open_time_ms"])
    if not missing.any():
        return columns
    merged = {name: np.concatenate((columns[name], others[name][missing])) for name in columns}
    order = np.argsort(merged["open_time_ms"])
    return {name: column[order] for name, column in merged.items()}


_OPEN_INTEREST = """
SELECT time_ms, open_interest_base, reported FROM open_interest
WHERE exchange = $exchange AND symbol = $symbol AND time_ms <= $last
  AND time_ms >= coalesce((SELECT max(time_ms) FROM open_interest
                           WHERE exchange = $exchange AND symbol = $symbol AND time_ms <= $first), $first)
ORDER BY time_ms
"""


def _open_interest_as_of(
    cursor: duckdb.DuckDBPyConnection, exchange: str, symbol: str, closes_ms: TimeArray
) -> tuple[FloatArray, FloatArray]:
    """(reported, base) open interest last known at or before each of the ascending times."""
    unknown = np.full(len(closes_ms), np.nan)
    if not len(closes_ms):
        return unknown, unknown
    span = {
        "exchange": exchange,
        "symbol": symbol,
        "first": int(closes_ms[0]),
        "last": int(closes_ms[-1]),
    }
    known = cursor.execute(_OPEN_INTEREST, span).fetchnumpy()
    rows = np.searchsorted(known["time_ms"], closes_ms, side="right") - 1
    if not len(known["time_ms"]):
        return unknown, unknown
    return (
        np.where(rows >= 0, known["reported"][rows], np.nan),
        np.where(rows >= 0, known["open_interest_base"][rows], np.nan),
    )


def newest_bar_ms(
    cursor: duckdb.DuckDBPyConnection, exchange: str, symbol: str, interval_ms: int
) -> int | None:
    """Open time of the newest bar that `bars` would give, None without any."""
    newest: list[int] = []
    for fine_ms, open_time_ms in cursor.execute(_INTERVALS, [exchange, symbol]).fetchall():
        if interval_ms % fine_ms == 0:
            newest.append((open_time_ms + fine_ms) // interval_ms * interval_ms - interval_ms)
    return max(newest, default=None)


def exchanges(cursor: duckdb.DuckDBPyConnection, symbol: str) -> tuple[str, ...]:
    """Venues with candles of the symbol, by name."""
    sql = "SELECT DISTINCT exchange FROM candles WHERE symbol = ? ORDER BY exchange"
    return tuple(name for (name,) in cursor.execute(sql, [symbol]).fetchall())


_CHOSEN_LIQUIDATIONS = """
FROM liquidations
WHERE symbol = ? AND time_ms >= ? AND time_ms < ? AND (? IS NULL OR list_contains(?, exchange))
"""

_LIQUIDATIONS = f"""
FROM (
    SELECT time_ms, exchange, side, price_usd, quantity_base {_CHOSEN_LIQUIDATIONS}
    ORDER BY time_ms DESC, exchange, side, price_usd, quantity_base LIMIT ?
) SELECT time_ms, exchange, side = 'long' AS is_long, price_usd, quantity_base
ORDER BY time_ms, exchange, side, price_usd, quantity_base
"""


def liquidations(
    cursor: duckdb.DuckDBPyConnection,
    symbol: str,
    *,
    start_ms: int,
    end_ms: int,
    exchanges: Collection[str] | None,
    limit: int | None,
) -> LiquidationColumns:
    """Single liquidations of [start_ms, end_ms), ascending; the newest `limit` of them."""
    names = None if exchanges is None else list(exchanges)
    columns = fetch(cursor, _LIQUIDATIONS, [symbol, start_ms, end_ms, names, names, limit])
    return LiquidationColumns(
        columns["time_ms"].astype(np.int64),
        np.asarray(columns["exchange"], dtype=object),
        columns["is_long"].astype(np.bool_),
        columns["price_usd"],
        columns["quantity_base"],
    )


def count_liquidations(
    cursor: duckdb.DuckDBPyConnection,
    symbol: str,
    *,
    start_ms: int,
    end_ms: int,
    exchanges: Collection[str] | None,
) -> int:
    """How many single liquidations `liquidations` would give without a limit."""
    names = None if exchanges is None else list(exchanges)
    sql = f"SELECT count(*) {_CHOSEN_LIQUIDATIONS}"
    row = cursor.execute(sql, [symbol, start_ms, end_ms, names, names]).fetchone()
    return int(row[0]) if row else 0


def funding(
    cursor: duckdb.DuckDBPyConnection, exchange: str, symbol: str, *, start_ms: int, end_ms: int
) -> FundingColumns:
    """Funding rates of [start_ms, end_ms)."""
    sql = (
        "SELECT time_ms, rate FROM funding "
        "WHERE exchange = ? AND symbol = ? AND time_ms >= ? AND time_ms < ? ORDER BY time_ms"
    )
    columns = fetch(cursor, sql, [exchange, symbol, start_ms, end_ms])
    return FundingColumns(columns["time_ms"].astype(np.int64), columns["rate"])
