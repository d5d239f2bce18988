"""What the store holds, market by market: spans, rows, gaps."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import duckdb

from liqstream.market import MarketKey
from liqstream.store.guarded_rows import limits, usable_of_markets
from liqstream.store.results import MarketSummary
from liqstream.store.tables import LIQUIDATION_TOTALS, LIQUIDATIONS, OPEN_INTEREST, Table

_CANDLE_SPANS = f"""
SELECT exchange, symbol, interval_ms, min(open_time_ms), max(open_time_ms), count(*)
FROM ({usable_of_markets("candles")}) GROUP BY ALL ORDER BY ALL
"""  # noqa: S608  names are ours

_GAPS = f"""
SELECT exchange, symbol, interval_ms, open_time_ms + interval_ms, next_ms FROM (
    SELECT exchange, symbol, interval_ms, open_time_ms, lead(open_time_ms) OVER (
        PARTITION BY exchange, symbol, interval_ms ORDER BY open_time_ms) AS next_ms
    FROM ({usable_of_markets("candles")}))
WHERE next_ms > open_time_ms + interval_ms ORDER BY ALL
"""  # noqa: S608  names are ours


def summary(
    cursor: duckdb.DuckDBPyConnection, markets: Sequence[tuple[MarketKey, int]]
) -> list[MarketSummary]:
    """What is stored of markets, by bar interval, up to the guard's latest time for each.

    Markets without bars come last; rows the guard refuses are left out.
    """
    parameters = limits(markets)
    counts = {
        table.name: _rows_by_market(cursor, table, parameters)
        for table in (OPEN_INTEREST, LIQUIDATIONS, LIQUIDATION_TOTALS)
    }
    gaps: dict[tuple[str, str, int], list[tuple[int, int]]] = {}
    for exchange, symbol, interval_ms, first_ms, next_ms in cursor.execute(_GAPS, parameters).fetchall():
        gaps.setdefault((exchange, symbol, interval_ms), []).append((first_ms, next_ms))
    spans = cursor.execute(_CANDLE_SPANS, parameters).fetchall()
    with_bars = {(row[0], row[1]) for row in spans}
    without_bars = {market for rows in counts.values() for market in rows} - with_bars
    spans += [_span_without_bars(market, counts) for market in sorted(without_bars)]
    return [_market_summary(span, gaps.get(span[:3], []), counts) for span in spans]


Held = tuple[int, int, int]
"""Rows, first and last time."""
Counts = dict[str, dict[tuple[str, str], Held]]


def _rows_by_market(
    cursor: duckdb.DuckDBPyConnection, table: Table, parameters: dict[str, list[str] | list[int]]
) -> dict[tuple[str, str], Held]:
    sql = (
        f"SELECT exchange, symbol, count(*), min({table.time}), max({table.time}) "  # noqa: S608
        f"FROM ({usable_of_markets(table.name)}) GROUP BY ALL"
    )
    return {(row[0], row[1]): (row[2], row[3], row[4]) for row in cursor.execute(sql, parameters).fetchall()}


def _span_without_bars(market: tuple[str, str], counts: Counts) -> tuple[Any, ...]:
    held = [by_market[market] for by_market in counts.values() if market in by_market]
    return (*market, None, min(first for _, first, _ in held), max(last for _, _, last in held), 0)


def _market_summary(span: tuple[Any, ...], gaps: list[tuple[int, int]], counts: Counts) -> MarketSummary:
    exchange, symbol, interval_ms, first_ms, last_ms, rows = span
    open_interest, liquidations, totals = (
        by_market.get((exchange, symbol), (0, 0, 0))[0] for by_market in counts.values()
    )
    return MarketSummary(
        exchange,
        symbol,
        interval_ms,
        first_ms,
        last_ms,
        rows,
        tuple(gaps),
        sum((end - start) // interval_ms for start, end in gaps),
        open_interest,
        liquidations,
        totals,
    )
