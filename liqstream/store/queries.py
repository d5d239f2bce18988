"""Bars and liquidations out of the tables, as columns."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, TypeAlias

import duckdb
import numpy as np
from numpy.typing import NDArray

from liqstream.market import Bars, FloatArray, MarketKey, TimeArray
from liqstream.market.column_guard import confirmed_bars, possible_bars, steady_open_interest
from liqstream.market.record_bounds import LARGEST_USD
from liqstream.store.guarded_rows import USABLE, limits, usable_of_markets
from liqstream.store.results import FundingColumns, LiquidationColumns

EARLIEST_MS = -(2**62)
LATEST_MS = 2**62

Columns = dict[str, NDArray[Any]]

Limits: TypeAlias = Sequence[tuple[MarketKey, int]]
"""Markets to read, each with the guard's latest time for it."""


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

_INTERVALS = f"""
SELECT interval_ms, max(open_time_ms) FROM candles
WHERE exchange = $exchange AND symbol = $symbol AND {USABLE["candles"]}
GROUP BY interval_ms ORDER BY interval_ms
"""  # noqa: S608  names are ours


def bars(
    cursor: duckdb.DuckDBPyConnection,
    market: MarketKey,
    interval_ms: int,
    *,
    start_ms: int,
    end_ms: int,
    latest_ms: int,
) -> tuple[Bars, int]:
    """Closed bars with open time in [start_ms, end_ms), each with the open interest known at its close.

    Bars not stored at this interval are made of finer ones that divide it, the finest first. What the guard
    refuses is left out; the second value is how many bars have a price that no next bar confirmed.
    """
    columns, refused = _usable_bars(cursor, market, interval_ms, (start_ms, end_ms), latest_ms)
    for fine_ms, newest_ms in _intervals(cursor, market, latest_ms):
        if fine_ms < interval_ms and interval_ms % fine_ms == 0:
            closed_ms = (newest_ms + fine_ms) // interval_ms * interval_ms
            # A coarse bar counts as closed once the fine bar that ends it, or any later one, is there.
            whole = (-(-start_ms // interval_ms) * interval_ms, -(-end_ms // interval_ms) * interval_ms)
            span = (whole[0], min(whole[1], closed_ms))
            finer, unconfirmed = _usable_bars(cursor, market, fine_ms, span, latest_ms)
            columns, refused = _filled(columns, _aggregated(finer, interval_ms)), refused + unconfirmed
    opens_ms = columns["open_time_ms"].astype(np.int64)
    reported, base = _open_interest_as_of(cursor, market, opens_ms + interval_ms, latest_ms)
    # It may have been stored before there was a price to judge it by.
    impossible = base * columns["close"] > LARGEST_USD
    reported, base = np.where(impossible, np.nan, reported), np.where(impossible, np.nan, base)
    made = Bars(
        interval_ms,
        opens_ms,
        columns["open"],
        columns["high"],
        columns["low"],
        columns["close"],
        base,
        reported,
        columns["volume_base"],
        columns["taker_buy_base"],
    )
    return made, refused


def _intervals(cursor: duckdb.DuckDBPyConnection, market: MarketKey, latest_ms: int) -> list[tuple[int, int]]:
    """Each stored interval with the open time of its newest usable bar."""
    parameters = {"exchange": market.exchange, "symbol": market.symbol, "latest": latest_ms}
    return cursor.execute(_INTERVALS, parameters).fetchall()


def _usable_bars(
    cursor: duckdb.DuckDBPyConnection,
    market: MarketKey,
    interval_ms: int,
    span: tuple[int, int],
    latest_ms: int,
) -> tuple[Columns, int]:
    """Stored bars of a span that the guard does not refuse, and how many no next bar confirmed."""
    start_ms, end_ms = span
    # One bar more on either side: what the first is judged by, and what confirms the last.
    stored = fetch(
        cursor,
        _BARS,
        [market.exchange, market.symbol, interval_ms, start_ms - interval_ms, end_ms + interval_ms],
    )
    possible = possible_bars(
        stored["open_time_ms"],
        _prices(stored),
        stored["volume_base"],
        interval_ms=interval_ms,
        latest_ms=latest_ms,
    )
    # A store altered by hand may hold a bar twice: the first counts.
    possible[1:] &= stored["open_time_ms"][1:] != stored["open_time_ms"][:-1]
    columns = {name: column[possible] for name, column in stored.items()}
    opens_ms = columns["open_time_ms"]
    asked = (opens_ms >= start_ms) & (opens_ms < end_ms)
    confirmed = confirmed_bars(opens_ms, _prices(columns), interval_ms=interval_ms)
    return (
        {name: column[asked & confirmed] for name, column in columns.items()},
        int(np.count_nonzero(asked & ~confirmed)),
    )


def _prices(columns: Columns) -> tuple[FloatArray, FloatArray, FloatArray, FloatArray]:
    return columns["open"], columns["high"], columns["low"], columns["close"]


def _aggregated(fine: Columns, interval_ms: int) -> Columns:
    """Bars made into those of a longer interval; volumes are NaN where no bar knows its own."""
    opens_ms = fine["open_time_ms"] - fine["open_time_ms"] % interval_ms
    if not len(opens_ms):
        return fine
    first = np.flatnonzero(np.diff(opens_ms, prepend=opens_ms[0] - 1))
    last = np.append(first[1:], len(opens_ms)) - 1
    return {
        "open_time_ms": opens_ms[first],
        "open": fine["open"][first],
        "high": np.maximum.reduceat(fine["high"], first),
        "low": np.minimum.reduceat(fine["low"], first),
        "close": fine["close"][last],
        "volume_base": _known_sums(fine["volume_base"], first),
        "taker_buy_base": _known_sums(fine["taker_buy_base"], first),
    }


def _known_sums(values: FloatArray, first: NDArray[np.intp]) -> FloatArray:
    known = np.add.reduceat(np.isfinite(values).astype(np.int64), first)
    return np.where(known > 0, np.add.reduceat(np.nan_to_num(values), first), np.nan)


def _filled(columns: Columns, others: Columns) -> Columns:
    """The rows of `columns`, and those of `others` whose time they lack."""
    missing = ~np.isin(others["open_time_ms"], columns["open_time_ms"])
    if not missing.any():
        return columns
    merged = {name: np.concatenate((columns[name], others[name][missing])) for name in columns}
    order = np.argsort(merged["open_time_ms"])
    return {name: column[order] for name, column in merged.items()}


_OPEN_INTEREST = f"""
WITH usable AS (
    SELECT time_ms, open_interest_base, reported FROM open_interest
    WHERE exchange = $exchange AND symbol = $symbol AND {USABLE["open_interest"]}
)
FROM usable WHERE time_ms <= $last
  AND time_ms >= coalesce((SELECT max(time_ms) FROM usable WHERE time_ms <= $first), $first)
ORDER BY time_ms
"""  # noqa: S608  names are ours


def _open_interest_as_of(
    cursor: duckdb.DuckDBPyConnection, market: MarketKey, closes_ms: TimeArray, latest_ms: int
) -> tuple[FloatArray, FloatArray]:
    """(reported, base) open interest last known at or before each of the ascending times."""
    unknown = np.full(len(closes_ms), np.nan)
    if not len(closes_ms):
        return unknown, unknown
    parameters = {
        "exchange": market.exchange,
        "symbol": market.symbol,
        "first": int(closes_ms[0]),
        "last": int(closes_ms[-1]),
        "latest": latest_ms,
    }
    found = cursor.execute(_OPEN_INTEREST, parameters).fetchnumpy()
    steady = steady_open_interest(found["time_ms"], found["open_interest_base"])
    known = {name: column[steady] for name, column in found.items()}
    rows = np.searchsorted(known["time_ms"], closes_ms, side="right") - 1
    if not len(known["time_ms"]):
        return unknown, unknown
    return (
        np.where(rows >= 0, known["reported"][rows], np.nan),
        np.where(rows >= 0, known["open_interest_base"][rows], np.nan),
    )


def newest_bar_ms(
    cursor: duckdb.DuckDBPyConnection, market: MarketKey, interval_ms: int, latest_ms: int
) -> int | None:
    """Open time of the newest bar that `bars` would give, None without any."""
    newest: list[int] = []
    for fine_ms, open_time_ms in _intervals(cursor, market, latest_ms):
        if interval_ms % fine_ms == 0:
            newest.append((open_time_ms + fine_ms) // interval_ms * interval_ms - interval_ms)
    return max(newest, default=None)


def exchanges(cursor: duckdb.DuckDBPyConnection, symbol: str) -> tuple[str, ...]:
    """Exchanges with candles of the symbol, by name."""
    sql = "SELECT DISTINCT exchange FROM candles WHERE symbol = ? ORDER BY exchange"
    return tuple(name for (name,) in cursor.execute(sql, [symbol]).fetchall())


def exchanges_with_liquidations(cursor: duckdb.DuckDBPyConnection, symbol: str) -> list[str]:
    """Exchanges with single liquidations or totals of the symbol."""
    sql = (
        "SELECT exchange FROM liquidations WHERE symbol = $symbol UNION "
        "SELECT exchange FROM liquidation_totals WHERE symbol = $symbol ORDER BY exchange"
    )
    return [name for (name,) in cursor.execute(sql, {"symbol": symbol}).fetchall()]


_CHOSEN_LIQUIDATIONS = f"""
FROM ({usable_of_markets("liquidations")}) WHERE time_ms >= $start AND time_ms < $end
"""

_LIQUIDATIONS = f"""
FROM (
    SELECT time_ms, exchange, side, price_usd, quantity_base {_CHOSEN_LIQUIDATIONS}
    ORDER BY time_ms DESC, exchange, side, price_usd, quantity_base LIMIT $limit
) SELECT time_ms, exchange, side = 'long' AS is_long, price_usd, quantity_base
ORDER BY time_ms, exchange, side, price_usd, quantity_base
"""


def liquidations(
    cursor: duckdb.DuckDBPyConnection, markets: Limits, *, start_ms: int, end_ms: int, limit: int | None
) -> LiquidationColumns:
    """Single liquidations of some markets in [start_ms, end_ms), ascending; the newest `limit` of them."""
    parameters = limits(markets) | {"start": start_ms, "end": end_ms, "limit": limit}
    columns = cursor.execute(_LIQUIDATIONS, parameters).fetchnumpy()
    return LiquidationColumns(
        columns["time_ms"].astype(np.int64),
        np.asarray(columns["exchange"], dtype=object),
        columns["is_long"].astype(np.bool_),
        columns["price_usd"],
        columns["quantity_base"],
    )


def count_liquidations(
    cursor: duckdb.DuckDBPyConnection, markets: Limits, *, start_ms: int, end_ms: int
) -> int:
    """How many single liquidations `liquidations` would give without a limit."""
    sql = f"SELECT count(*) {_CHOSEN_LIQUIDATIONS}"
    row = cursor.execute(sql, limits(markets) | {"start": start_ms, "end": end_ms}).fetchone()
    return int(row[0]) if row else 0


_SPANS = f"""
SELECT start_ms, end_ms FROM liquidation_spans
WHERE exchange = $exchange AND symbol = $symbol AND end_ms > $start AND start_ms < $end
  AND {USABLE["liquidation_spans"]}
ORDER BY start_ms
"""  # noqa: S608  names are ours


def liquidation_spans(
    cursor: duckdb.DuckDBPyConnection, market: MarketKey, *, start_ms: int, end_ms: int, latest_ms: int
) -> list[tuple[int, int]]:
    """Spans in which a market's liquidations were listened to that reach into [start_ms, end_ms)."""
    parameters = {
        "exchange": market.exchange,
        "symbol": market.symbol,
        "start": start_ms,
        "end": end_ms,
        "latest": latest_ms,
    }
    return cursor.execute(_SPANS, parameters).fetchall()


_FUNDING = f"""
SELECT time_ms, rate FROM funding
WHERE exchange = $exchange AND symbol = $symbol AND time_ms >= $start AND time_ms < $end
  AND {USABLE["funding"]}
ORDER BY time_ms
"""  # noqa: S608  names are ours


def funding(
    cursor: duckdb.DuckDBPyConnection, market: MarketKey, *, start_ms: int, end_ms: int, latest_ms: int
) -> FundingColumns:
    """Funding rates of [start_ms, end_ms)."""
    parameters = {
        "exchange": market.exchange,
        "symbol": market.symbol,
        "start": start_ms,
        "end": end_ms,
        "latest": latest_ms,
    }
    columns = cursor.execute(_FUNDING, parameters).fetchnumpy()
    return FundingColumns(columns["time_ms"].astype(np.int64), columns["rate"])
